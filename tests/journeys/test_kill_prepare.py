"""`kill -9` in the middle of preparing: finished parts stay, nothing is done twice, and the store is the same."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from unimedi.cohort.manifest import read_manifest
from unimedi.inputs.prepare import prepare
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import part_name
from unimedi.phantom.hospital import build_hospital

PART = 3  # studies
POLICY = Preprocess((32, 32), (8, 32, 32), (8, 16, 16), (32, 32))
# Prepares and stops for ever in front of the marker of one part.
CHILD = """
import sys, time
from unimedi.cohort.manifest import read_manifest
from unimedi.inputs.prepare import prepare
from tests.journeys.test_kill_prepare import PART, POLICY
def stop(event, arguments):
    while event == "os.rename" and str(arguments[1]).endswith(sys.argv[3]):
        time.sleep(1)
sys.addaudithook(stop)
prepare(read_manifest(sys.argv[1]), sys.argv[2], POLICY, workers=1, part_size=PART)
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "hospital"
    build_hospital(out, "micro", seed=4, workers=1, progress=False)
    return out / "index.csv"


@pytest.fixture(scope="module")
def whole(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "store"
    prepare(read_manifest(manifest), out, POLICY, workers=0, part_size=PART)
    return out


@pytest.mark.parametrize("parts", [1, 3])
def test_preparing_goes_on_where_it_was_killed(manifest: Path, whole: Path, tmp_path: Path, parts: int) -> None:
    total = len(list(whole.glob("part-*.arrow")))

    out = tmp_path / "store"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(manifest), str(out), f"{part_name(parts)}.json"],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    while len(list(out.glob("part-*.json"))) < parts and child.poll() is None:
        time.sleep(0.002)
    readers = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.wait()
    assert psutil.wait_procs(readers)[1] == []  # what read for it does not outlive it

    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.json")}
    assert parts == len(kept) < total
    assert not (out / "store.json").exists()
    summary = prepare(read_manifest(manifest), out, POLICY, workers=0, part_size=PART)
    assert summary.kept_parts == len(kept)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert Store.open(out).fingerprint == Store.open(whole).fingerprint
    assert [path.name for path in out.glob(".*")] == []
