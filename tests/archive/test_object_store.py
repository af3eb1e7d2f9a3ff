"""The same archive on an S3-compatible server: added, searched by another reader, forgotten to the last byte."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.query import Query
from unimedi.errors import InputError, MissingError

moto_server = pytest.importorskip("moto.server", reason="moto, an S3 server for tests, is not installed")
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {**KEYS, "AWS_ENDPOINT": url, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3", endpoint_url=url, region_name="us-east-1").Bucket("hospital")
    made.create()
    yield made
    server.stop()


def objects_with(bucket: Any, data: bytes) -> list[str]:
    return [one.key for one in bucket.objects.all() if data in one.get()["Body"].read()]


def test_an_archive_in_a_bucket_is_searched_and_forgets(bucket: Any) -> None:
    with pytest.raises(MissingError, match="expected an archive at s3://hospital/archive, found none"):
        Archive("s3://hospital/archive")
    studies = random_studies(300)
    archive = Archive.create("s3://hospital/archive", 32, MODEL, ("en",))
    assert archive.add(studies, MODEL) == 300
    archive.optimise()
    assert archive.add(studies[:20], MODEL) == 0
    reader = Archive("s3://hospital/archive")
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
