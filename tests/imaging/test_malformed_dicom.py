"""Hostile and broken DICOM files: each is refused with its reason or read right; nothing else dies of it."""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.imaging.malformed_dicom import PIXELS, SHAPE, Malformed, malformed
from unimedi.imaging.image import ImagingError, Radiograph
from unimedi.imaging.read import read_image
from unimedi.inputs.sandbox import Limits, Sandbox

MEMORY = 1 << 30  # what one file may take
ALL = malformed()


def outcome(path: Path) -> tuple[str, int]:
    """What reading comes to and the resident memory afterwards."""
    try:
        image = read_image(path)
    except ImagingError as error:
        found = error.reason
    else:
        found = "same" if isinstance(image, Radiograph) and np.array_equal(image.pixels, PIXELS) else "changed"
        if found == "changed" and image.ndim == 2 and image.pixels.shape == SHAPE and np.isfinite(image.pixels).all():
            found = "read"
    return found, psutil.Process(os.getpid()).memory_info().rss


@pytest.fixture(scope="module")
def reader() -> Sandbox[Path, tuple[str, int]]:
    return Sandbox(outcome, Limits(memory=MEMORY))


def test_there_are_enough() -> None:
    assert len({one.name for one in ALL}) == len(ALL) >= 40


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_malformed_file_is_refused_or_read_right(
    one: Malformed, reader: Sandbox[Path, tuple[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(one.content)
    try:
        found, memory = reader(path, one.name)
    except ImagingError as error:
        found, memory = error.reason, 0
    assert found in one.expected
    assert memory < MEMORY
