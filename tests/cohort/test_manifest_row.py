"""One row of a manifest: all that is wrong with it is collected."""

from pathlib import Path

from tests.cohort.trees import put
from unimedi.cohort.manifest_row import ManifestRow
from unimedi.cohort.study import Modality, Split
from unimedi.files.listed_path import ListedPaths
from unimedi.files.table_file import Row

GOOD = {
    "study_id": "s1",
    "patient_id": "p1",
    "modality": "CT",
    "split": "test",
    "image": "a.nii",
    "report": "Clear.",
    "label:mass": "0",
    "mask:mass": "m.nii#2",
}


def row(root: Path, problems: list[str], **cells: str) -> ManifestRow:
    return ManifestRow(Row(2, GOOD | cells), ListedPaths(root), Path.read_text, problems)


def test_a_sound_row_is_a_study(tmp_path: Path) -> None:
    put(tmp_path / "a.nii"), put(tmp_path / "m.nii")
    problems: list[str] = []
    study = row(tmp_path, problems).study(check_files=True)
    assert problems == []
    assert (study.study_id, study.modality, study.split) == ("s1", Modality.CT, Split.TEST)
    assert (study.labels, study.masks["mass"].value) == ({"mass": False}, 2)


def test_every_problem_of_a_row_is_collected_with_its_number(tmp_path: Path) -> None:
    problems: list[str] = []
    cells = {"patient_id": "", "split": "eval", "label:mass": "perhaps", "mask:mass": "boxes:1,2,3"}
    row(tmp_path, problems, **cells).study(check_files=True)
    assert all(problem.startswith("row 2 (study s1): ") for problem in problems)
    told = "\n".join(problems)
    for part in (
        "patient_id is empty",
        "unknown split 'eval'",
        "is 'perhaps'",
        "boxes:1,2,3",
        "'a.nii' does not exist",
    ):
        assert part in told
    assert len(problems) == 5
