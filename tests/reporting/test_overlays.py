"""Panels have the body's proportions and one scale; padding is cut, and what is drawn lies where it is."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from tests.hospital import write_hospital, write_pretrained
from unimedi.evaluation.examples.attention import content, volume_planes
from unimedi.evaluation.examples.choice import slabs_taken, slice_examples
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.record import Plane
from unimedi.evaluation.result import SliceResults
from unimedi.evaluation.split import eval_split
from unimedi.imaging.intensity import AIR_HU
from unimedi.model.slice_selection import select_slices
from unimedi.reporting.overlays import GAP, HEAD, in_millimetres
from unimedi.reporting.plots import ORANGE, slice_strip
from unimedi.representation.embedder import Embedder

DOTS = 110  # per inch, as STYLE has it


def plane(rows: int, columns: int, spacing: tuple[float, float], **more: object) -> Plane:
    return Plane(np.full((rows, columns), 255, np.uint8), spacing, ((0, rows), (0, columns)), **more)  # type: ignore[arg-type]


def picture(*planes: Plane, width: float = 6.0) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(in_millimetres(planes, width, bar=False))).convert("L"), dtype=int)


def test_size_is_that_of_the_body() -> None:
    # 40 x 100 mm and 80 x 50 mm, whatever the numbers of pixels.
    pixels = picture(plane(10, 100, (4.0, 1.0)), plane(16, 5, (5.0, 10.0)))
    inch = 6.0 / (100 + 50 + GAP)
    assert pixels.shape[1] == pytest.approx(6.0 * DOTS, abs=1)
    assert pixels.shape[0] == pytest.approx((80 * inch + HEAD) * DOTS, abs=2)


def test_marks_and_outlines_lie_where_they_are() -> None:
    dark = np.zeros((20, 10), np.uint8)
    box = ((0, 20), (0, 10))
    lines = picture(Plane(dark, (2.0, 4.0), box, marks=(5.0,), upwards=True))
    body = lines[round(HEAD * DOTS) :]
    brightest = body[:, body.shape[1] // 2].argmax() / len(body)
    assert brightest == pytest.approx(1 - 5 / 20, abs=0.02)  # row 0 is at the bottom
    outline = np.zeros((20, 10), dtype=bool)
    outline[2:6, 6:9] = True
    ring = picture(Plane(dark, (2.0, 4.0), box, outline=outline))[round(HEAD * DOTS) :]
    rows, columns = (np.flatnonzero((ring > 60).any(axis=axis)) / ring.shape[1 - axis] for axis in (1, 0))
    assert (rows[0], rows[-1]) == pytest.approx((2 / 20, 6 / 20), abs=0.03)
    assert (columns[0], columns[-1]) == pytest.approx((6 / 10, 9 / 10), abs=0.04)


def test_padding_is_cut_and_nothing_else() -> None:
    volume = np.full((3, 8, 9), AIR_HU, dtype=np.int16)
    volume[1, 2, 3] = volume[2, 5, 3] = -900
    assert content(volume, AIR_HU) == ((2, 6), (3, 4))
    assert content(np.zeros((4, 5)), 0) == ((0, 4), (0, 5))


def test_four_planes_of_a_volume(tmp_path: object) -> None:
    folder = write_pretrained(tmp_path / "model")  # type: ignore[operator]
    store = write_hospital(tmp_path / "store", ndims=(3,))  # type: ignore[operator]
    embedder = Embedder.from_pretrained(folder)
    seen = eval_split("ct", "test", store, embedder, EvaluationOptions(resamples=5))
    grid = embedder.model.vision.volume_grid
    row = next(row for row in range(len(seen)) if seen.positives(row))
    axial, overlay, coronal, sagittal = volume_planes(seen, row, store, grid)
    mask = store.mask(seen.indices[row])
    assert mask is not None
    weights = seen.table.attention[row].reshape(grid)
    best = int(weights.mean(axis=(1, 2)).argmax())
    assert overlay.attention == pytest.approx(weights[best] / weights.mean(), rel=1e-5)
    assert axial.attention is None
    assert coronal.attention == pytest.approx(weights.mean(axis=1) / weights.mean(), rel=1e-5)
    assert coronal.outline is not None
    assert (coronal.outline == (mask != 0).any(axis=1)).all()
    assert sagittal.outline is not None
    assert (sagittal.outline == (mask != 0).any(axis=2)).all()
    assert seen.table.selected is not None
    assert [mark - 0.5 for mark in coronal.marks] == seen.table.selected[row].tolist()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"selector": "uniform", "slices": 2}, [1, 3]),
        ({"selector": "centre", "slices": 2}, [1, 2]),
        ({"slices": 3}, None),
        ({"slices": 0}, []),
    ],
)
def test_framed_is_what_the_model_takes(tmp_path: Path, changes: dict[str, object], expected: list[int] | None) -> None:
    embedder = Embedder.from_pretrained(write_pretrained(tmp_path / "model"))
    for name, value in changes.items():
        setattr(embedder.model.config, name, value)
    store = write_hospital(tmp_path / "store", ndims=(3,))
    seen = eval_split("ct", "test", store, embedder, EvaluationOptions(resamples=5))
    scores = seen.table.slice_scores
    assert scores is not None
    for row in range(3):
        best = select_slices(torch.from_numpy(scores[row : row + 1]), 3)[0].tolist()
        assert slabs_taken(seen, row, 4, 16) == tuple(best if expected is None else expected)
    outcome = SliceResults([0, 1, 2], np.zeros((3, 16), bool), scores[:3])
    found = slice_examples(seen, store, outcome, "attentive")
    assert found is not None
    for strip in found.strips:
        picture = Image.open(io.BytesIO(slice_strip(strip))).convert("RGB")
        framed = (np.asarray(picture) == ImageColor.getrgb(ORANGE)).all(axis=2).any()
        assert framed == (expected != [])
