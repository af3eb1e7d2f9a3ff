"""The contact sheet: one row a finding, by the command that people type."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unimedi.cli import main
from unimedi.phantom import sheet
from unimedi.phantom.patient.catalogue import FINDINGS


def test_the_command_draws_every_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "CT_SHAPE", (24, 48, 48))
    monkeypatch.setattr(sheet, "XRAY_SIZE", (48, 48))
    assert main(["phantom", str(tmp_path / "sheet.png"), "--sheet", "--seed", "1"]) == 0
    picture = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    rows = np.array_split(picture, len(FINDINGS) + 1)
    red = [int(((row[..., 0] - row[..., 1]) > 120).sum()) for row in rows]  # the outline of the mask
    assert min(red[:-1]) > 20, dict(zip((*FINDINGS, "normal"), red, strict=True))
    assert red[-1] == 0
