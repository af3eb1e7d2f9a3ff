"""The same archive on an S3-compatible server: added, searched by another reader, forgotten to the last byte."""

from pathlib import Path

import pytest

from tests.archive.random_studies import MODEL, random_studies
from tests.object_store import bucket
from unimedi.archive.archive import Archive
from unimedi.archive.connection import ArchiveError
from unimedi.archive.filters import Filter
from unimedi.archive.query import Query
from unimedi.errors import InputError, MissingError

__all__ = ["bucket"]
WHERE = "s3://hospital/archive"


def objects_with(bucket: Path, data: bytes) -> list[str]:
    return [file.name for file in bucket.rglob("*") if file.is_file() and data in file.read_bytes()]


def test_an_archive_in_a_bucket_is_searched_and_forgets(bucket: Path) -> None:
    with pytest.raises(MissingError, match=f"expected an archive at {WHERE}, found none"):
        Archive(WHERE)
    studies = random_studies(300)
    archive = Archive.create(WHERE, 32, MODEL, ("en",))
    assert archive.add(studies, MODEL) == 300
    archive.optimise()
    assert archive.add(studies[:20], MODEL) == 0
    reader = Archive(WHERE)
    query = Query(studies[10].vector, MODEL, "marker000010")
    hits = reader.search(query, Filter(modality=("DX",)), 3)
    assert hits[0].study_id == "STUDY-000010"
    assert {hit.modality for hit in hits} == {"DX"}
    with pytest.raises(InputError, match="holds vectors of the model"):
        archive.add(studies, "another")
    traces = [b"PATIENT-000005", b"STUDY-000010", studies[10].vector.tobytes()[:32], studies[10].report.encode()]
    assert all(objects_with(bucket, trace) for trace in traces)
    assert archive.forget(patient="PATIENT-000005").studies == 2
    assert not any(objects_with(bucket, trace) for trace in traces)
    assert reader.stats().studies == 298
    assert "PATIENT-000005" not in {hit.patient_id for hit in reader.search(query, k=100)}


def test_where_the_store_deletes_nothing_forgetting_fails_aloud(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This server knows no deletion of many objects in one request, and LanceDB says nothing of its refusal."""
    archive = Archive.create(WHERE, 32, MODEL, ("en",))
    archive.add(random_studies(20), MODEL)
    monkeypatch.delenv("AWS_DISABLE_BULK_DELETE")
    with pytest.raises(ArchiveError, match="NOT ALL BYTES ARE GONE"):
        Archive(WHERE).forget(patient="PATIENT-000005")
    assert objects_with(bucket, b"PATIENT-000005")
    assert Archive(WHERE).stats().studies == 18
