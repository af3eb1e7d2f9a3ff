import json
from pathlib import Path

import numpy as np

from tests.tiny import PREPROCESS
from unimedi.cohort.study import Modality, Split
from unimedi.doctor.diagnosis import diagnose
from unimedi.doctor.examine import examine
from unimedi.inputs.store import StoredStudy
from unimedi.inputs.store_rules import FAULTS, FIRST, RULES, faults_of
from unimedi.inputs.store_writer import Record, write_store


def test_of_every_rule_it_is_said_what_was_wrong_before() -> None:
    assert {since for since, _ in FAULTS} <= set(range(2, RULES + 1))
    assert faults_of(RULES) == []
    assert faults_of(1) == [FIRST, *(wrong for _, wrong in FAULTS)]


def test_the_doctor_tells_a_store_of_before(tmp_path: Path) -> None:
    study = StoredStudy("a", "p", Modality.DX, Split.TRAIN, "Clear lungs.", spacing=(1.0, 1.0))
    write_store(tmp_path / "store", [Record(study, np.arange(1024, dtype=np.int16).reshape(32, 32))], PREPROCESS)
    assert diagnose(examine(tmp_path / "store", workers=0))["outdated"] == []
    header = tmp_path / "store" / "store.json"
    old = json.loads(header.read_text())
    del old["rules"]  # as it was before there were any
    header.write_text(json.dumps(old))
    assert diagnose(examine(tmp_path / "store", workers=0))["outdated"] == faults_of(1)
