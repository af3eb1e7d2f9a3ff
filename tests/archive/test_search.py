"""A search gives what brute force gives, with every filter, by numpy and by faiss; words and fusion obey, too."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.archive.random_studies import FINDINGS, MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.query import Hit, Query, fuse, more_like
from unimedi.archive.study import ArchivedStudy
from unimedi.errors import InputError, MissingError

STUDIES = random_studies(10_000)
DAY = datetime.date(2024, 6, 1)
FILTERS = [
    Filter(),
    Filter(modality=("CT",)),
    Filter(modality=("CT", "CR")),
    Filter(split=("test",)),
    Filter(patient=("PATIENT-000007", "PATIENT-000008", "nobody")),
    *(Filter(finding=(name,)) for name in FINDINGS),
    Filter(finding=FINDINGS[:2]),
    Filter(finding=("100",)),
    Filter(since=DAY),
    Filter(until=DAY),
    Filter(since=DAY, until=DAY),
    Filter(not_patient=("PATIENT-000000", "PATIENT-000001")),
    Filter(modality=("DX",), split=("train",), finding=("nodule",), since=DAY, not_patient=("PATIENT-000003",)),
    Filter(modality=("nothing's",)),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = Archive.create(tmp_path_factory.mktemp("archive") / "a", 32, MODEL, ("en",))
    assert made.add(STUDIES[:6000], MODEL) == 6000
    assert made.add(STUDIES[6000:], MODEL) == 4000
    made.optimise()
    return made


def obeys(study: ArchivedStudy | Hit, allowed: Filter) -> bool:
    return (
        (not allowed.modality or study.modality in allowed.modality)
        and (not allowed.split or study.split in allowed.split)
        and (not allowed.patient or study.patient_id in allowed.patient)
        and study.patient_id not in allowed.not_patient
        and all(name in study.findings for name in allowed.finding)
        and (allowed.since is None or (study.date is not None and study.date >= allowed.since))
        and (allowed.until is None or (study.date is not None and study.date <= allowed.until))
    )


def brute_force(query: np.ndarray, way: str, allowed: Filter, k: int) -> list[tuple[str, float]]:
    scored = []
    for study in STUDIES:
        vector = study.vector if way == "image" else study.report_vector
        if vector is not None and obeys(study, allowed):
            scored.append((study.study_id, float(np.dot(query.astype(np.float64), vector.astype(np.float64)))))
    return sorted(scored, key=lambda one: -one[1])[:k]


def flat(query: np.ndarray, way: str, allowed: Filter, k: int) -> list[tuple[str, float]]:
    kept = [s for s in STUDIES if (s.vector if way == "image" else s.report_vector) is not None and obeys(s, allowed)]
    index = faiss.IndexFlatIP(32)
    if kept:
        index.add(np.stack([s.vector if way == "image" else s.report_vector for s in kept]))
    scores, places = index.search(query[None], k)
    return [
        (kept[place].study_id, float(score)) for score, place in zip(scores[0], places[0], strict=True) if place >= 0
    ]


@pytest.mark.parametrize("allowed", FILTERS, ids=str)
def test_ids_and_scores_are_those_of_brute_force(archive: Archive, allowed: Filter) -> None:
    for number, way in ((17, "image"), (4711, "report"), (99, "image")):
        query = STUDIES[number].vector
        hits = archive.search(Query(query, MODEL, ways=(way,)), allowed, 20)
        for oracle in (brute_force, flat):
            expected = oracle(query, way, allowed, 20)
            assert [hit.study_id for hit in hits] == [study_id for study_id, _ in expected]
            np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-5)
        assert all(hit.scores == {way: hit.score} for hit in hits)


@pytest.mark.parametrize("allowed", FILTERS, ids=str)
def test_every_hit_of_words_and_of_a_fusion_obeys_the_filter(archive: Archive, allowed: Filter) -> None:
    known = {study.study_id: study for study in STUDIES}
    there = [study for study in STUDIES if obeys(study, allowed)]
    for ways in (("text",), ("image", "report", "text"), ("image", "text")):
        hits = archive.search(Query(STUDIES[5].vector, MODEL, "no left nodule", ways), allowed, 50)
        assert all(obeys(known[hit.study_id], allowed) for hit in hits)
        assert len({hit.study_id for hit in hits}) == len(hits)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        if ways != ("text",):
            assert len(hits) == min(50, len(there))


def test_hits_say_what_is_known_of_the_study(archive: Archive) -> None:
    study = STUDIES[8]
    hit = archive.search(Query(study.vector, MODEL, ways=("image",)), k=1)[0]
    for name in ("study_id", "patient_id", "modality", "date", "split", "findings", "report", "image"):
        assert getattr(hit, name) == getattr(study, name)
    assert hit.to_json()["date"] == study.date.isoformat() if study.date else None
    again = archive.study(study.study_id)
    np.testing.assert_array_equal(again.vector, study.vector)
    assert again.report_vector is not None
    assert (again.stamp, again.findings) == (study.stamp, study.findings)
    assert archive.study(STUDIES[3].study_id).report_vector is None


def test_words_are_stemmed_and_negations_count(archive: Archive) -> None:
    assert archive.search(Query(text="markers marker000321"), k=1)[0].study_id == "STUDY-000321"
    hits = archive.search(Query(text="effusions"), k=30)
    assert hits
    assert all("effusion" in hit.report for hit in hits)
    assert all(" no " in hit.report for hit in archive.search(Query(text="no"), k=30))
    assert archive.search(Query(text="zebra")) == []


def test_an_index_of_vectors_finds_nearly_what_is_there_and_obeys(archive: Archive, tmp_path: Path) -> None:
    made = Archive.create(tmp_path / "a", 32, MODEL)
    made.add(STUDIES[:4000], MODEL)
    approximate = Archive(tmp_path / "a", ann_from=1000)
    approximate.optimise()
    assert not approximate.stats().exact
    assert made.stats().exact
    shares = []
    for allowed in (Filter(), Filter(modality=("CT",)), Filter(finding=("100%_sure",)), Filter(since=DAY)):
        for way in ("image", "report"):
            for number in range(0, 200, 20):
                query = Query(STUDIES[number].vector, MODEL, ways=(way,))
                found, expected = (one.search(query, allowed, 10) for one in (approximate, made))
                assert all(obeys(hit, allowed) for hit in found)
                scores = {hit.study_id: hit.score for hit in expected}
                shares.append(len(scores.keys() & {hit.study_id for hit in found}) / 10)
                assert all(abs(hit.score - scores.get(hit.study_id, hit.score)) < 1e-4 for hit in found)
    assert np.mean(shares) > 0.9


def slow_fusion(rankings: Sequence[tuple[float, Sequence[int]]]) -> dict[int, float]:
    return {
        key: sum(weight / (60 + list(ranking).index(key) + 1) for weight, ranking in rankings if key in ranking)
        for key in {key for _, ranking in rankings for key in ranking}
    }


def test_rankings_are_fused_by_reciprocal_rank() -> None:
    draws = np.random.default_rng(0)
    for _ in range(50):
        first, second, third = (draws.permutation(12)[:7].tolist() for _ in range(3))
        fused = fuse({"image": [(key, 0.1) for key in first], "text": [(key, 7.0) for key in second]})
        expected = slow_fusion([(1, first), (1, second)])
        assert {key: score for key, score, _ in fused} == pytest.approx(expected)
        assert [score for _, score, _ in fused] == sorted(expected.values(), reverse=True)
        assert all(scores == {"image": 0.1} for key, _, scores in fused if key not in second)
        fused = fuse({"image": [(key, 0.1) for key in first], "report": [(key, 0.2) for key in third],
                      "text": [(key, 7.0) for key in second]})  # fmt: skip
        expected = slow_fusion([(0.5, first), (0.5, third), (1, second)])
        assert {key: score for key, score, _ in fused} == pytest.approx(expected)
    assert fuse({"text": [(4, 2.5)]}) == [(4, 2.5, {"text": 2.5})]


def test_more_like_this_is_rocchio() -> None:
    q, a, b, c = np.eye(4, dtype=np.float32)
    expected = q + 0.75 * (a + b) / 2 - 0.25 * c
    np.testing.assert_allclose(more_like(q, [a, b], [c]), expected / np.linalg.norm(expected), rtol=1e-6)
    np.testing.assert_array_equal(more_like(q, [], []), q)
    with pytest.raises(InputError, match="cancel each other"):
        more_like(q, [-q / np.float32(0.75)], [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (lambda: Query(), "expected a query: words, or a study or file"),
        (lambda: Query(text=" ?! "), "expected a query"),
        (lambda: Query(text="words", ways=("image",)), "got none"),
        (lambda: Query(text="a" * 1_000_000), "at most 10,000 characters, got 1,000,000"),
        (lambda: Query(text="half \ud800"), "half a character"),
        (
            lambda: Query(STUDIES[0].vector, "another model"),
            "holds vectors of the model a model's fi, got some of another",
        ),
        (lambda: Query(STUDIES[0].vector[:31], MODEL), r"32 finite numbers and length 1, got shape \(31,\)"),
        (lambda: Query(STUDIES[0].vector * np.nan, MODEL), "got NaN or infinity"),
        (lambda: Query(STUDIES[0].vector * 2, MODEL), "got length 2"),
    ],
)
def test_what_cannot_be_asked_is_said(archive: Archive, query: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        archive.search(query())  # type: ignore[operator]


def test_other_wrong_requests_are_said(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 to 10000 hits, got 0"):
        archive.search(Query(text="no"), k=0)
    with pytest.raises(InputError, match="2024-02-01 after 2024-01-01"):
        Filter(since=datetime.date(2024, 2, 1), until=datetime.date(2024, 1, 1))
    with pytest.raises(MissingError, match="expected study 'x' in it, none is"):
        archive.study("x")
    with pytest.raises(MissingError, match="unimedi index makes one"):
        Archive(tmp_path)


def test_counts(archive: Archive) -> None:
    found = archive.stats()
    assert (found.studies, found.patients, found.reports, found.dim) == (10_000, 5_000, 7_500, 32)
    assert found.modalities == {"CT": 3334, "DX": 3333, "CR": 3333}
    assert found.findings == {name: sum(name in study.findings for study in STUDIES) for name in found.findings}
    assert archive.stamps()["STUDY-000012"] == "12"
