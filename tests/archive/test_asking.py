"""From examples to a query: more and less like this, by the formula; whose patient is no answer."""

from pathlib import Path

import numpy as np
import pytest

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.asking import ask
from unimedi.errors import InputError


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = Archive.create(tmp_path_factory.mktemp("asking") / "a", 32, MODEL, ("en",))
    made.add(random_studies(12), MODEL)
    return made


def test_examples_move_the_query_as_rocchio_has_it(archive: Archive) -> None:
    first, second, third, other = (random_studies(12)[place] for place in (0, 2, 4, 6))
    names = [study.study_id for study in (first, second, third)]
    asked = ask(archive, None, like=names, not_like=[other.study_id], ways=("image",))
    expected = first.vector + 0.75 * (second.vector + third.vector) / 2 - 0.25 * other.vector
    assert asked.query.vector is not None
    np.testing.assert_allclose(asked.query.vector, expected / np.linalg.norm(expected), atol=1e-6)
    assert asked.patients == tuple(study.patient_id for study in (first, second, third))


def test_words_without_a_model_are_words_alone_and_that_is_said(archive: Archive) -> None:
    asked = ask(archive, None, "left effusion", and_text=["nodule"])
    assert (asked.query.vector, asked.query.text, asked.query.asked) == (None, "left effusion nodule", ("text",))
    assert "without --model" in asked.notes[0]


def test_away_from_something_is_no_direction(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no direction"):
        ask(archive, None, not_like=[random_studies(1)[0].study_id], ways=("image",))
