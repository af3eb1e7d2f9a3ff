"""A study that takes too long is told with what the store knows of it, and does not end the examination."""

from pathlib import Path
from typing import Any

from tests.hospital import write_hospital
from unimedi.doctor.diagnosis import diagnose
from unimedi.doctor.examine import Examined, _under_limits
from unimedi.doctor.study_summary import Stored, StudySummary, inspect
from unimedi.inputs.sandbox import Limits, SandboxPool


def test_a_stored_study_beyond_the_limits_keeps_its_split_and_its_patient(tmp_path: Path) -> None:
    store = write_hospital(tmp_path / "store", ndims=(2,))
    pool: SandboxPool[Any, StudySummary] = SandboxPool(inspect, Limits(seconds=0.001))
    slow = _under_limits(pool, Stored(tmp_path / "store", 0), "the first")
    pool.close()
    assert slow.refused == "too_slow"
    assert (slow.study_id, slow.split) == (store.studies[0].study_id, str(store.studies[0].split))
    assert slow.patient_id == store.studies[0].patient_id
    assert diagnose(Examined(tmp_path / "store", "store", [slow], [], []))["patients"] == {slow.split: 1}
