"""From examples to a query: more and less like this, by the formula; whose patient is no answer; who opens files."""

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from tests.archive.random_studies import MODEL, random_studies
from tests.hospital import write_pretrained
from unimedi.archive.archive import Archive
from unimedi.archive.asking import Example, ask, file_or_study, study
from unimedi.errors import InputError, MissingError
from unimedi.representation.embedder import Embedder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = Archive.create(tmp_path_factory.mktemp("asking") / "a", 32, MODEL, ("en",))
    made.add(random_studies(12), MODEL)
    return made


def test_examples_move_the_query_as_rocchio_has_it(archive: Archive) -> None:
    first, second, third, other = (random_studies(12)[place] for place in (0, 2, 4, 6))
    names = [study.study_id for study in (first, second, third)]
    asked = ask(archive, None, study(archive), like=names, not_like=[other.study_id], ways=("image",))
    expected = first.vector + 0.75 * (second.vector + third.vector) / 2 - 0.25 * other.vector
    assert asked.query.vector is not None
    np.testing.assert_allclose(asked.query.vector, expected / np.linalg.norm(expected), atol=1e-6)
    assert asked.patients == tuple(study.patient_id for study in (first, second, third))


def test_words_without_a_model_are_words_alone_and_that_is_said(archive: Archive) -> None:
    asked = ask(archive, None, study(archive), "left effusion", and_text=["nodule"])
    assert (asked.query.vector, asked.query.text, asked.query.asked) == (None, "left effusion nodule", ("text",))
    assert "without --model" in asked.notes[0]


def test_away_from_something_is_no_direction(archive: Archive) -> None:
    with pytest.raises(InputError, match="no direction"):
        ask(archive, None, study(archive), not_like=[random_studies(1)[0].study_id], ways=("image",))


def test_what_a_name_stands_for_is_decided_by_the_one_who_asks(archive: Archive, tmp_path: Path) -> None:
    uploaded, unknown = random_studies(3)[1].vector, tmp_path / "secret.png"
    unknown.write_bytes(b"of the server")
    asked = ask(archive, None, lambda name: Example({"upload-1": uploaded}[name]), like=["upload-1"], ways=("image",))
    assert asked.query.vector is not None
    np.testing.assert_allclose(asked.query.vector, uploaded, atol=1e-6)
    assert asked.patients == ()
    with pytest.raises(MissingError, match=r"expected study '.*secret\.png'"):  # it is there, and is not looked at
        ask(archive, None, study(archive), like=[str(unknown)], ways=("image",))


def test_a_name_at_a_command_line_is_a_file_or_else_a_study(archive: Archive, tmp_path: Path) -> None:
    def load() -> NoReturn:
        raise AssertionError("no model is needed for a study")

    example, first = file_or_study(archive, load), random_studies(1)[0]
    asked = ask(archive, load, example, like=[first.study_id], ways=("image",))
    assert asked.patients == (first.patient_id,)
    for nothing in ("nowhere.png", "x" * 5000, "a\0b", ""):
        with pytest.raises(MissingError, match=r"expected an image file or a study of .*found neither"):
            ask(archive, load, example, like=[nothing], ways=("image",))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="needs --model"):
        ask(archive, None, file_or_study(archive, None), like=[str(tmp_path / "a.png")], ways=("image",))


def test_the_model_is_loaded_for_words_once_and_must_be_the_archives(archive: Archive, tmp_path: Path) -> None:
    loaded: list[Embedder] = []

    def load() -> Embedder:
        loaded.append(Embedder.from_pretrained(write_pretrained(tmp_path / str(len(loaded)))))
        return loaded[-1]

    ask(archive, load, study(archive), "effusion", ways=("text",))
    assert not loaded
    with pytest.raises(InputError, match="holds vectors of the model"):
        ask(archive, load, study(archive), "effusion")
    own = Archive.create(tmp_path / "own", 8, loaded[0].fingerprint)
    asked = ask(own, load, study(own), "effusion", and_text=["nodule", "mass"])
    assert len(loaded) == 2
    first, second, third = loaded[0].texts(["effusion", "nodule", "mass"])
    expected = first + 0.75 * (second + third) / 2
    assert asked.query.vector is not None
    np.testing.assert_allclose(asked.query.vector, expected / np.linalg.norm(expected), atol=1e-6)
