"""What the readers of collections share."""

import json
from pathlib import Path

import pytest

from tests.cohort.trees import put, reasons
from unimedi.cohort.sources.collections.chexpert import HELD_OUT, chexpert, chexpert_plus, drawn_split
from unimedi.cohort.sources.collections.covidx import covidx
from unimedi.cohort.sources.collections.label_images import add_segmented_ct, listed_file, read_dataset_json
from unimedi.cohort.sources.collections.listing import first_there, headed, python_list, skip_unlisted, snake
from unimedi.cohort.sources.collections.mimic_cxr import mimic_cxr, mimic_cxr_jpg
from unimedi.cohort.sources.collections.openi import openi
from unimedi.cohort.sources.collections.padchest import padchest
from unimedi.cohort.sources.collections.rsna_pneumonia import rsna_pneumonia
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Mask, Modality, Split


@pytest.mark.parametrize(
    ("read", "table"),
    [
        (chexpert, "train.csv"),
        (chexpert_plus, "df_chexpert_plus_240401.csv"),
        (covidx, "train_COVIDx9A.txt"),
        (mimic_cxr, "mimic-cxr-2.0.0-split.csv"),
        (mimic_cxr_jpg, "mimic-cxr-2.0.0-split.csv"),
        (openi, "ecgen-radiology"),
        (padchest, "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"),
        (rsna_pneumonia, "stage_2_train_labels.csv"),
    ],
)
def test_another_folder_is_refused_with_the_name_of_what_is_missing(read: object, table: str, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(SourceError, match=f"has no {table}"):
        read(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        read(tmp_path / "nowhere")


def test_a_report_has_headings_and_needs_findings_or_an_impression() -> None:
    assert headed({"clinical_history": "cough", "findings": "", "impression": "clear"}) == (
        "CLINICAL HISTORY: cough\nIMPRESSION: clear"
    )
    assert headed({"indication": "cough", "findings": ""}) == ""


@pytest.mark.parametrize(
    ("cell", "words"), [("['a', ' b ']", ["a", " b "]), ("[]", []), ("", None), ("{'a': 1}", None), ("a", None)]
)
def test_a_cell_that_shows_a_python_list_is_read_and_nothing_else(cell: str, words: list[str] | None) -> None:
    assert python_list(cell) == words


def test_names_of_findings_have_one_form() -> None:
    assert [snake(name) for name in ("Pleural Effusion", "No-Finding", " mass/nodule ")] == [
        *("pleural_effusion", "no_finding", "mass_nodule")
    ]


def test_the_first_place_where_something_is_counts_and_else_the_first(tmp_path: Path) -> None:
    assert first_there(tmp_path / "a", tmp_path / "b") == tmp_path / "a"
    put(tmp_path / "b")
    assert first_there(tmp_path / "a", tmp_path / "b") == tmp_path / "b"


def test_files_that_no_table_lists_are_noted(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/deep/b.png", "images/c.txt"):
        put(tmp_path / name)
    cohort = SourceCohort(tmp_path)
    skip_unlisted(cohort, tmp_path / "images", {tmp_path / "images/a.png"}, ".png")
    skip_unlisted(cohort, tmp_path / "not there", (), ".png")
    assert [(one.what, one.reason) for one in cohort.skipped] == [("images/deep/b.png", "listed in no table")]


def test_a_share_of_chexpert_s_patients_validates_and_always_the_same() -> None:
    drawn = [drawn_split(f"patient{number:05d}") for number in range(4000)]
    assert drawn == [drawn_split(f"patient{number:05d}") for number in range(4000)]
    assert drawn.count(Split.VALIDATION) / len(drawn) == pytest.approx(HELD_OUT, abs=0.01)
    assert set(drawn) == {Split.TRAIN, Split.VALIDATION}


def test_a_ct_needs_its_label_image_and_each_value_is_a_mask(tmp_path: Path) -> None:
    cohort = SourceCohort(tmp_path)
    image, labels = put(tmp_path / "ct.nii.gz"), tmp_path / "organs.nii.gz"
    add_segmented_ct(cohort, "1", image, labels, {1: "liver", 2: "spleen"})
    add_segmented_ct(cohort, "2", tmp_path / "none.nii.gz", labels, {1: "liver"})
    put(labels)
    add_segmented_ct(cohort, "3", image, labels, {1: "liver", 2: "spleen"}, Split.TEST, name="case-3")
    assert reasons(cohort) == {"no label": 1, "no image": 1}
    (study,) = cohort.studies
    assert (study.study_id, study.patient_id, study.modality, study.split) == ("case-3", "case-3", "CT", Split.TEST)
    assert study.masks == {"liver": Mask(labels, 1), "spleen": Mask(labels, 2)}
    assert study.modality is Modality.CT


def test_a_dataset_json_is_checked(tmp_path: Path) -> None:
    path = put(tmp_path / "dataset.json", json.dumps({"training": [], "name": "Lung"}))
    assert read_dataset_json(path, training=list, name=str)["name"] == "Lung"
    with pytest.raises(SourceError, match="expected 'labels' as a dict"):
        read_dataset_json(path, labels=dict)
    with pytest.raises(SourceError, match="no JSON"):
        read_dataset_json(put(tmp_path / "broken.json", "{"))
    assert listed_file(tmp_path, {"image": "./imagesTr/a.nii.gz"}) == tmp_path / "imagesTr" / "a.nii.gz"
    for entry in ("a.nii.gz", "../a/b.nii.gz", "/etc/passwd", {"label": "x/y"}, 3):
        with pytest.raises(SourceError, match="expected a file in a folder beside it"):
            listed_file(tmp_path, entry)
