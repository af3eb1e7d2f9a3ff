"""Two reports are the same where their letters and digits are: in training, in retrieval, for the doctor."""

import unicodedata

import pytest

from unimedi.cohort.reports.same_report import words_of
from unimedi.inputs.batch import report_key
from unimedi.metrics.recall import report_groups

SAME = [
    ("No effusion.  CLEAR lungs", "no effusion clear lungs."),
    ("Nódulo derecho.", unicodedata.normalize("NFD", "NÓDULO   derecho")),
    ("Compared to ___, unchanged.", "compared to unchanged"),
    ("a_b", "A B"),
]
OTHER = [("No effusion.", "Effusion."), ("1.5 cm", "15 cm"), ("Nodulo", "Nódulo"), ("肺清晰", "肺结节")]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_case_blanks_and_punctuation_do_not_count(one: str, two: str) -> None:
    assert words_of(one) == words_of(two)
    assert report_key(one) == report_key(two)
    assert report_groups([one, two]).tolist() == [0, 0]


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_letters_and_digits_do(one: str, two: str) -> None:
    assert words_of(one) != words_of(two)
    assert report_key(one) != report_key(two)
    assert report_groups([one, two]).tolist() == [0, 1]


def test_without_words_there_is_nothing() -> None:
    assert words_of(" --- . ") == ""
