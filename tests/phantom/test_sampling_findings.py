"""Each finding as it is sampled: sizes, sides and places that a radiologist would believe."""

import numpy as np
import pytest

from unimedi.phantom.patient.anatomy import Anatomy, lung_distance, sample_anatomy
from unimedi.phantom.patient.catalogue import BOTH, CT_ONLY, FINDINGS, FOCAL, Finding
from unimedi.phantom.patient.findings import SAMPLERS

SIZES = {  # mm: least and most
    "nodule": (5, 30),
    "mass": (31, 62),
    "lymph_node": (17, 50),
    "consolidation": (59, 150),
    "ground_glass": (59, 156),
    "rib_fracture": (5, 16),
}


def samples(name: str, count: int = 60) -> list[tuple[Anatomy, Finding]]:
    found = []
    for number in range(count):
        rng = np.random.default_rng([7, number])
        anatomy = sample_anatomy(rng, "F" if number % 2 else "M", 60)
        found.append((anatomy, SAMPLERS[name](rng, anatomy, {})))
    return found


def test_every_finding_has_a_sampler() -> None:
    assert set(SAMPLERS) == set(FINDINGS)


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_is_named_graded_and_seen_on_a_ct_at_least(name: str) -> None:
    drawn = [finding for _, finding in samples(name)]
    assert {finding.name for finding in drawn} == {name}
    assert {finding.visible_on for finding in drawn} <= {BOTH, CT_ONLY}
    assert len({finding.severity for finding in drawn}) > 1
    assert all(finding.centre_mm for finding in drawn) or name not in FOCAL


@pytest.mark.parametrize("name", SIZES)
def test_sizes_lie_in_their_range_and_differ(name: str) -> None:
    sizes = [finding.size_mm for _, finding in samples(name)]
    low, high = SIZES[name]
    assert low <= min(sizes) < max(sizes) <= high
    assert np.std(sizes) > 0.1 * np.mean(sizes) or name == "mass"


@pytest.mark.parametrize("name", ["nodule", "consolidation", "ground_glass"])
def test_a_lesion_lies_in_the_lung_of_its_side(name: str) -> None:
    for anatomy, finding in samples(name):
        assert finding.centre_mm is not None
        assert lung_distance(anatomy, np.array([finding.centre_mm], np.float32)).item() < 0
        if finding.side != "both":
            assert (finding.side == "right") == (finding.centre_mm[2] < 0)


def test_a_lesion_keeps_clear_of_another() -> None:
    apart = []
    for number in range(40):
        rng = np.random.default_rng([9, number])
        anatomy = sample_anatomy(rng, "M", 50)
        mass = SAMPLERS["mass"](rng, anatomy, {})
        nodule = SAMPLERS["nodule"](rng, anatomy, {"mass": mass})
        between = np.linalg.norm(np.subtract(mass.centre_mm, nodule.centre_mm))  # type: ignore[arg-type]
        apart.append(between - (mass.size_mm + nodule.size_mm) / 2)
    assert np.min(apart) > 0
