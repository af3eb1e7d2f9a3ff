"""A cohort is cut into parts by count and size; a part is made anew where anything it was made from has changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.inputs.test_prepare import POLICY, RNG, study
from unimedi.cohort.study import Study
from unimedi.inputs import parts
from unimedi.inputs.parts import Part, cut, prepare_part
from unimedi.inputs.preprocess import Preprocess


def cohort(folder: Path, count: int) -> list[Study]:
    for number in range(count):
        Image.fromarray(RNG.integers(0, 255, size=(16, 16)).astype(np.uint8)).save(folder / f"x{number}.png")
    return [study(f"x{number}", folder / f"x{number}.png") for number in range(count)]


def pieces(studies: list[Study], out: Path, preprocess: Preprocess = POLICY, size: int = 2) -> list[Part]:
    return cut(studies, out, preprocess, (), size, None)


def test_parts_keep_the_order_and_end_at_a_count_or_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = cohort(tmp_path, 5)
    assert [len(part.studies) for part in pieces(studies, tmp_path)] == [2, 2, 1]
    assert [one for part in pieces(studies, tmp_path) for one in part.studies] == studies
    height, width = POLICY.radiograph_size
    monkeypatch.setattr(parts, "PART_BYTES", 2 * height * width)  # one radiograph
    assert [len(part.studies) for part in pieces(studies, tmp_path, size=4)] == [1] * 5
    assert pieces([], tmp_path) == []


def test_a_part_is_done_until_a_file_or_a_setting_changes(tmp_path: Path) -> None:
    studies, out = cohort(tmp_path, 2), tmp_path / "store"
    out.mkdir()
    (part,) = pieces(studies, out)
    assert not part.done
    assert prepare_part(part) == 0
    assert pieces(studies, out)[0].done
    assert not pieces(studies, out, Preprocess())[0].done
    assert not pieces(studies[:1], out)[0].done
    os.utime(studies[1].image, ns=(1, 1))
    assert not pieces(studies, out)[0].done
