"""CT collections with organs or lesions as label images: the Decathlon, BTCV and AMOS, as they are unpacked."""

import json
from pathlib import Path

import pytest

from tests.cohort.trees import put, reasons, sound
from unimedi.cohort.sources.collections.amos import amos
from unimedi.cohort.sources.collections.btcv import btcv
from unimedi.cohort.sources.collections.msd import msd
from unimedi.cohort.sources.source_cohort import SourceError
from unimedi.cohort.study import Mask, Modality, Split
from unimedi.evaluation.task_file import find_task


def named(task: str) -> dict[str, int]:
    """The classes of a task file with the value it gives each of them (``label 6``)."""
    classes = find_task(task).classes
    return {name: int(str(about).removeprefix("label ")) for name, about in classes.items()}


# -- BTCV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["", "RawData", "Abdomen/RawData"])
def test_btcv(tmp_path: Path, inner: str) -> None:
    base = tmp_path / inner
    for case in (1, 2, 10, 21, 32, 35, 40):
        put(base / f"Training/img/img{case:04d}.nii.gz")
        if case != 2:
            put(base / f"Training/label/label{case:04d}.nii.gz")
    put(base / "Testing/img/img0061.nii.gz")
    cohort = btcv(tmp_path)
    splits = sound(cohort, 31)
    assert splits == {
        "btcv-0001": Split.TRAIN,
        "btcv-0010": Split.TRAIN,
        "btcv-0021": Split.TRAIN,
        "btcv-0032": Split.VALIDATION,
        "btcv-0035": Split.TEST,
        "btcv-0040": Split.TEST,
    }
    first = cohort.studies[0]
    assert {name: mask.value for name, mask in first.masks.items()} == named("btcv")
    assert first.masks["liver"] == Mask(base / "Training/label/label0001.nii.gz", 6)
    assert (first.modality, first.report.text) == (Modality.CT, "")
    assert reasons(cohort) == {"no image": 23, "no label": 1, "no public label: a test image of the challenge": 1}


def test_btcv_of_another_folder(tmp_path: Path) -> None:
    put(tmp_path / "imagesTr/img0001.nii.gz")
    with pytest.raises(SourceError, match="has no RawData/Training/img"):
        btcv(tmp_path)


# -- AMOS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["", "amos22"])
def test_amos(tmp_path: Path, inner: str) -> None:
    """As listed: training images are of two modalities, validation images have labels, test images have none."""
    base = tmp_path / inner
    train, validation = ("amos_0001", "amos_0004", "amos_0499", "amos_0500", "amos_0507", "amos_0009"), ("amos_0008",)
    listed = {
        "name": "AMOS",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in train],
        "validation": [{"image": f"./imagesVa/{n}.nii.gz", "label": f"./labelsVa/{n}.nii.gz"} for n in validation],
        "test": [{"image": "./imagesTs/amos_0002.nii.gz"}, "./imagesTs/amos_0600.nii.gz"],
    }
    put(base / "dataset.json", json.dumps(listed))
    for name in ("amos_0001", "amos_0004", "amos_0499", "amos_0507"):
        put(base / f"imagesTr/{name}.nii.gz")
        put(base / f"labelsTr/{name}.nii.gz")
    (base / "labelsTr/amos_0004.nii.gz").unlink()
    put(base / "imagesVa/amos_0008.nii.gz")
    put(base / "labelsVa/amos_0008.nii.gz")
    cohort = amos(tmp_path)
    splits = sound(cohort, 9)
    assert list(splits) == ["amos_0001", "amos_0499", "amos_0008"]
    assert splits["amos_0008"] is Split.TEST
    assert Split.TEST not in (splits["amos_0001"], splits["amos_0499"])
    assert {name: mask.value for name, mask in cohort.studies[0].masks.items()} == named("amos")
    assert cohort.studies[2].masks["bladder"] == Mask(base / "labelsVa/amos_0008.nii.gz", 14)
    assert reasons(cohort) == {
        "MR is not read yet": 3,
        "no image": 1,
        "no label": 1,
        "no public label: a test image of the challenge": 1,
    }


# -- MSD --------------------------------------------------------------------------------------------------------------


