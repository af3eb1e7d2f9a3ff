"""From what a person gives, words, files, studies, to a query; and what should be said of its language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unimedi.archive.archive import Archive
from unimedi.archive.query import WAYS, Query, check_words, more_like
from unimedi.cohort.reports.language import UNKNOWN, detect_language
from unimedi.errors import InputError, MissingError
from unimedi.inputs.open_image import open_image
from unimedi.representation.embedder import Embedder


@dataclass(frozen=True, slots=True)
class Asked:
    """A query; the patients of the studies that hits shall be like, who are no answer; and sentences to say first."""

    query: Query
    patients: tuple[str, ...]
    notes: tuple[str, ...]


def ask(
    archive: Archive,
    load: Callable[[], Embedder] | None,
    words: str = "",
    like: Sequence[str] = (),
    and_text: Sequence[str] = (),
    not_like: Sequence[str] = (),
    ways: Sequence[str] = WAYS,
) -> Asked:
    """A query of the first of ``words``, ``like``, ``and_text``, moved towards the others and away from ``not_like``.

    Args:
        archive: that is asked.
        load: loads the model, called where words or files need a vector; None: words are only looked for in reports.
        words: free text.
        like, not_like: image files, or ids of studies in the archive.
        and_text: more free text.
        ways: as of :class:`~unimedi.archive.query.Query`.

    Raises:
        InputError: nothing is asked, a text is too long, or a file is no image that can be used.
        MissingError: neither a file nor a study of the archive has the name.
    """
    texts = [text for text in (words, *and_text) if text.strip()]
    for text in texts:
        check_words(text)
    compared = any(way != "text" for way in ways)
    embedder = load() if load and compared and (texts or any(map(_is_file, (*like, *not_like)))) else None
    if embedder is not None and embedder.fingerprint != archive.model:
        archive.refuse_other(embedder.fingerprint)
    if texts and embedder is None and "text" not in ways:
        raise InputError("words need --model to be compared with vectors")
    towards = [*embedder.texts(texts)] if embedder and texts else []
    patients: list[str] = []
    examples: list[list[NDArray[np.float32]]] = [[], []]
    for names, found in zip((like, not_like), examples, strict=True):
        for name in names if compared else ():
            vector, patient = _example(name, archive, embedder)
            found.append(vector)
            patients += [patient] if patient and names is like else []
    towards = [*towards[:1], *examples[0], *towards[1:]]
    if not towards and not_like:
        raise InputError("expected words or --like beside --not-like: away from something is no direction")
    moved = more_like(towards[0], towards[1:], examples[1]) if towards else None
    query = Query(moved, archive.model, " ".join(texts), tuple(ways))
    return Asked(query, tuple(dict.fromkeys(patients)), tuple(_notes(texts, archive, compared and embedder is None)))


def _example(name: str, archive: Archive, embedder: Embedder | None) -> tuple[NDArray[np.float32], str]:
    """The vector of an image file, or of a study of the archive and then its patient."""
    if not _is_file(name):
        try:
            study = archive.study(name)
        except MissingError:
            found = f"{name!r}: expected an image file or a study of {archive.place}, found neither"
            raise MissingError(found) from None
        return study.vector, study.patient_id
    if embedder is None:
        raise InputError(f"{name}: an image file needs --model to be compared")
    stored = embedder.processor.preprocess.stored(open_image(name))
    return embedder.rows([stored])[0]["embedding"], ""


def _is_file(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or a NUL
        return False


def _notes(texts: Sequence[str], archive: Archive, words_alone: bool) -> list[str]:
    notes = []
    if texts and words_alone:
        notes.append("without --model the words are looked for in reports, and not compared with images")
    known = {*archive.languages, UNKNOWN}
    foreign = sorted({detect_language(text) for text in texts} - known) if archive.languages else []
    if foreign:
        read = ", ".join(archive.languages)
        notes.append(f"the query seems to be in {', '.join(foreign)}: the model has read reports in {read} alone")
    return notes
