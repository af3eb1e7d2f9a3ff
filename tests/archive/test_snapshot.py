"""The matrix in memory: the nearest by a slow loop, ties by id, studies without a report left out."""

import numpy as np
import pytest

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.snapshot import Snapshot
from unimedi.archive.study import ArchivedStudy


def test_the_nearest_are_those_of_a_loop_and_ties_go_by_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    studies = random_studies(40)
    archive = Archive.create(tmp_path_factory.mktemp("snapshot") / "a", 32, MODEL, ("en",))
    twins = [studies[5].study_id, "A-TWIN"]
    archive.add([*studies, ArchivedStudy("A-TWIN", "P", "CT", studies[5].vector)], MODEL)
    table = archive.place.open()
    held = Snapshot(table, table.version, vectors=True)
    ids = dict(zip(held.keys.tolist(), held.columns["study_id"].to_pylist(), strict=True))
    found = held.nearest("image", studies[5].vector, Filter(), 4)
    assert [ids[key] for key, _ in found[:2]] == sorted(twins)
    cosines = sorted((float(study.vector @ studies[5].vector) for study in studies), reverse=True)
    np.testing.assert_allclose([score for _, score in found[1:]], cosines[:3], atol=1e-5)
    everyone = held.nearest("report", studies[5].vector, Filter(), 100)
    assert {ids[key] for key, _ in everyone} == {study.study_id for study in studies if study.report}
