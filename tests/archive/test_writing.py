"""Writing: a study added twice is replaced, bad rows change nothing, one writer, and no half of a write is seen."""

import datetime
import os
import resource
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.connection import ArchiveError
from unimedi.archive.query import Query
from unimedi.errors import InputError, MissingError
from unimedi.files.lock import LockedError, alone_in

STUDIES = random_studies(400)
ROOT = Path(__file__).parents[2]
ADD = """
import sys
from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
archive = Archive.create(sys.argv[1], 32, MODEL)
for start in range(0, 100000, 250):
    archive.add(random_studies(250, start=start), MODEL)
    print(start + 250, flush=True)
"""


def test_a_study_that_is_added_again_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    assert archive.add(STUDIES, MODEL) == 400
    archive.optimise()
    new = replace(STUDIES[8], vector=-STUDIES[8].vector, report="a zebra", report_vector=None, split="new", date=None)
    assert archive.add([STUDIES[8], new, STUDIES[9]], MODEL) == 0
    assert archive.stats().studies == 400
    hit = archive.search(Query(new.vector, MODEL, ways=("image",)), k=1)[0]
    assert (hit.study_id, hit.report, hit.split) == (new.study_id, "a zebra", "new")
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert archive.search(Query(text="zebra"))[0].study_id == new.study_id  # before its words are indexed
    assert new.study_id not in {one.study_id for one in archive.search(Query(text=STUDIES[8].report), k=400)}
    assert archive.add([], MODEL) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vector": np.full(32, np.nan, np.float32)}, "study bad: vector: expected a vector of 32 .* got NaN"),
        ({"report_vector": np.full(32, np.inf, np.float32)}, "study bad: report_vector: .* got NaN or infinity"),
        ({"vector": np.ones(31, np.float32)}, r"got shape \(31,\)"),
        ({"vector": np.zeros(32, np.float32)}, "got length 0"),
        ({"study_id": ""}, "expected studies with an id"),
        ({"report": "NUL \0"}, "a NUL or half a character"),
        ({"patient_id": "\udfff"}, "a NUL or half a character"),
        ({"findings": ("two\nlines",)}, "findings of one line"),
    ],
)
def test_one_bad_row_and_none_is_added(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    with pytest.raises(InputError, match=said):
        archive.add([STUDIES[0], replace(STUDIES[1], **{"study_id": "bad", **changes})], MODEL)  # type: ignore[arg-type]
    assert archive.stats().studies == 0


def test_vectors_of_another_model_are_refused(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    with pytest.raises(InputError, match="holds vectors of the model a model's fi, got some of b: name the model"):
        archive.add(STUDIES, "b")
    with pytest.raises(InputError, match="holds vectors of the model"):
        Archive.create(tmp_path / "a", 32, "b")
    assert Archive.create(tmp_path / "a", 32, MODEL).model == MODEL


def test_an_archive_has_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"expected an archive or an empty folder, notes\.txt is there"):
        Archive.create(tmp_path, 32, MODEL)
    with pytest.raises(InputError, match="a file is there"):
        Archive.create(tmp_path / "notes.txt", 32, MODEL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_second_writer_is_told_and_readers_read_on(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    archive.add(STUDIES[:300], MODEL)
    with alone_in(tmp_path / "a"):
        for write in (lambda: archive.add(STUDIES[300:], MODEL), lambda: archive.forget(patient="PATIENT-000000")):
            with pytest.raises(LockedError, match="is being written by process"):
                write()
        assert len(archive.search(Query(STUDIES[0].vector, MODEL))) == 10
    assert archive.stats().studies == 300
    assert archive.add(STUDIES[300:], MODEL) == 100


def test_a_writer_that_is_killed_leaves_whole_batches(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", ADD, str(tmp_path / "a")], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )  # fmt: skip
    assert writer.stdout is not None
    done = [int(writer.stdout.readline()) for _ in range(3)][-1]
    writer.kill()
    writer.wait()
    archive = Archive(tmp_path / "a")
    there = archive.stats().studies
    assert there >= done
    assert there % 250 == 0
    assert archive.add(STUDIES, MODEL) == max(400 - there, 0)
    assert archive.search(Query(STUDIES[9].vector, MODEL, ways=("image",)), k=1)[0].study_id == STUDIES[9].study_id


def test_on_a_full_disk_nothing_is_lost(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the error is the same kind, and needs no disk of its own."""
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    archive.add(STUDIES[:100], MODEL)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(ArchiveError, match="cannot be read or written"):
            archive.add(STUDIES, MODEL)
        with pytest.raises(ArchiveError):
            archive.forget(patient="PATIENT-000000")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert archive.stats().studies == 100
    assert archive.add(STUDIES, MODEL) == 300
    assert archive.forget(patient="PATIENT-000000").studies == 2


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    archive.add(STUDIES, MODEL)
    files = [path for path in (tmp_path / "a").rglob("*.lance") if path.is_file() and path.parent.name == "data"]
    for path in files:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArchiveError, match="is damaged"):
        Archive(tmp_path / "a").stats()
    for path in (tmp_path / "a").rglob("*.manifest"):
        path.write_bytes(b"not a manifest")
    with pytest.raises(ArchiveError, match="is damaged"):
        Archive(tmp_path / "a")
    (tmp_path / "half" / "archive.lance").mkdir(parents=True)
    with pytest.raises((ArchiveError, MissingError), match="archive"):
        Archive(tmp_path / "half")
    (tmp_path / "file").write_text("x")
    with pytest.raises(MissingError, match="expected an archive at"):
        Archive(tmp_path / "file")


def test_readers_beside_a_writer_see_no_error_and_nobody_who_was_forgotten(tmp_path: Path) -> None:
    writer, reader = Archive.create(tmp_path / "a", 32, MODEL), Archive(tmp_path / "a")
    writer.add(STUDIES, MODEL)
    gone: set[str] = set()
    ended = threading.Event()

    def write() -> None:
        try:
            for number in range(0, 12, 2):
                writer.forget(patient=STUDIES[number].patient_id)
                gone.add(STUDIES[number].patient_id)
                writer.add(random_studies(50, start=1000 + 50 * number), MODEL)
                writer.optimise()
        finally:
            ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    searches = 0
    while not ended.is_set() or not searches:
        before = set(gone)
        hits = reader.search(Query(STUDIES[searches % 12].vector, MODEL, ways=("image", "report")), k=50)
        assert len(hits) > 40
        assert not before & {hit.patient_id for hit in hits}
        searches += 1
    thread.join()
    assert len(gone) == 6


def test_dates_and_empty_fields_come_back(tmp_path: Path) -> None:
    archive = Archive.create(tmp_path / "a", 32, MODEL)
    plain = replace(STUDIES[0], patient_id="", report="", report_vector=None, findings=(), image="")
    archive.add([replace(plain, date=datetime.date(1999, 12, 31))], MODEL)
    found = archive.study(plain.study_id)
    assert (found.date, found.patient_id, found.findings) == (datetime.date(1999, 12, 31), "", ())


def test_counts_are_made_once_and_anew_after_another_writer(tmp_path: Path) -> None:
    reader = Archive.create(tmp_path / "a", 32, MODEL)
    Archive(tmp_path / "a").add(STUDIES[:10], MODEL)
    first = reader.stats()
    assert (first.studies, reader.stats()) == (10, first)
    assert reader.stats() is first
    Archive(tmp_path / "a").add(STUDIES[10:12], MODEL)
    assert reader.stats().studies == 12
