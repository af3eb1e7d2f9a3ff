"""Settings of the C library that training needs, which are read once, when a process starts."""

import os
import sys
from typing import Final

# glibc gives large blocks back to the kernel at each free; getting them again took half of a training step (page
# faults). These keep 16 GB of freed memory and grow by 256 MB.
# GNU's threads spin 300,000 rounds before they sleep; beside other work on the same cores that takes the time of those
# they wait for. 2,000 rounds cost nothing on a machine of one's own (docs/performance.md).
ENVIRONMENT: Final = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "16000000000",
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GOMP_SPINCOUNT": "2000",
}


def restart_with_environment() -> None:
    """Start this process anew, once, with what of ``ENVIRONMENT`` the caller has not set; keeps the process id."""
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    left_alone = {"GOMP_SPINCOUNT"} if "OMP_WAIT_POLICY" in os.environ else set()
    added = {name: value for name, value in ENVIRONMENT.items() if name not in {*os.environ, *left_alone}}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | added)
