"""Recall of an index of vectors: a good one, one that is made bad, filters that leave little, and what is said."""

from pathlib import Path

import numpy as np
import pytest
from lancedb.index import IvfSq

from tests.archive.random_studies import MODEL, random_studies
from tests.hospital import write_hospital, write_pretrained
from unimedi.archive import archive as module
from unimedi.archive import indices
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.indexing import index
from unimedi.archive.query import Query
from unimedi.archive.recall import measured_recall
from unimedi.cli import main

STUDIES = random_studies(120)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Searched by an index whose vectors lie in 6 partitions."""
    place = tmp_path_factory.mktemp("recall") / "a"
    made = Archive.create(place, 32, MODEL)
    made.add(STUDIES, MODEL)
    table = made.place.open()
    for column in ("vector", "report_vector"):
        table.create_index(column, config=IvfSq(distance_type="cosine", num_partitions=6), replace=True)
    approximate = Archive(place, ann_from=1)
    assert not approximate.stats().exact
    return approximate


def by_loops(archive: Archive, way: str, ids: list[str]) -> float:
    """Of the studies of these ids the share of the ten nearest others that search gives."""
    vectors = {s.study_id: s.vector if way == "image" else s.report_vector for s in STUDIES}
    there = {name: vector for name, vector in vectors.items() if vector is not None}
    shares = []
    for name in ids:
        order = sorted(there, key=lambda other, name=name: -float(there[other] @ there[name]))  # type: ignore[misc]
        nearest = [other for other in order if other != name][:10]
        hits = archive.search(Query(there[name], MODEL, ways=(way,)), k=11)
        shares.append(len({hit.study_id for hit in hits} & set(nearest)) / 10)
    return float(np.mean(shares))


def test_recall_is_what_loops_give(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = measured_recall(archive, queries=999)
    assert everyone["image"] > 0.95
    assert everyone["report"] > 0.95
    monkeypatch.setattr(indices, "PROBES", 1)
    bad = measured_recall(archive, queries=999)
    assert bad["image"] < everyone["image"]
    ids = [study.study_id for study in STUDIES]
    assert bad["image"] == pytest.approx(by_loops(archive, "image", ids), abs=1e-3)
    reported = [study.study_id for study in STUDIES if study.report_vector is not None]
    assert bad["report"] == pytest.approx(by_loops(archive, "report", reported), abs=1e-3)


def test_queries_are_drawn_by_the_seed_alone(archive: Archive, tmp_path: Path) -> None:
    shuffled = Archive.create(tmp_path / "b", 32, MODEL)
    for part in (STUDIES[50:], STUDIES[:50]):
        shuffled.add(part, MODEL)
    asked: list[list[bytes]] = []
    for one in (archive, shuffled):
        for seed in (0, 1):
            seen: list[bytes] = []
            own = one.search
            one.search = lambda query, k, seen=seen, own=own: seen.append(query.vector.tobytes()) or own(query, k=k)  # type: ignore[method-assign]
            measured_recall(one, queries=20, seed=seed)
            one.search = own  # type: ignore[method-assign]
            asked.append(seen)
    assert asked[0] == asked[2]
    assert asked[1] == asked[3]
    assert set(asked[0]) != set(asked[1])


def test_an_exact_archive_finds_all_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    made = Archive.create(tmp_path / "a", 32, MODEL)
    assert measured_recall(made) == {}
    made.add(STUDIES[:1], MODEL)
    assert measured_recall(made) == {}
    made.add(STUDIES[:8], MODEL)  # fewer than ten others
    assert measured_recall(made) == {"image": 1.0, "report": 1.0}


def test_what_a_filter_leaves_is_found_in_whatever_partition_it_lies(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one partition looked into, a patient of two studies was nearly always missed."""
    monkeypatch.setattr(indices, "PROBES", 1)
    for number in range(0, 60, 12):
        patient = STUDIES[number].patient_id
        hits = archive.search(Query(STUDIES[number + 9].vector, MODEL, ways=("image",)), Filter(patient=(patient,)), 5)
        assert {hit.study_id for hit in hits} == {s.study_id for s in STUDIES if s.patient_id == patient}


def test_indexing_says_how_much_is_found_where_vectors_have_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, store = write_pretrained(tmp_path / "model"), write_hospital(tmp_path / "store", ndims=(2,))
    assert index(store.path, model, str(tmp_path / "exact")).recall == {}
    own = Archive.__init__
    monkeypatch.setattr(module.Archive, "__init__", lambda self, uri, ann_from=1: own(self, uri, 1))
    assert main(["index", str(store.path), "--model", str(model), "--out", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out
    assert "recall@10 of the index of vectors against exact search, 200 of its own vectors" in said
    assert "images 1.000, reports 1.000" in said
