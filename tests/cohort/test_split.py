from collections import Counter
from pathlib import Path

import pytest

from unimedi.cohort.split import SplitError, assign_splits, check_splits
from unimedi.cohort.study import Modality, Report, Split, Study


def study(name: str, patient: str, split: Split = Split.TRAIN) -> Study:
    return Study(name, patient, Modality.DX, Path(f"{name}.png"), Report("Clear."), split)


def test_a_patient_in_two_splits_is_an_error_that_names_both_studies() -> None:
    check_splits([study("a", "p"), study("b", "p"), study("c", "q", Split.TEST)])
    with pytest.raises(SplitError, match="study b: patient p is in split test here and in train in study a"):
        check_splits([study("a", "p"), study("b", "p", Split.TEST)])


def test_splits_follow_the_patient_and_the_shares() -> None:
    studies = assign_splits([study(f"{k}", f"p{k // 2}") for k in range(4000)], validation=0.1, test=0.2)
    check_splits(studies)
    counts = Counter(s.split for s in studies)
    assert counts[Split.VALIDATION] == pytest.approx(400, abs=80)
    assert counts[Split.TEST] == pytest.approx(800, abs=100)


def test_a_patients_split_stays_when_others_come_and_go() -> None:
    studies = [study(f"{k}", f"p{k}") for k in range(200)]
    all_of_them = {s.study_id: s.split for s in assign_splits(studies)}
    assert {s.study_id: s.split for s in assign_splits(studies[::-3])}.items() <= all_of_them.items()
    assert {s.study_id: s.split for s in assign_splits(studies, seed=1)} != all_of_them


def test_shares_must_make_sense() -> None:
    with pytest.raises(ValueError, match=r"got 0.6 and 0.6"):
        assign_splits([], validation=0.6, test=0.6)
    assert {s.split for s in assign_splits([study("a", "p")], validation=0.0, test=1.0)} == {Split.TEST}
