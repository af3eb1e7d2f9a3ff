"""The comparison of all ways to score slabs runs on a tiny model and prints a row for each."""

import subprocess
import sys
from pathlib import Path

from tests.hospital import write_hospital, write_pretrained
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import SLAB_POOLINGS

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "selection.py"


def test_every_way_has_its_row(tmp_path: Path) -> None:
    write_hospital(tmp_path / "store")
    model = write_pretrained(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, SCRIPT, model, "--data", tmp_path / "store"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "(" in line]
    expected = {(way, pooling) for way in SCORERS if way != "text" for pooling in SLAB_POOLINGS} | {("text", "mean")}
    assert {(row[0], row[1]) for row in rows} == expected
    hit = {(row[0], row[1]): float(row[2].split()[0]) for row in rows}
    assert all(0 <= value <= 1 for value in hit.values())
