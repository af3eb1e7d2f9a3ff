"""One gate for all ways in: what is no image of its modality is refused by each of them, with the same reason."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.tiny import PREPROCESS
from unimedi.cohort.study import Modality, Report, Split, Study
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.inputs.gate import refuse_foreign
from unimedi.inputs.open_image import open_image
from unimedi.inputs.study_record import read_study
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer

DRAWS = np.random.default_rng(0)
CT = DRAWS.normal(-300, 300, (16, 24, 24)).clip(-1000, 900).astype(np.int16)
SHADE = DRAWS.integers(20, 240, (48, 48)).astype(np.uint8)
FOREIGN = {
    "mask": (CT > 0).astype(np.uint8),
    "organs": np.kron(np.arange(8).reshape(2, 2, 2), np.ones((8, 12, 12))).astype(np.uint8),
    "PET": np.abs(CT / 100).astype(np.float32),
    "scaled to 0..1": ((CT + 1000) / 2000).astype(np.float32),
    "scaled to -1..1": (CT / 1000).astype(np.float32),
    "by its deviation": ((CT - CT.mean()) / CT.std()).astype(np.float32),
    "grey values": ((CT.astype(np.float32) + 1000) / 2000 * 255).astype(np.uint8),
    "a spline's grey values": ((CT.astype(np.float32) + 1000) / 2000 * 255 - 4).astype(np.float32),
    "raw detector values": (CT + 1024).astype(np.uint16),
}


def nifti(array: np.ndarray, path: Path) -> Path:
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1, -1, 2, 1.0])), path)
    return path


def study(path: Path, modality: Modality) -> Study:
    return Study("one", "patient", modality, path, Report("A nodule."), Split.TRAIN)


@pytest.fixture(scope="module")
def processor() -> UniMediProcessor:
    return UniMediProcessor(PREPROCESS, learn_tokenizer(["A nodule."] * 3, 40, 12), 12)


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_ct_is_refused_by_every_way_in(kind: str, processor: UniMediProcessor, tmp_path: Path) -> None:
    array = FOREIGN[kind]
    path, voxels = nifti(array, tmp_path / "x.nii"), np.rint(array).astype(np.int16)
    ways: list[Callable[[], object]] = [
        lambda: read_study(study(path, Modality.CT)),
        lambda: processor(path),
        lambda: processor(str(path)),
        lambda: processor(array, spacing=(2, 1, 1)),
        lambda: processor([array], spacing=(2, 1, 1)),
        lambda: processor(Volume(voxels, (2.0, 1.0, 1.0))),
    ]
    for way in ways:
        with pytest.raises(ImagingError, match="not Hounsfield units") as refused:
            way()
        assert refused.value.reason == "not_hu"


@pytest.mark.parametrize(
    "voxels",
    [CT, CT.clip(-160, 240), CT.clip(-50, 350), CT.clip(-1000, -800), np.where(CT > 0, 40, -1000).astype(np.int16)],
    ids=["whole", "soft tissue's window", "liver's window", "lung alone", "water in air"],
)
def test_a_ct_passes_whatever_was_cut_from_its_scale(
    voxels: np.ndarray, processor: UniMediProcessor, tmp_path: Path
) -> None:
    path = nifti(voxels, tmp_path / "ct.nii")
    assert np.array_equal(read_study(study(path, Modality.CT)).voxels, voxels)  # type: ignore[union-attr]
    assert processor(path)["pixel_values"].equal(processor(voxels, spacing=(2, 1, 1))["pixel_values"])


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 3, 9, 200)])
def test_a_label_image_is_no_radiograph(values: tuple[int, ...], processor: UniMediProcessor, tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.uint8)
    for number, value in enumerate(values):
        labels[10 : 60 - 8 * number, 12 : 60 - 8 * number] = value
    path = tmp_path / "labels.png"
    Image.fromarray(labels).save(path)
    ways: list[Callable[[], object]] = [
        lambda: read_study(study(path, Modality.DX)),
        lambda: processor(path),
        lambda: processor(labels),
        lambda: processor(Image.open(path)),
        lambda: processor(Radiograph(labels.astype(np.float32))),
    ]
    for way in ways:
        with pytest.raises(ImagingError, match="a label image") as refused:
            way()
        assert refused.value.reason == "label_image"


@pytest.mark.parametrize(
    "pixels",
    [SHADE, SHADE // 16, SHADE > 100, np.tile(np.arange(48), (48, 1)), np.tile(np.arange(48), (48, 1)).T, SHADE / 255],
    ids=["8 bits", "4 bits", "dithered", "shade to the right", "shade downwards", "0 to 1"],
)
def test_few_values_alone_make_no_label_image(pixels: np.ndarray) -> None:
    refuse_foreign(Radiograph(pixels.astype(np.float32)), Modality.DX, "x")


def test_a_radiograph_on_a_black_plate_passes() -> None:
    plate = np.zeros((400, 400), np.float32)
    plate[150:250, 150:250] = DRAWS.normal(800, 100, (100, 100))
    refuse_foreign(Radiograph(plate), Modality.CR, "x")


def test_an_mr_has_no_hounsfield_units_and_its_labels_are_refused() -> None:
    refuse_foreign(Volume((CT + 1024).astype(np.int16), (2.0, 1.0, 1.0)), Modality.MR, "x")
    with pytest.raises(ImagingError, match="a label image"):
        refuse_foreign(Volume(FOREIGN["organs"].astype(np.int16), (2.0, 1.0, 1.0)), Modality.MR, "x")


def test_another_dimension_than_the_modality_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagingError, match=r"expected DX \(2-D\), the image is 3-D") as refused:
        read_study(study(nifti(CT, tmp_path / "ct.nii"), Modality.DX))
    assert refused.value.reason == "wrong_dimension"


def test_a_ct_in_pictures_is_judged_as_pictures(tmp_path: Path) -> None:
    for folder, planes in (("ct", SHADE[None].repeat(6, 0)), ("mask", np.zeros((6, 48, 48), np.uint8))):
        (tmp_path / folder).mkdir()
        planes[:, 20:30, 20:30] = 255
        for number, plane in enumerate(planes):
            Image.fromarray(plane).save(tmp_path / folder / f"{number}.png")
    assert open_image(tmp_path / "ct").ndim == 3
    with pytest.raises(ImagingError, match="a label image"):
        open_image(tmp_path / "mask")
