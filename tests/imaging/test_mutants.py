"""A spoilt file is refused with a reason or read right: no other exception, no array of another shape.

To add seeds of another format: one more entry in ``SEEDS``, and what else reads it in ``other_shape``.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from tests.imaging.malformed_dicom import lut, malformed, plain, written
from tests.imaging.mutants import mutate
from tests.imaging.test_dicom_series import enhanced
from unimedi.imaging.image import ImagingError, Radiograph
from unimedi.imaging.intensity import check
from unimedi.imaging.read import read_image
from unimedi.inputs.sandbox import Limits, Sandbox

CT = np.random.default_rng(0).integers(-1000, 1000, size=(5, 9, 11)).astype(np.int16)
Outcome = Callable[[tuple[bytes, Path]], str]
IN_CI, LONG = 125, 500  # mutants of each seed: 3,000 and 12,000 in all
MEMORY = 1 << 30  # of one
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


def shipped(name: str) -> bytes:
    """A small file that pydicom ships, of a compression that nothing here writes."""
    return (Path(pydicom.data.__file__).parent / "test_files" / name).read_bytes()


def dicom_seeds() -> dict[str, bytes]:
    """Every way that pixels, tables and frames are stored."""
    spoken = {one.name: one.content for one in malformed()}
    many = io.BytesIO()
    enhanced([2, 0, 1, 3, 5, 4]).save_as(many, enforce_file_format=True)
    window = plain(PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=1500)
    return {
        "explicit": written(plain()),
        "implicit": spoken["implicit little endian"],
        "big-endian": spoken["big endian"],
        "deflated": spoken["deflated"],
        "rle": spoken["RLE"],
        "palette": spoken["a palette"],
        "window": written(window),
        "voi-lut": written(plain(VOILUTSequence=lut(np.arange(4096) // 2, [4096, 0, 16]))),
        "modality-lut": written(plain(ModalityLUTSequence=lut(np.arange(4096) // 2, [4096, 0, 16]))),
        "enhanced": many.getvalue(),
        "jpeg-ls": shipped("JPEGLSNearLossless_08.dcm"),
        "jpeg-2000": shipped("JPEG2000.dcm"),
    }


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
    *((f"dicom-{name}", content, ".dcm") for name, content in dicom_seeds().items()),
]


def other_shape(path: Path) -> list[int] | None:
    """Sides in rising order as another reader finds them (axes may be turned); None where it does not read the file."""
    try:
        if path.suffix == ".dcm":  # GDCM is not asked: it would decide about the life of this process
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            frames = [int(header.NumberOfFrames)] if int(header.get("NumberOfFrames") or 1) > 1 else []
            return sorted([*frames, int(header.Rows), int(header.Columns)])
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


def spoken(job: tuple[bytes, Path]) -> str:
    """The outcome, or what else came out, after an exclamation mark."""
    try:
        return outcome(*job)
    except Exception as error:
        return f"!{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def apart() -> Iterator[Outcome]:
    """DICOM's decoders are compiled code of many authors: theirs run in a process of their own, as in preparing."""
    with Sandbox(spoken, Limits(memory=MEMORY)) as sandbox:
        yield lambda job: sandbox(job, str(job[1]))


def run(name: str, seed: bytes, suffix: str, count: int, folder: Path, apart: Outcome) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in range(count):
        mutant = mutate(seed, np.random.default_rng([number, len(seed)]))
        job = (mutant, folder / f"mutant{suffix}")
        said = apart(job) if suffix == ".dcm" else spoken(job)
        if said.startswith("!"):
            raise AssertionError(f"{name}: mutant {number}: {said}")
        found[said] += 1
    return found


@pytest.mark.parametrize(("name", "seed", "suffix"), SEEDS, ids=[seed[0] for seed in SEEDS])
def test_mutants(name: str, seed: bytes, suffix: str, tmp_path: Path, apart: Outcome) -> None:
    found = run(name, seed, suffix, IN_CI, tmp_path, apart)
    assert found.total() - found["read"] > IN_CI // 10, "too few mutants were spoilt to tell anything"
    assert outcome(seed, tmp_path / f"seed{suffix}") == "read"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed", "suffix"), SEEDS, ids=[seed[0] for seed in SEEDS])
def test_many_mutants(name: str, seed: bytes, suffix: str, tmp_path: Path, apart: Outcome) -> None:
    run(name, seed, suffix, LONG, tmp_path, apart)
