"""What a person names on the command line: each image once, everything else with its reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.errors import MissingError
from unimedi.inputs.preprocess import Preprocess
from unimedi.representation.image_files import find_images, read_images


def png(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48), np.uint8)).save(path)
    return path


def test_each_image_is_taken_once_and_the_others_are_listed(tmp_path: Path) -> None:
    png(tmp_path / "a" / "one.png", 0)
    second = png(tmp_path / "b" / "two.png", 1)
    (tmp_path / "b" / "notes.txt").write_text("Clear lungs.")
    listed = SourceCohort(tmp_path)
    found = find_images([tmp_path / "a", tmp_path / "b", second], listed)
    assert sorted(path.name for path in found) == ["one.png", "two.png"]
    said = {Path(one.what).name: one.reason for one in listed.skipped}
    assert "a copy of" in said["two.png"]  # named a second time, beside its folder
    assert "notes.txt" in said


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    good, bad = png(tmp_path / "good.png", 0), tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:60])
    listed, preprocess = SourceCohort(tmp_path), Preprocess(radiograph_size=(32, 32))
    ((path, _, stored),) = read_images([bad, good], preprocess, listed)
    assert path == good
    assert stored.shape == (32, 32)
    assert stored.dtype == np.int16
    assert [Path(one.what).name for one in listed.skipped] == ["bad.png"]


def test_a_path_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"gone.png: no such file or folder"):
        find_images([tmp_path / "gone.png"], SourceCohort(tmp_path))
