"""Files as a visitor drops them on the page: good ones, and ones that must be refused."""

import io
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from tests.cohort.dicom_files import put_ct, put_xray

DRAWS = np.random.default_rng(0)
CT = DRAWS.normal(-300, 300, (12, 24, 20)).clip(-1000, 900).astype(np.int16)
SHADE = DRAWS.integers(20, 240, (48, 40)).astype(np.uint8)


def good_files(folder: Path) -> dict[str, bytes]:
    """One of every kind by its name, the largest some kilobytes."""
    files = {"chest.dcm": put_xray(folder / "chest.dcm").read_bytes(), "series.zip": zipped(folder / "series")}
    for suffix in (".nii", ".nii.gz"):
        files[f"ct{suffix}"] = nifti(CT, folder / f"ct{suffix}")
    sitk.WriteImage(sitk.GetImageFromArray(CT), str(folder / "ct.nrrd"))
    files["ct.nrrd"] = (folder / "ct.nrrd").read_bytes()
    picture = io.BytesIO()
    Image.fromarray(SHADE).save(picture, "PNG")
    return files | {"x.png": picture.getvalue()}


def bad_files(folder: Path) -> dict[str, tuple[bytes, str, str]]:
    """What must be refused, by its name: the bytes, the reason, some words of the sentence."""
    whole = zipped(folder / "series")
    at = whole.index(b"PK\x01\x02")
    size = slice(at + 24, at + 28)  # in the directory
    bomb = bytearray(whole)
    bomb[size] = (0xFFFFFFF0).to_bytes(4, "little")
    encrypted = whole[:6] + b"\x01" + whole[7 : at + 8] + b"\x01" + whole[at + 9 :]
    beside = (
        "ObjectType = Image\nNDims = 2\nDimSize = 8 8\nElementType = MET_UCHAR\nElementSpacing = 1 1\n"
        "ElementDataFile = {}\n"
    )
    return {
        "locked.zip": (encrypted, "unsupported", "an encrypted archive"),
        "bomb.zip": (bytes(bomb), "too_large", "at most"),
        "slice.dcm": ((put_ct(folder / "slice", 1) / "IM0").read_bytes(), "too_few_slices", "one slice"),
        "slice.nii": (nifti(CT[:1], folder / "slice.nii"), "too_few_slices", "slice of a CT"),
        "two.nii": (nifti(CT[:2], folder / "two.nii"), "too_few_slices", "2 slices"),
        "mask.nii.gz": (nifti((CT > 0).astype(np.uint8), folder / "mask.nii.gz"), "not_hu", "not Hounsfield units"),
        "pet.nii": (nifti(np.abs(CT / 100).astype(np.float32), folder / "pet.nii"), "not_hu", "Hounsfield"),
        "letter.txt": (b"Dear colleague, the patient ...", "unsupported", "not a kind of file known here"),
        "empty.dcm": (b"", "unreadable", "the file is empty"),
        "cut.nii.gz": (nifti(CT, folder / "cut.nii.gz")[:900], "unreadable", "ended before"),
    } | {
        f"beside{number}.mhd": (beside.format(place).encode(), "unsafe_path", "outside the folder")
        for number, place in enumerate(("/etc/hostname", "../../canary.raw"))
    }


def nifti(array: np.ndarray, path: Path) -> bytes:
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1, -1, 2, 1.0])), path)
    return path.read_bytes()


def zipped(folder: Path) -> bytes:
    """A zip of a CT's series."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for file in sorted(put_ct(folder).iterdir()):
            archive.write(file, f"CT/{file.name}")
    return held.getvalue()
