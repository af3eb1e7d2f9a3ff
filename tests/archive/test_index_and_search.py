"""Stores, manifests and folders into an archive and back out of it, by the commands; what they say and leave out."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cohort.dicom_files import put_ct, put_xray
from tests.hospital import write_hospital, write_pretrained
from unimedi.archive.archive import Archive
from unimedi.archive.indexing import CHUNK, index
from unimedi.archive.query import Query
from unimedi.cli import main
from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder

GREY = np.random.default_rng(0).integers(0, 255, (48, 40)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"), report_languages=("en",))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def indexed(store: Store, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive") / "a"
    index(store.path, model, str(out))
    return out


def searched(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["search", *map(str, words), "--format", "json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([*map(str, words)]) == 2
    return capsys.readouterr().err


def test_the_archive_holds_what_the_embedder_gives(store: Store, model: Path, indexed: Path) -> None:
    archive, embedder = Archive(indexed), Embedder.from_pretrained(model)
    found = archive.stats()
    assert found.studies == len(store)
    assert (found.model, found.languages, found.dim) == (embedder.fingerprint, ("en",), 8)
    for place in (0, 13, len(store) - 1):
        expected, study = store.studies[place], archive.study(store.studies[place].study_id)
        np.testing.assert_allclose(study.vector, embedder.images(store, [place]).embedding[0], atol=1e-5)
        assert study.report_vector is not None
        np.testing.assert_allclose(study.report_vector, embedder.texts([expected.report])[0], atol=1e-5)
        assert (study.report, study.split, study.patient_id) == (expected.report, expected.split, expected.patient_id)
        assert set(study.findings) == {name for name, there in expected.labels.items() if there}
        assert study.image == str(store.path.absolute())


def test_indexing_again_goes_on_where_it_was_stopped_and_reads_nothing_twice(
    store: Store, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unimedi.archive.indexing.CHUNK", 20)
    own, encoded = Embedder.rows, [0]

    def counted(self: Embedder, stored: list[np.ndarray]) -> object:
        encoded[0] += len(stored)
        if encoded[0] > 45:
            raise KeyboardInterrupt
        return own(self, stored)

    with monkeypatch.context() as patch:
        patch.setattr(Embedder, "rows", counted)
        assert main(["index", str(store.path), "--model", str(model), "--out", str(tmp_path / "a"),
                     "--batch-size", "4"]) == 130  # fmt: skip
    assert Archive(tmp_path / "a").stats().studies == 40
    assert CHUNK > 40
    encoded[0] = -len(store)
    monkeypatch.setattr(Embedder, "rows", counted)
    done = index(store.path, model, str(tmp_path / "a"))
    assert encoded[0] == -40
    assert (done.added, done.replaced, done.kept) == (len(store) - 40, 0, 40)
    assert index(store.path, model, str(tmp_path / "a")).kept == len(store)


def test_words_find_images_and_reports_and_filters_hold(
    store: Store, model: Path, indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder = Embedder.from_pretrained(model)
    words = "There is a left pleural effusion."
    table = embedder.images(store, range(len(store)))
    order = np.argsort(-(table.embedding @ embedder.texts([words])[0]))
    hits = searched(capsys, indexed, words, "--model", model, "--by", "image", "-k", 5)
    assert [hit["study_id"] for hit in hits] == [table.study_ids[place] for place in order[:5]]
    hits = searched(capsys, indexed, words, "--model", model, "--modality", "CT", "--finding", "nodule", "-k", 50)
    expected = [s for s in store.studies if s.modality == "CT" and s.labels["nodule"]]
    assert {hit["study_id"] for hit in hits} == {study.study_id for study in expected}
    assert all(hit["scores"].keys() <= {"image", "report", "text"} for hit in hits)  # type: ignore[attr-defined]
    hits = searched(capsys, indexed, "effusions", "--by", "text", "--split", "test", "--modality", "DX")
    assert hits
    assert all("effusion" in str(hit["report"]) for hit in hits)
    assert {(hit["modality"], hit["split"]) for hit in hits} == {("DX", "test")}


def test_like_a_study_leaves_its_own_patient_out(
    store: Store, indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = store.studies[store.select("test", "ct")[0]]
    hits = searched(capsys, indexed, "--like", ours.study_id, "--by", "vector", "-k", 200)
    assert {hit["patient_id"] for hit in hits} == {study.patient_id for study in store.studies} - {ours.patient_id}
    vector = Archive(indexed).study(ours.study_id).vector
    everyone = Archive(indexed).search(Query(vector, Archive(indexed).model, ways=("image",)), k=1)
    assert everyone[0].study_id == ours.study_id
    less = searched(capsys, indexed, "--like", ours.study_id, "--not-like", hits[0]["study_id"], "--by", "image")
    assert len(less) == 10


def test_tables_and_csv_are_for_people_and_programs(
    indexed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # a line is as wide as the terminal
    capsys.readouterr()
    assert main(["search", str(indexed), "effusion", "--by", "text", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["score", "study", "modality", "split", "findings", "report"]
    assert len(lines) == 4
    assert all("There is a left pleural effusion." in line for line in lines[1:]), lines
    assert main(["search", str(indexed), "effusion", "--by", "text", "-k", "3", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert "pleural_effusion" in rows[0]["findings"].split(";")
    assert main(["search", str(indexed), "zebra", "--by", "text"]) == 0
    assert capsys.readouterr().out == "no study was found\n"


def test_a_cohort_of_files_is_indexed_and_what_cannot_be_read_is_listed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "cohort"
    put_xray(root / "a.dcm", StudyDate="20240131")
    put_ct(root / "ct")
    Image.fromarray(GREY).save(root / "b.png")
    (root / "broken.png").write_bytes(b"no picture")
    rows = [
        "study_id,patient_id,modality,split,image,report,study_date,label:nodule",
        "s1,p1,DX,train,a.dcm,Left pleural effusion.,,1",
        "s2,p2,CT,test,ct,The lungs are clear.,2023-05-05,0",
        "s3,p3,DX,test,b.png,Right nodule.,,1",
        "s4,p4,DX,test,broken.png,Right nodule.,,",
    ]
    (root / "cohort.csv").write_text("\n".join(rows))
    out = tmp_path / "archive"
    words = ["index", str(root / "cohort.csv"), "--model", str(model), "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == f"4 studies listed: 3 added, 0 replaced, 0 as they were; the archive: {out}\n"
    assert "1 left out (1 unreadable):\n  s4: unreadable: " in told.err
    assert "2 have no date: --since and --until leave them out" in told.err
    assert (tmp_path / "archive.skipped.csv").read_text().splitlines()[1].startswith("s4,unreadable")
    hits = searched(capsys, out, "lungs effusion nodule", "--model", model, "--since", "2024-01-01")
    assert [(hit["study_id"], hit["date"]) for hit in hits] == [("s1", "2024-01-31")]
    hits = searched(capsys, out, "--like", root / "b.png", "--model", model, "--by", "image")
    assert (hits[0]["study_id"], round(float(str(hits[0]["score"])), 4)) == ("s3", 1)
    assert {hit["study_id"] for hit in hits} == {"s1", "s2", "s3"}
    (root / "cohort.csv").write_text("\n".join(rows).replace("Right nodule.", "Left nodule."))
    assert main(words) == 0
    assert "0 added, 1 replaced, 2 as they were" in capsys.readouterr().out
    assert searched(capsys, out, "nodule", "--by", "text")[0]["report"] == "Left nodule."


def test_a_folder_of_images_is_indexed_by_its_paths(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xray = put_xray(tmp_path / "in" / "x.dcm", PatientID="P7", StudyDate="20240131")
    Image.fromarray(GREY).save(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    done = index(tmp_path / "in", model, str(tmp_path / "a"))
    assert (done.added, [one.what for one in done.left_out.skipped]) == (2, [str(tmp_path / "in" / "notes.txt")])
    study = Archive(tmp_path / "a").study(str(xray))
    assert (study.patient_id, study.modality, str(study.date)) == ("P7", "DX", "2024-01-31")
    hits = searched(capsys, tmp_path / "a", "--like", tmp_path / "in" / "b.png", "--model", model, "-k", 1)
    assert (hits[0]["study_id"], hits[0]["patient_id"]) == (str(tmp_path / "in" / "b.png"), "")
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no image")
    assert "expected at least one study that can be used, got none: 1 left out" in said(
        capsys, "index", tmp_path / "in", "--model", model, "--out", tmp_path / "b"
    )


def test_forget_says_what_it_looked_for(
    store: Store, indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(indexed, tmp_path / "a")
    ours = store.studies[store.select("test")[0]]
    count = sum(study.patient_id == ours.patient_id for study in store.studies)
    capsys.readouterr()
    assert main(["forget", str(tmp_path / "a"), "--patient", ours.patient_id]) == 0
    assert f"studies removed from {tmp_path / 'a'}: {count}\n" in capsys.readouterr().out
    for path in (tmp_path / "a").rglob("*"):
        assert path.is_dir() or ours.patient_id.encode() not in path.read_bytes()
    assert "none is; nothing was changed" in said(capsys, "forget", tmp_path / "a", "--patient", ours.patient_id)
    assert "one of the two" in said(capsys, "forget", tmp_path / "a")


def test_bad_requests_have_sentences(
    store: Store, model: Path, indexed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(*words: object) -> str:
        return said(capsys, "search", indexed, *words)

    other = write_pretrained(tmp_path / "other", report_languages=("es",))
    assert "expected a query: words, or a study or file" in answer("")
    assert "expected a query" in answer("", "--model", model)
    assert "at most 10,000 characters, got 1,000,000" in answer("a" * 1_000_000, "--model", model)
    assert "holds vectors of the model" in answer("nodule", "--model", other)
    assert "holds vectors of the model" in said(
        capsys, "index", store.path, "--model", other, "--out", indexed
    )  # fmt: skip
    assert "'x': expected an image file or a study of" in answer("--like", "x")
    assert "needs --model to be compared" in answer("--like", store.path)
    assert "words need --model" in answer("nodule", "--by", "image")
    assert "away from something is no direction" in answer("--not-like", store.studies[0].study_id)
    assert "unknown date '1.2.2024'" in answer("nodule", "--since", "1.2.2024")
    assert "got 2024-02-02 after 2024-01-01" in answer("nodule", "--since", "2024-02-02", "--until", "2024-01-01")
    assert "expected an archive at" in said(capsys, "search", tmp_path / "none", "nodule")
    assert "--cohort goes with a store" in said(
        capsys, "index", tmp_path, "--model", model, "--out", tmp_path / "b", "--cohort", tmp_path / "c.csv"
    )


def test_a_query_in_a_language_that_the_model_has_not_read_is_answered_and_said(
    model: Path, indexed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["search", str(indexed), "Derrame pleural en el lado izquierdo", "--model", str(model)]) == 0
    found = capsys.readouterr()
    assert "the query seems to be in es: the model has read reports in en alone" in found.err
    assert found.out.count("\n") == 11
    assert main(["search", str(indexed), "left pleural effusion", "--model", str(model)]) == 0
    assert "seems to be" not in capsys.readouterr().err
    assert main(["search", str(indexed), "left pleural effusion"]) == 0
    assert "without --model the words are looked for in reports" in capsys.readouterr().err
