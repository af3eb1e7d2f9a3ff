"""NIfTI files that nibabel ships for its own tests, odd ones among them: read as nibabel does, or refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from unimedi.imaging.image import ImagingError
from unimedi.imaging.read import read_image

FOLDER = Path(nib.__file__).parent / "tests" / "data"


def test_every_nifti_that_nibabel_ships_is_read_or_refused() -> None:
    files = sorted([*FOLDER.rglob("*.nii"), *FOLDER.rglob("*.nii.gz")])
    if not files:
        pytest.skip("this nibabel ships no NIfTI files")
    read, refused = [], {}
    for path in files:
        try:
            image = read_image(path)
        except ImagingError as error:
            refused[path.name] = error.reason
            continue
        array = image.voxels if image.ndim == 3 else image.pixels  # type: ignore[union-attr]
        other = np.asarray(nib.load(path).dataobj).squeeze()  # type: ignore[attr-defined]
        assert sorted(array.shape) == sorted(other.shape), path.name
        # Axes are turned, Hounsfield units rounded to whole numbers.
        if image.ndim == 3 and np.abs(other).max() < 32767:
            assert abs(float(array.astype(float).mean()) - float(other.mean())) < 0.51, path.name
        read.append(path.name)
    assert len(read) >= 2, refused
    assert set(refused.values()) <= {
        *("wrong_dimension", "no_orientation", "unsupported", "too_small", "too_few_slices", "constant", "nan"),
        *("bad_orientation", "unreadable", "bad_spacing"),
    }, refused
