"""Words for splits, modalities, labels and languages: the usual spellings, and a sentence for the rest."""

import datetime

import pytest

from unimedi.cohort.cell_values import read_date, read_label, read_language, read_modality, read_split
from unimedi.cohort.study import Modality, Split


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (Split.TRAIN, "train training Train TRAINING"),
        (Split.VALIDATION, "validation val valid validate dev development Val VALID Dev"),
        (Split.TEST, "test testing Test"),
    ],
)
def test_splits_have_several_names(split: Split, words: str) -> None:
    assert {read_split(word) for word in words.split()} == {split}


@pytest.mark.parametrize("word", ["holdout", "eval", "tune", "0", "tset", "trainval", "NA"])
def test_a_split_that_could_be_another_is_refused_with_the_choices(word: str) -> None:
    with pytest.raises(
        ValueError, match=rf"unknown split '{word}'.*, expected one of train, validation, test.* valid, "
    ):
        read_split(word)


def test_modalities_are_dicom_s_codes() -> None:
    assert [read_modality(word) for word in ("DX", "cr", " Ct ")] == [Modality.DX, Modality.CR, Modality.CT]
    for word in ("XRAY", "X-ray", "XR"):
        with pytest.raises(
            ValueError, match=f"unknown modality '{word}', expected one of DX, CR, US, CT, MR; an X-ray is DX"
        ):
            read_modality(word)


def test_labels_are_yes_no_or_unknown() -> None:
    assert [read_label(word) for word in ("1", "1.0", "True", "TRUE")] == [True] * 4
    assert [read_label(word) for word in ("0", "0.0", "false")] == [False] * 3
    assert [read_label(word) for word in ("", "NA", "nan", "NULL")] == [None] * 4
    for word in ("-1", "-1.0", "2", "yes", "maybe", "0.5"):
        with pytest.raises(ValueError, match=rf"is '{word}', expected 1, 0 or empty"):
            read_label(word)


def test_languages_are_codes() -> None:
    assert [read_language(word) for word in ("en", "EN", "en-US", "pt_BR", "zh-Hant", "und", "", "NA")] == [
        *("en", "en", "en", "pt", "zh", "und", "", "")
    ]
    for word in ("English", "español", "sp", "xx", "e", "eng"):
        with pytest.raises(ValueError, match=rf"unknown language '{word}', expected a code of ISO 639-1"):
            read_language(word)


def test_dates_are_days_as_iso_and_dicom_write_them() -> None:
    day = datetime.date(2024, 1, 31)
    assert [read_date(word) for word in ("2024-01-31", "20240131", " 2024-01-31 ", "", "NA")] == [day] * 3 + [None] * 2
    for word in ("31/01/2024", "2024-02-30", "2024", "2024-W05-3", "yesterday", "2024-01-31T10:00"):
        with pytest.raises(ValueError, match=r"unknown date .* expected one like 2024-01-31"):
            read_date(word)
