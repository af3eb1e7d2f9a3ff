"""Spellings of one patient, and words that are nobody."""

from pathlib import Path

import pytest

from unimedi.cohort.patient_id import id_notes, is_shortened_number, normalized_id, similar_ids
from unimedi.cohort.split import SplitError, assign_splits, check_splits
from unimedi.cohort.study import Modality, Report, Split, Study


def study(name: str, patient: str, split: Split = Split.TRAIN) -> Study:
    return Study(name, patient, Modality.DX, Path(f"{name}.png"), Report("Clear."), split)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("P7", "p7"),
        ("P 7", "P7"),
        ("123", "123.0"),
        ("00123", "123"),
        ("0", "000"),
        ("Müller", "Mu\u0308ller"),
        ("Ａ1", "a1"),
    ],
)
def test_spellings_of_one_patient(one: str, other: str) -> None:
    assert normalized_id(one) == normalized_id(other)
    assert similar_ids([one, other, "another"]) == [sorted([one, other])]
    with pytest.raises(SplitError, match="a patient belongs to one split"):
        check_splits([study("a", one), study("b", other, Split.TEST)])
    drawn = [assign_splits([study("a", one), study("b", other)], 0.4, 0.4, seed) for seed in range(20)]
    assert all(first.split == second.split for first, second in drawn)
    assert len({first.split for first, _ in drawn}) == 3


@pytest.mark.parametrize(("one", "other"), [("1", "10"), ("P1", "P11"), ("1.5", "15"), ("1.2.3", "1.2.30"), ("a", "á")])
def test_two_patients(one: str, other: str) -> None:
    assert normalized_id(one) != normalized_id(other)
    check_splits([study("a", one), study("b", other, Split.TEST)])


def test_others_do_not_move_a_patient() -> None:
    alone = {patient: assign_splits([study("a", patient)])[0].split for patient in map(str, range(50))}
    together = assign_splits([study(patient, patient) for patient in [*alone, "P7", "p7"]])
    assert all(one.split == alone[one.patient_id] for one in together if one.patient_id in alone)


def test_a_number_that_a_spreadsheet_shortened_is_known() -> None:
    assert [is_shortened_number(text) for text in ("1.23457E+15", "1,23E+10", "1E5", "E1.5", "1.5")] == [
        True,
        True,
        *[False] * 3,
    ]


def test_one_id_for_many_patients_is_told() -> None:
    many = ["0"] * 30 + [f"p{k}" for k in range(10)]
    (sentence,) = id_notes(many)
    assert "patient '0' has 30 of the 40 studies" in sentence
    assert id_notes([f"p{k // 4}" for k in range(40)]) == []
    (sentence,) = id_notes(["nan", "nan", "1"])
    assert "'nan' (2 studies)" in sentence
    (sentence,) = id_notes(["P7", "p7", "1"])
    assert "'P7' and 'p7'" in sentence
