"""Who is forgotten is in no byte of the archive: looked for here by other code than the archive's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive import archive as module
from unimedi.archive.archive import Archive
from unimedi.archive.connection import ArchiveError
from unimedi.archive.query import Query
from unimedi.archive.study import ArchivedStudy
from unimedi.archive.traces import Forgotten
from unimedi.errors import InputError, MissingError

STUDIES = random_studies(3000)


def filled(path: Path, studies: list[ArchivedStudy] = STUDIES) -> Archive:
    archive = Archive.create(path, 32, MODEL, ("en",))
    archive.add(studies, MODEL)
    archive.optimise()
    return archive


def files_with(folder: Path, data: bytes) -> list[str]:
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and data in path.read_bytes()]


def seen(folder: Path, study: ArchivedStudy) -> dict[str, bool]:
    """Which traces of a study the folder's bytes hold."""
    parts = {"study": study.study_id.encode(), "patient": study.patient_id.encode(), "image": study.image.encode()}
    parts |= {"vector": study.vector.tobytes()[:32]}
    if study.report_vector is not None:
        parts |= {"report vector": study.report_vector.tobytes()[:32], "report": study.report[-20:].encode()}
        parts |= {"marker": study.report.split()[-3].lower().encode()}  # a word of its own, as an index would keep it
    return {what: bool(files_with(folder, data)) for what, data in parts.items()}


@pytest.mark.parametrize("optimised", [True, False])
def test_a_forgotten_patient_is_in_no_byte(tmp_path: Path, optimised: bool) -> None:
    archive = filled(tmp_path / "a") if optimised else Archive.create(tmp_path / "a", 32, MODEL)
    if not optimised:
        archive.add(STUDIES[:2000], MODEL)
        archive.add(STUDIES[1000:], MODEL)  # a thousand are replaced: their old rows lie in the files, masked
    ours = [study for study in STUDIES if study.patient_id == "PATIENT-000750"]
    assert len(ours) == 2
    for study in ours:
        found = seen(tmp_path / "a", study)
        assert all(found[what] for what in ("study", "patient", "image", "vector")), "the search of bytes must see them"
    assert archive.forget(patient="PATIENT-000750").studies == 2
    for study in ours:
        assert not any(seen(tmp_path / "a", study).values())
    others = [study for study in STUDIES if study not in ours]
    assert archive.stamps() == {study.study_id: study.stamp for study in others}
    hits = archive.search(Query(ours[0].vector, MODEL, ways=("image",)), k=5)
    scores = np.stack([study.vector for study in others]) @ ours[0].vector
    assert [hit.study_id for hit in hits] == [others[place].study_id for place in np.argsort(-scores)[:5]]
    assert [archive.search(Query(text=f"marker00150{number}")) for number in (0, 1)] == [[], []]
    assert archive.search(Query(text="marker001502"))[0].study_id == "STUDY-001502"
    assert archive.search(Query(text="effusion"))


def test_one_study_can_be_forgotten_and_the_last_one_too(tmp_path: Path) -> None:
    archive = filled(tmp_path / "a", STUDIES[:2])
    assert archive.forget(study="STUDY-000000") == Forgotten(1, 7, 1, 0)  # the patient's id stays, with the other study
    assert not seen(tmp_path / "a", STUDIES[0])["report"]
    assert archive.forget(patient="PATIENT-000000").studies == 1
    assert archive.stats().studies == 0
    assert archive.search(Query(STUDIES[0].vector, MODEL, "effusion")) == []
    assert not any(seen(tmp_path / "a", STUDIES[1]).values())
    archive.add(STUDIES[:5], MODEL)
    assert archive.search(Query(text="marker000002"), k=1)[0].study_id == "STUDY-000002"


def test_what_living_studies_have_as_well_does_not_count_as_left(tmp_path: Path) -> None:
    first, second = random_studies(2, start=4)
    twin = ArchivedStudy("STUDY-9", "PATIENT-0000021", "CT", first.vector, first.report_vector, first.report)
    archive = filled(tmp_path / "a", [first, second, twin])
    assert first.patient_id in twin.patient_id
    found = archive.forget(study=first.study_id)
    assert found.shared >= 5  # patient, three pieces of the report, two vectors
    assert archive.stats().studies == 2


