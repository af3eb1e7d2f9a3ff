import pickle

import numpy as np
import pytest

from unimedi.phantom.patient.anatomy import lobe_of, lung_distance
from unimedi.phantom.patient.catalogue import DEFAULT_PREVALENCE, FINDINGS, FOCAL
from unimedi.phantom.patient.patient import sample_patient
from unimedi.phantom.sheet import showcase

COHORT = [sample_patient(f"p{index}", 11) for index in range(400)]


def test_twelve_names_and_their_prevalence() -> None:
    assert len(set(FINDINGS)) == 12
    assert set(FOCAL) < set(FINDINGS)
    assert set(DEFAULT_PREVALENCE) == set(FINDINGS)


def test_a_patient_is_a_function_of_its_arguments() -> None:
    first, again, other = sample_patient("a", 1), sample_patient("a", 1), sample_patient("a", 2)
    assert first.findings == again.findings
    assert first.distractors == again.distractors
    assert np.array_equal(first.anatomy.vessels, again.anatomy.vessels)
    assert not np.array_equal(first.anatomy.vessels, other.anatomy.vessels)
    assert first.generator("ct").integers(1 << 30) == again.generator("ct").integers(1 << 30)


def test_prevalence_is_as_asked() -> None:
    rates = {name: sum(p.finding(name) is not None for p in COHORT) / len(COHORT) for name in FINDINGS}
    for name, rate in rates.items():
        assert abs(rate - DEFAULT_PREVALENCE[name]) < 0.07, name  # 3.5 standard errors of 400 draws
    normal = sum(not p.findings for p in COHORT) / len(COHORT)
    assert 0.1 < normal < 0.24
    assert [f.name for f in sample_patient("x", 0, dict.fromkeys(FINDINGS, 1.0)).findings] == list(FINDINGS)
    assert sample_patient("x", 0, dict.fromkeys(FINDINGS, 0.0)).findings == ()


def test_unknown_findings_and_impossible_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown finding 'nodul'"):
        sample_patient("x", 0, {"nodul": 0.5})
    with pytest.raises(ValueError, match="between 0 and 1, got 2"):
        sample_patient("x", 0, {"nodule": 2.0})


def test_lesions_lie_in_the_lung_on_their_side_and_in_their_lobe() -> None:
    for patient in COHORT:
        for finding in patient.findings:
            if finding.name not in ("nodule", "mass", "consolidation", "ground_glass"):
                continue
            assert finding.centre_mm is not None
            assert lung_distance(patient.anatomy, np.array([finding.centre_mm], np.float32))[0] < 0
            if finding.side != "both":
                assert (finding.centre_mm[2] < 0) == (finding.side == "right")
                assert lobe_of(patient.anatomy, finding.centre_mm) == finding.lobe
            assert not (finding.side == "left" and finding.lobe == "middle")


def test_nodules_are_mostly_small_and_spread_over_the_depth() -> None:
    nodules = [f for p in COHORT for f in p.findings if f.name == "nodule"]
    sizes = np.array([f.size_mm for f in nodules])
    assert sizes.min() >= 5
    assert sizes.max() <= 30
    assert 8 < np.median(sizes) < 15
    depths = np.array([f.centre_mm[0] for f in nodules if f.centre_mm])
    assert np.percentile(depths, 90) - np.percentile(depths, 10) > 90
    assert all("xray" not in f.visible_on for f in nodules if f.size_mm < 8)


def test_nearly_everyone_carries_something_bright_and_harmless() -> None:
    bright = [sum(d.hu > 300 for d in p.distractors) for p in COHORT]
    assert np.mean(np.array(bright) > 0) > 0.95


def test_patients_travel_between_processes() -> None:
    patient = pickle.loads(pickle.dumps(COHORT[0]))
    assert patient.findings == COHORT[0].findings


def test_showcase_has_the_one_finding() -> None:
    assert [f.name for f in showcase("mass", 0).findings] == ["mass"]
    assert showcase("normal", 0).findings == ()
