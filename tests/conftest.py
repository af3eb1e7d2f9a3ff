"""What every test runs under: shapes checked, one thread, no screen, no network."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before torch, numpy, transformers or matplotlib are imported by anything.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(_name, "1")
for _name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[_name] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "Agg"

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# An example may take as long as it takes, and so may drawing it: a slow machine, or one that was asleep, is no failure.
settings.register_profile("unimedi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unimedi")

# From here on every annotated shape and type of the package is checked when a function is called.
# One module is left out: the hook reads a dataclass's own fields, and a transformers config takes more than those.
_SOURCE = Path(__file__).parents[1] / "src"
_MODULES = [".".join(path.relative_to(_SOURCE).with_suffix("").parts) for path in _SOURCE.rglob("[!_]*.py")]
install_import_hook([name for name in _MODULES if name != "unimedi.model.config"], "beartype.beartype")

_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """A stream socket may reach this machine only: a test that asks a hub for a file fails here, and says so."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        outside = self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK)
        if outside and self.type == socket.SOCK_STREAM:
            raise AssertionError(f"tests must not use the network, but something connects to {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _cpu_without_bf16() -> Iterator[None]:
    """``precision: auto`` is fp32 in every test that does not say otherwise: no outcome depends on the CPU."""
    import torch

    known = torch.cpu.get_capabilities()
    hidden = dict.fromkeys(("amx_bf16", "avx512_bf16", "bf16"), False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", lambda: known | hidden)
        yield