def decathlon(task: Path, modality: str, labels: dict[str, str], training: list[str], test: list[str]) -> None:
    listed = {
        "name": task.name.partition("_")[2],
        "tensorImageSize": "3D",
        "modality": {"0": modality},
        "labels": labels,
        "numTraining": len(training),
        "numTest": len(test),
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in training],
        "test": [f"./imagesTs/{n}.nii.gz" for n in test],
    }
    put(task / "dataset.json", json.dumps(listed))
    for name in training[:2]:
        put(task / f"imagesTr/{name}.nii.gz")
        put(task / f"labelsTr/{name}.nii.gz")
        put(task / f"imagesTr/._{name}.nii.gz", "what macOS leaves in an archive")


def test_msd(tmp_path: Path) -> None:
    decathlon(
        tmp_path / "Task06_Lung",
        "CT",
        {"0": "background", "1": "cancer"},
        ["lung_001", "lung_003", "lung_004"],
        ["lung_002"],
    )
    decathlon(
        tmp_path / "Task03_Liver", "CT", {"0": "background", "1": "liver", "2": "cancer"}, ["liver_0", "liver_1"], []
    )
    decathlon(tmp_path / "Task02_Heart", "MRI", {"0": "background", "1": "left atrium"}, ["la_003", "la_004"], ["la_1"])
    vessel = {"0": "background", "1": "Vessel", "2": "Tumour"}
    decathlon(tmp_path / "Task08_HepaticVessel", "CT", vessel, ["hepaticvessel_001"], [])
    (tmp_path / "Task03_Liver/labelsTr/liver_1.nii.gz").unlink()
    cohort = msd(tmp_path)
    assert list(sound(cohort, 10)) == ["liver_0", "lung_001", "lung_003", "hepaticvessel_001"]
    liver, lung, _, vessels = cohort.studies
    label = tmp_path / "Task03_Liver/labelsTr/liver_0.nii.gz"
    assert liver.masks == {"liver": Mask(label, 1), "liver_cancer": Mask(label, 2)}
    assert list(lung.masks) == ["lung_cancer"]
    assert list(vessels.masks) == ["hepatic_vessel_vessel", "hepatic_vessel_tumour"]
    assert reasons(cohort) == {
        "MR is not read yet": 2,
        "no image": 1,
        "no label": 1,
        "no public label: a test image of the challenge": 2,
    }


def test_msd_of_one_task_in_a_renamed_folder(tmp_path: Path) -> None:
    decathlon(tmp_path / "Task06_Lung", "CT", {"0": "background", "1": "cancer"}, ["lung_001"], [])
    folder = (tmp_path / "Task06_Lung").rename(tmp_path / "lungs")
    (study,) = msd(folder).studies
    assert list(study.masks) == ["lung_cancer"]


def test_labels_by_name_are_refused(tmp_path: Path) -> None:
    """As newer files of nnU-Net have them."""
    decathlon(tmp_path / "Task06_Lung", "CT", {"background": "0", "cancer": "1"}, ["lung_001"], [])
    with pytest.raises(SourceError, match="expected 'labels' by number"):
        msd(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"training": "lung_001"}, "expected 'training' as a list"),
        ({"training": [{"image": "../../secret.nii.gz", "label": "./labelsTr/a.nii.gz"}]}, "a folder beside it"),
        ({"training": [{"image": "/etc/passwd", "label": "./labelsTr/a.nii.gz"}]}, "a folder beside it"),
        ({"training": [{"label": "./labelsTr/a.nii.gz"}]}, "got 'None'"),
    ],
)
@pytest.mark.parametrize("read", [msd, amos])
def test_a_list_of_another_kind_is_refused(tmp_path: Path, read: object, change: dict[str, object], said: str) -> None:
    decathlon(tmp_path / "Task06_Lung", "CT", {"0": "background", "1": "cancer"}, ["lung_001"], [])
    table = tmp_path / "Task06_Lung/dataset.json"
    content = json.loads(table.read_text(encoding="utf-8")) | {"validation": []} | change
    put(table, json.dumps(content))
    with pytest.raises(SourceError, match=said):
        read(table.parent)  # type: ignore[operator]
    put(table, "{")
    with pytest.raises(SourceError, match="no JSON"):
        read(table.parent)  # type: ignore[operator]
