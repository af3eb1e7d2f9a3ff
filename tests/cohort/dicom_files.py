"""The smallest real DICOM files for tests of cohorts."""

import zlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from tests.imaging.test_dicom import CT, XRAY, dataset, save


def put_xray(path: Path, **tags: object) -> Path:
    """A DX image; every one has other pixels and, unless it is given, an examination of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(bytes(path))).integers(0, 4000, XRAY.shape)
    made = dataset(noise.astype(XRAY.dtype), "DX")
    for name, value in {"StudyInstanceUID": made.SOPInstanceUID, "ViewPosition": "PA", **tags}.items():
        setattr(made, name, value)
    return save(made, path)


def put_ct(folder: Path, planes: int = 5, **tags: object) -> Path:
    """A CT series, a file a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(planes):
        place = {"ImagePositionPatient": [0, 0, 5.0 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [3.0, 2.0], "SeriesInstanceUID": "1.2.7"}
        save(dataset((CT[k] + 1024).astype(np.int16), "CT", **{**place, **about, **tags}), folder / f"IM{k}")
    return folder


def put_enhanced_ct(path: Path, **tags: object) -> Path:
    """The whole of a CT as frames of one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = dataset((CT[0] + 1024).astype(np.int16), "CT", SeriesInstanceUID="1.2.8")
    made.PixelData, made.NumberOfFrames = (CT + 1024).astype(np.int16).tobytes(), len(CT)
    shared = Dataset()
    for macro, values in (
        ("PixelMeasuresSequence", {"PixelSpacing": [3.0, 2.0]}),
        ("PlaneOrientationSequence", {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}),
        ("PixelValueTransformationSequence", {"RescaleSlope": 1, "RescaleIntercept": -1024}),
    ):
        setattr(shared, macro, [_item(**values)])
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, 5.0 * k])]) for k in range(len(CT))
    ]
    for name, value in tags.items():
        setattr(made, name, value)
    return save(made, path)


def _item(**tags: object) -> Dataset:
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made
