"""A part prepared by a worker that may be killed over it: the next one knows at which study, and tries that one alone.

What reads a file is a process of its own (``sandbox.py``), so a file seldom kills more than that. Where a system ends
a whole job that is short of memory, the worker dies with it. It has noted in the folder of the store what it was at:

1. A study at which a worker died is under suspicion. So are those that the worker's other threads were at.
2. The next worker reads it while no other such study is read anywhere, so that the innocent are not blamed.
3. A study at which a worker died then, too, is refused as ``crashed``, as if only its own process had died twice.
"""

import json
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from unimedi.cohort.study import Study
from unimedi.files.json_lines import read_json_lines
from unimedi.files.lock import turn_at
from unimedi.imaging.image import ImagingError
from unimedi.inputs.parts import Part, fingerprint, row_of, write_rows
from unimedi.inputs.store import StoreError
from unimedi.inputs.store_writer import Packed, Refusal, part_name
from unimedi.inputs.study_record import refusal

BEGUN, READ, ALONE, SURVIVED = "begun", "read", "alone", "survived"  # what a note says of a study
FATAL: Final = (READ, ALONE)  # a worker whose last note is one of these has died
Death = tuple[str, str]  # READ or ALONE, and the study


def attempt_part(part: Part, folder: Path) -> int:
    """As :func:`~unimedi.inputs.parts.prepare_part`, by a worker of a cluster.

    Args:
        part: its ``out`` is absolute.
        folder: where relative paths began on the machine that listed the studies.

    Raises:
        StoreError: this machine sees other files than that one, or has other software.
    """
    base = folder if folder.is_dir() else None  # absolute paths need none
    if not part.out.is_dir() or fingerprint(part.studies, part.preprocess, part.findings, base) != part.inputs:
        raise StoreError(
            f"{part_name(part.number)}: expected {socket.gethostname()} to see the folder {part.out} and the files of "
            "the manifest under the same paths, with the same sizes and times, and to have the same version of "
            "unimedi as the machine that prepares; it does not, or a file has just changed"
        )
    if part.done:  # by a worker that died with the answer
        return part.number
    number = write_rows(part, _rows(part, base))
    forget(part)
    return number


def deaths(part: Part) -> set[Death]:
    """At what the workers died that began with a part, if none is at it now."""
    return _deaths([*read_json_lines(_notes(part)), {BEGUN: ""}])


def forget(part: Part) -> None:
    """Begin a part without suspicion, as when it is asked for again."""
    _notes(part).unlink(missing_ok=True)


def _rows(part: Part, folder: Path | None) -> Iterator[Packed | Refusal]:
    file, turn = _notes(part), part.out / ".turn.tmp.lock"
    before = set[Death]()
    if file.exists():
        with turn_at(turn):  # whoever is at a study alone is not dead
            _note(file, BEGUN)
            before = _deaths(read_json_lines(file))
    else:
        _note(file, BEGUN)
    for study in part.studies:
        if (ALONE, study.study_id) in before:
            yield refusal(study, ImagingError("crashed", f"{study.image}: the worker that read it died twice"))
        elif (READ, study.study_id) in before:
            yield _alone(part, study, folder, turn)
        else:
            _note(file, READ, study)
            yield row_of(part, study, folder)


def _alone(part: Part, study: Study, folder: Path | None, turn: Path) -> Packed | Refusal:
    with turn_at(turn):
        _note(_notes(part), ALONE, study)
        row = row_of(part, study, folder)
        _note(_notes(part), SURVIVED, study)
    return row


def _deaths(notes: list[dict[str, str]]) -> set[Death]:
    last = [next(iter(one.items())) for one, after in pairwise(notes) if BEGUN in after]
    return {(what, name) for what, name in last if what in FATAL}


def _note(file: Path, what: str, study: Study | None = None) -> None:
    with file.open("a", encoding="utf-8") as notes:
        notes.write(json.dumps({what: study.study_id if study else ""}) + "\n")


def _notes(part: Part) -> Path:
    """Hidden, and named as what a finished store is rid of."""
    return part.out / f".attempts.tmp.{part_name(part.number)}"
