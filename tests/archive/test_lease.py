"""The lease on an object store: refused by name, taken over when its owner is gone, given to one of many, renewed."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.archive.random_studies import MODEL, random_studies
from tests.object_store import bucket
from unimedi.archive import lease as module
from unimedi.archive.archive import Archive
from unimedi.archive.connection import ArchiveError
from unimedi.archive.lease import EXPIRY, Lease
from unimedi.files.lock import LockedError

__all__ = ["bucket"]
WHERE = "s3://hospital/archive"


def leases(bucket: Path) -> list[Path]:
    return sorted((bucket / "archive" / ".lease").glob("*.json"))


def grow_old(bucket: Path, seconds: float) -> None:
    """The store then dates its lease so long ago."""
    (one,) = leases(bucket)
    os.utime(one, (time.time() - seconds,) * 2)


def test_a_second_writer_is_refused_by_name_and_comes_after_the_first(bucket: Path) -> None:
    first, second = Lease(WHERE), Lease(WHERE)
    first.take()
    with first.held(), pytest.raises(LockedError, match=rf"is being written by process {os.getpid()} on .* since"):
        second.take()
    second.take()
    assert (first.term, second.term) == (1, 2)
    assert [one.name for one in leases(bucket)] == ["000000000002.json"]


def test_an_archive_that_another_writes_is_read_and_not_changed(bucket: Path) -> None:
    archive, studies = Archive.create(WHERE, 32, MODEL), random_studies(6)
    archive.add(studies[:4], MODEL)
    other = Lease(WHERE)
    other.take()
    version = archive.stats().version
    writes = [lambda: archive.add(studies, MODEL), archive.optimise, lambda: archive.forget(study=studies[0].study_id)]
    with other.held():
        for write in writes:
            with pytest.raises(LockedError, match="is being written by process"):
                write()
        assert (archive.stats().version, archive.stats().studies) == (version, 4)
    assert archive.add(studies, MODEL) == 2


def test_a_writer_that_is_gone_is_waited_for_and_then_taken_over(bucket: Path) -> None:
    gone, late = Lease(WHERE), Lease(WHERE)
    gone.take()
    grow_old(bucket, EXPIRY - 60)
    with pytest.raises(LockedError):
        late.take()
    grow_old(bucket, EXPIRY + 60)
    late.take()
    assert late.term == 2
    gone.renew()  # it only slept
    assert gone.lost
    assert [one.name for one in leases(bucket)] == ["000000000002.json"]
    late.renew()
    assert not late.lost


def held_too_long(lease: Lease, bucket: Path) -> None:
    with lease.held():
        grow_old(bucket, EXPIRY + 60)
        other = Lease(WHERE)
        other.take()
        lease.renew()


def test_who_slept_too_long_says_so_at_the_end_and_leaves_the_others_lease(bucket: Path) -> None:
    lease = Lease(WHERE)
    lease.take()
    with pytest.raises(LockedError, match="ran out while it wrote"):
        held_too_long(lease, bucket)
    with pytest.raises(LockedError, match="is being written"):
        Lease(WHERE).take()


def test_of_many_that_want_it_one_gets_it(bucket: Path) -> None:
    gone = Lease(WHERE)
    gone.take()
    grow_old(bucket, EXPIRY + 60)
    many, start, refused = [Lease(WHERE) for _ in range(8)], threading.Barrier(8), []

    def want(lease: Lease) -> None:
        start.wait()
        try:
            lease.take()
        except LockedError:
            refused.append(lease)

    threads = [threading.Thread(target=want, args=(lease,)) for lease in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert [one.name for one in leases(bucket)] == ["000000000002.json"]


def test_it_is_renewed_while_it_is_held(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWAL", 0.01)
    renewed, own = threading.Event(), Lease.renew

    def counted(self: Lease) -> None:
        own(self)
        renewed.set()

    monkeypatch.setattr(Lease, "renew", counted)
    lease = Lease(WHERE)
    lease.take()
    with lease.held():
        grow_old(bucket, EXPIRY + 60)
        renewed.clear()
        assert renewed.wait(60)
        assert renewed.clear() is None
        assert renewed.wait(60)  # the second began after the object had grown old
        with pytest.raises(LockedError):
            Lease(WHERE).take()


def test_a_bucket_that_is_not_there_and_a_store_of_no_known_kind_are_said(bucket: Path) -> None:
    for where in ("s3://nowhere/archive", "foo://a/b"):
        with pytest.raises(ArchiveError, match=f"^{where}: the archive cannot be read or written"):
            Archive.create(where, 32, MODEL)
