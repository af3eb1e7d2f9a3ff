"""What was meant by a word that is not known."""

import pytest

from unimedi.errors import InputError, MissingError, StateError, UnimediError, nearest


def test_a_near_word_is_offered_and_a_far_one_is_not() -> None:
    assert nearest("noduel", ["mass", "nodule"]) == " (did you mean 'nodule'?)"
    assert nearest("heart", ["mass", "nodule"]) == ""
    assert nearest("tset", ["train", "test"], cutoff=0.9) == ""


def test_words_are_compared_as_asked_and_shown_as_they_are() -> None:
    assert nearest("IMAGE", ["Image", "image"], 0.9) == ""
    assert nearest("IMAGE", ["Image", "image"], 0.9, str.casefold) == " (did you mean 'Image'?)"


@pytest.mark.parametrize(
    ("error", "builtin"), [(InputError, ValueError), (MissingError, FileNotFoundError), (StateError, RuntimeError)]
)
def test_errors_that_are_sentences_have_one_base(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, UnimediError)
    assert issubclass(error, builtin)
    assert str(error("which file, and why")) == "which file, and why"
