"""A spoilt file is refused with a reason or read right: no other exception, no array of another shape.

To add seeds of another format: one more entry in ``SEEDS``, and what else reads it in ``other_shape``.
"""

import io
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from tests.imaging.mutants import mutate
from unimedi.imaging.image import ImagingError, Radiograph
from unimedi.imaging.intensity import check
from unimedi.imaging.read import read_image

CT = np.random.default_rng(0).integers(-1000, 1000, size=(5, 9, 11)).astype(np.int16)
IN_CI, LONG = 125, 500  # mutants of each seed: 1,500 and 6,000 in all
PICTURES = (".png", ".jpg", ".tif")


def volume(suffix: str, dtype: type = np.int16, packed: bool = False) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"ct{suffix}"
        image = sitk.GetImageFromArray(CT.astype(dtype))
        image.SetSpacing((2.0, 3.0, 5.0))
        sitk.WriteImage(image, str(path), packed)
        return path.read_bytes()


def picture(suffix: str, mode: str = "L", **options: object) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 250, size=(24, 20)).astype(np.uint8)
    image = Image.fromarray(pixels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    stream = io.BytesIO()
    image.save(stream, format={".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF"}[suffix], **options)
    return stream.getvalue()


SEEDS = [
    ("nifti", volume(".nii"), ".nii"),
    ("nifti-float", volume(".nii", np.float32), ".nii"),
    ("nifti-gz", volume(".nii.gz", packed=True), ".nii.gz"),
    ("nrrd", volume(".nrrd"), ".nrrd"),
    ("nrrd-gzip", volume(".nrrd", packed=True), ".nrrd"),
    ("metaimage", volume(".mha"), ".mha"),
    ("metaimage-zlib", volume(".mha", packed=True), ".mha"),
    ("png", picture(".png"), ".png"),
    ("png-16", picture(".png", "I;16"), ".png"),
    ("jpeg", picture(".jpg", "RGB"), ".jpg"),
    ("tiff", picture(".tif", "I;16"), ".tif"),
    ("tiff-lzw", picture(".tif", compression="tiff_lzw"), ".tif"),
]


def other_shape(path: Path) -> list[int] | None:
    """Sides in rising order as another reader finds them (axes may be turned); None where it does not read the file."""
    try:
        if path.name.endswith(PICTURES):
            with Image.open(path) as image:
                return sorted(image.size)
        sides = sitk.ReadImage(str(path)).GetSize()
    except Exception:
        return None
    return sorted(n for n in sides[:3]) if all(n == 1 for n in sides[3:]) else list(sides)


def outcome(mutant: bytes, path: Path) -> str:
    path.write_bytes(mutant)
    try:
        image = read_image(path)
    except ImagingError as error:
        return error.reason
    check(image)
    array = image.pixels if isinstance(image, Radiograph) else image.voxels
    other = other_shape(path)
    assert other is None or other == sorted(array.shape)
    return "read"


def run(name: str, seed: bytes, suffix: str, count: int, folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in range(count):
        mutant = mutate(seed, np.random.default_rng([number, len(seed)]))
        try:
            found[outcome(mutant, folder / f"mutant{suffix}")] += 1
        except Exception as error:
            raise AssertionError(f"{name}: mutant {number}: {type(error).__name__}: {error}") from error
    return found


@pytest.mark.parametrize(("name", "seed", "suffix"), SEEDS, ids=[seed[0] for seed in SEEDS])
def test_mutants(name: str, seed: bytes, suffix: str, tmp_path: Path) -> None:
    found = run(name, seed, suffix, IN_CI, tmp_path)
    assert found["unreadable"] > IN_CI // 10, "too few mutants were spoilt to tell anything"
    assert outcome(seed, tmp_path / f"seed{suffix}") == "read"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed", "suffix"), SEEDS, ids=[seed[0] for seed in SEEDS])
def test_many_mutants(name: str, seed: bytes, suffix: str, tmp_path: Path) -> None:
    run(name, seed, suffix, LONG, tmp_path)
