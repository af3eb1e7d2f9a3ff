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
class Example:
    """What hits shall be like, or not like: its vector, float32 (dim,), of length 1, and its patient, '' if unknown."""

    vector: NDArray[np.float32]
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query; the patients of the studies that hits shall be like, who are no answer; and sentences to say first."""

    query: Query
    patients: tuple[str, ...]
    notes: tuple[str, ...]


def ask(
    archive: Archive,
    load: Callable[[], Embedder] | None,
    example: Callable[[str], Example],
    words: str = "",
    like: Sequence[str] = (),
    and_text: Sequence[str] = (),
    not_like: Sequence[str] = (),
    ways: Sequence[str] = WAYS,
) -> Asked:
    """A query of the first of ``words``, ``like``, ``and_text``, moved towards the others and away from ``not_like``.

    Args:
        archive: that is asked.
        load: loads the model, called once, where words need a vector; None: words are only looked for in reports.
        example: what a name in ``like`` or ``not_like`` stands for. Nothing else decides it: a page passes a function
            that opens no file, such as :func:`study`.
        words: free text.
        like, not_like: names of examples.
        and_text: more free text.
        ways: as of :class:`~unimedi.archive.query.Query`.

    Raises:
        InputError: nothing is asked, a text is too long, or the model is another than the archive's.
        UnimediError: what ``example`` raises.
    """
    texts = [text for text in (words, *and_text) if text.strip()]
    for text in texts:
        check_words(text)
    compared = any(way != "text" for way in ways)
    if texts and load is None and "text" not in ways:
        raise InputError("words need --model to be compared with vectors")
    towards = [*_loaded(load, archive).texts(texts)] if load and texts and compared else []
    more, less = ([example(name) for name in names if compared] for names in (like, not_like))
    towards = [*towards[:1], *(one.vector for one in more), *towards[1:]]
    if not towards and not_like:
        raise InputError("expected words or --like beside --not-like: away from something is no direction")
    moved = more_like(towards[0], towards[1:], [one.vector for one in less]) if towards else None
    query = Query(moved, archive.model, " ".join(texts), tuple(ways))
    patients = dict.fromkeys(one.patient for one in more if one.patient)
    return Asked(query, tuple(patients), tuple(_notes(texts, archive, compared and load is None)))


def study(archive: Archive) -> Callable[[str], Example]:
    """For :func:`ask`: a name is the id of a study of the archive; MissingError where it is none."""

    def example(name: str) -> Example:
        found = archive.study(name)
        return Example(found.vector, found.patient_id)

    return example


def file_or_study(archive: Archive, load: Callable[[], Embedder] | None) -> Callable[[str], Example]:
    """For :func:`ask` at a command line: a name is an image file or folder, or else the id of a study.

    Whoever can say the names can have any file of the machine opened: not for a server.

    Args:
        archive: that is asked.
        load: loads the model, called for each file; None: files are refused.

    Raises:
        InputError: (by what it returns) a file is no image that can be used, or there is no model to compare it.
        MissingError: (the same) neither a file nor a study has the name.
    """

    def example(name: str) -> Example:
        if not _is_file(name):
            try:
                return study(archive)(name)
            except MissingError:
                found = f"{name!r}: expected an image file or a study of {archive.place}, found neither"
                raise MissingError(found) from None
        if load is None:
            raise InputError(f"{name}: an image file needs --model to be compared")
        embedder = _loaded(load, archive)
        stored = embedder.processor.preprocess.stored(open_image(name))
        return Example(embedder.rows([stored])[0]["embedding"])

    return example


def _loaded(load: Callable[[], Embedder], archive: Archive) -> Embedder:
    embedder = load()
    archive.refuse_other(embedder.fingerprint)
    return embedder


def _is_file(name: str) -> bool:
    try:
        return name != "" and Path(name).exists()  # Path('') is the current folder
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
