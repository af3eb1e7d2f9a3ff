"""The notebook runs from top to bottom on a tiny model, and is kept without outputs."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.hospital import write_pretrained
from unimedi.cohort.manifest import write_manifest
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.phantom.hospital import build_hospital

TOUR = Path(__file__).resolve().parents[2] / "examples" / "tour.ipynb"
SOURCE = TOUR.parents[1] / "src"
PICTURES = 6
PATIENTS = {
    "train_xray": 1, "train_ct": 1, "validation_paired": 1, "test_paired": 4, "ct_shape": (16, 32, 32),
    "xray_size": (40, 48), "share_spanish": 0.0,
}  # fmt: skip


def test_it_is_kept_without_outputs() -> None:
    """They would be one machine's pictures of one model: large, stale at once, and a difference with every run."""
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_hospital(tmp_path / "hospital", "micro", seed=0, workers=1, progress=False, overrides=PATIENTS)
    write_manifest(phantom_cohort(tmp_path / "hospital"), tmp_path / "hospital" / "cohort.csv")
    write_pretrained(tmp_path / "pretrained")
    monkeypatch.setenv("UNIMEDI_RUN", str(tmp_path))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # nothing is written into the home of whoever runs this
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = nbformat.read(TOUR, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=1500,
        startup_timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == PICTURES
    printed = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert "4 patients with both" in printed
    assert "planes, counted from 0 at the feet:" in printed