def test_an_unknown_id_changes_nothing_and_one_of_two_is_asked_for(tmp_path: Path) -> None:
    archive = filled(tmp_path / "a", STUDIES[:10])
    version = archive.stats().version
    for named in ({"patient": "PATIENT-9"}, {"study": "S"}, {"patient": "' OR 1=1 --"}):
        with pytest.raises(MissingError, match="none is; nothing was changed"):
            archive.forget(**named)
    for wrong in ({}, {"patient": "a", "study": "b"}):
        with pytest.raises(InputError, match="one of the two"):
            archive.forget(**wrong)
    assert archive.stats().version == version


def test_what_is_left_after_a_plain_delete_is_told_and_a_second_forget_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LanceDB's own delete masks rows; with it in place of the rewriting the command must not say that all is gone."""
    archive = filled(tmp_path / "a")

    def masked(self: Archive, keys: list[int]) -> None:
        self._table.delete(f"key IN ({', '.join(map(str, keys))})")
        module.prune(self._table, module.NOW)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "_rewrite_without", masked)
        with pytest.raises(ArchiveError, match=r"NOT ALL BYTES ARE GONE: (study|patient)_id in archive\.lance"):
            archive.forget(patient="PATIENT-000100")
    assert any(seen(tmp_path / "a", STUDIES[200]).values())
    assert archive.forget(patient="PATIENT-000100").studies == 0  # no row, but bytes
    assert not any(seen(tmp_path / "a", STUDIES[200]).values())


def test_another_reader_does_not_show_who_is_forgotten(tmp_path: Path) -> None:
    archive, reader = filled(tmp_path / "a"), Archive(tmp_path / "a")
    query = Query(STUDIES[200].vector, MODEL, STUDIES[200].report)
    assert reader.search(query)[0].study_id == "STUDY-000200"
    archive.forget(patient="PATIENT-000100")
    assert "PATIENT-000100" not in {hit.patient_id for hit in reader.search(query, k=100)}
    assert reader.stats().studies == len(STUDIES) - 2


def test_an_index_of_vectors_forgets_too(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    archive = Archive(tmp_path / "a", ann_from=100)
    archive.optimise()
    assert not archive.stats().exact
    assert archive.forget(patient="PATIENT-000005").studies == 2
    assert not archive.stats().exact
    for study in STUDIES[10:12]:
        assert not any(seen(tmp_path / "a", study).values())
    hits = archive.search(Query(STUDIES[10].vector, MODEL, ways=("image",)), k=20)
    assert len(hits) == 20
    assert "PATIENT-000005" not in {hit.patient_id for hit in hits}


@pytest.mark.parametrize(("count", "patients"), [(2, 1), (40, 2), (300, 150), (300, 3), (3000, 10), (9000, 9)])
def test_the_bytes_show_who_is_there_however_often_an_id_is_repeated(tmp_path: Path, count: int, patients: int) -> None:
    """Without this a search of bytes that finds nothing proves nothing: a compressed id is not seen."""
    studies = [
        replace(study, patient_id=f"PATIENT-{number % patients:06d}", image=f"images/of/{number % patients:06d}")
        for number, study in enumerate(random_studies(count, dim=8))
    ]
    archive = Archive.create(tmp_path / "a", 8, MODEL)
    archive.add(studies, MODEL)
    archive.optimise()
    for study in studies[:: max(count // 20, 1)]:
        assert all(
            files_with(tmp_path / "a", text.encode()) for text in (study.patient_id, study.study_id, study.image)
        )
    found = archive.forget(patient=studies[0].patient_id)
    assert found.studies == count // patients + (count % patients > 0)
    assert found.unseen <= 0.05 * found.looked_for
    assert not files_with(tmp_path / "a", studies[0].patient_id.encode())
