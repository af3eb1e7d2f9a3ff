"""A folder for files that pass through: private, gone afterwards, and swept where a server was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from unimedi.web.private_folder import PREFIX, private_folder, sweep


def old(folder: Path) -> Path:
    os.utime(folder, (0, 0))
    return folder


def test_only_its_user_may_look_and_nothing_is_left(temporary: Path) -> None:
    def fail() -> None:
        with private_folder() as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "below").mkdir()
            (folder / "below" / "scan").write_bytes(b"a patient")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(temporary.iterdir())


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(temporary: Path) -> None:
    code = (
        "import time\nfrom unimedi.web.private_folder import private_folder\n"
        "with private_folder() as folder:\n (folder / 'scan').write_bytes(b'a patient')\n print(folder, flush=True)\n"
        " time.sleep(600)"
    )
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    left = old(Path(process.stdout.readline().strip()))
    with private_folder() as used:
        old(used)
        assert sweep() == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert left.exists()
        assert sweep() == 1
        assert used.exists()
    assert not left.exists()


def test_what_is_new_or_of_somebody_else_stays(temporary: Path) -> None:
    new = Path(tempfile.mkdtemp(prefix=PREFIX))
    other = old(Path(tempfile.mkdtemp(prefix="another-program-")))
    (temporary / "target").mkdir()
    link = temporary / f"{PREFIX}link"
    link.symlink_to(old(temporary / "target"))
    file = old_file(temporary / f"{PREFIX}file")
    assert sweep() == 0
    for path in (link, file):
        assert path.exists()
        path.unlink()
    for folder in (new, other, temporary / "target"):
        folder.rmdir()


def old_file(path: Path) -> Path:
    path.write_bytes(b"")
    return old(path)
