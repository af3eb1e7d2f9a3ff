"""A phantom patient: anatomy, findings and distractors, all sampled from (patient id, seed, prevalence, lesions)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unimedi.errors import InputError
from unimedi.phantom.patient.anatomy import Anatomy, grow_vessels, sample_anatomy, towards_average
from unimedi.phantom.patient.catalogue import DEFAULT_PREVALENCE, FINDINGS, FOCAL, Finding
from unimedi.phantom.patient.distractors import Distractor, sample_distractors
from unimedi.phantom.patient.findings import SAMPLERS
from unimedi.phantom.patient.lesions import LesionMix, sample_lesions


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """Everything that is true of one phantom patient; CT, X-ray and reports are functions of it."""

    patient_id: str
    seed: int
    sex: Literal["M", "F"]
    age: int
    anatomy: Anatomy
    findings: tuple[Finding, ...]
    distractors: tuple[Distractor, ...]
    variety: float = 1.0  # of build, position and contrast medium; 0: as all others

    def finding(self, name: str) -> Finding | None:
        """The first finding of that name, or None."""
        return next((finding for finding in self.findings if finding.name == name), None)

    def varied(self, value: float, middle: float = 0.0) -> float:
        """``value`` with this hospital's share of its distance from ``middle``."""
        return value if self.variety == 1 else middle + self.variety * (value - middle)

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers for one purpose ("ct", "PA", "report"): the same each time they are asked for."""
        return generator(self.seed, f"{self.patient_id}/{purpose}")


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator that depends on nothing but the seed and the name."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def sample_patient(
    patient_id: str,
    seed: int,
    prevalence: Mapping[str, float] | None = None,
    lesions: LesionMix | None = None,
    variety: float = 1.0,
) -> Patient:
    """The patient that these arguments stand for: the same each time.

    Args:
        prevalence: finding -> probability; findings left out keep their default.
        lesions: nodules and masses with details, beside the findings of ``prevalence``.
        variety: how far patients differ in build, position and contrast medium: 1 as in a hospital, 0 not at all.

    Raises:
        InputError: an unknown finding, or a probability outside 0..1.
    """
    rates = _rates(prevalence)
    rng = generator(seed, patient_id)
    sex: Literal["M", "F"] = "M" if rng.random() < 0.54 else "F"
    age = int(np.clip(rng.normal(60, 15), 20, 93))
    anatomy = towards_average(sample_anatomy(rng, sex, age), variety)
    present = [name for name in FINDINGS if rng.random() < rates[name]]
    large: dict[str, Finding] = {}
    for name in ("cardiomegaly", "emphysema", "fibrosis", "pleural_effusion", "pneumothorax", "atelectasis"):
        if name in present:
            large[name] = SAMPLERS[name](rng, anatomy, large)
            anatomy = _reshape(anatomy, large[name])
    drawn = dict(large)
    for name in FOCAL:
        if name in present:
            drawn[name] = SAMPLERS[name](rng, anatomy, drawn)
    detailed, look_alikes = sample_lesions(rng, anatomy, drawn, lesions) if lesions else ((), ())
    anatomy = grow_vessels(rng, anatomy)
    distractors = (*sample_distractors(rng, anatomy, age, sex), *look_alikes)
    findings = tuple(one for name in FINDINGS for one in (*drawn.values(), *detailed) if one.name == name)
    return Patient(patient_id, seed, sex, age, anatomy, findings, distractors, variety)


def _rates(prevalence: Mapping[str, float] | None) -> dict[str, float]:
    rates = dict(DEFAULT_PREVALENCE)
    for name, rate in (prevalence or {}).items():
        if name not in rates:
            raise InputError(f"prevalence of an unknown finding {name!r}; known: {', '.join(FINDINGS)}")
        if not 0 <= rate <= 1:
            raise InputError(f"prevalence of {name} must lie between 0 and 1, got {rate}")
        rates[name] = rate
    return rates


def _reshape(anatomy: Anatomy, finding: Finding) -> Anatomy:
    """What a large finding does to the chest around it."""
    side = 0 if finding.side == "right" else 1
    grade = {"mild": 1, "moderate": 2, "severe": 3}[finding.severity]
    if finding.name == "cardiomegaly":
        return replace(anatomy, heart_scale=finding.size_mm / (2 * anatomy.heart_radius))
    if finding.name == "emphysema":
        return replace(
            anatomy,
            half_depth=anatomy.half_depth * (1.03 + 0.03 * grade),
            dome=(anatomy.dome[0] - 6 - 7 * grade, anatomy.dome[1] - 6 - 7 * grade),
            dome_drop=anatomy.dome_drop * (0.85 - 0.14 * grade),
            heart_scale=anatomy.heart_scale * (0.98 - 0.03 * grade),
            lung_hu=anatomy.lung_hu - 18 * grade,
        )
    if finding.name == "fibrosis":
        dome = (anatomy.dome[0] + 4 * grade, anatomy.dome[1] + 4 * grade)
        return replace(anatomy, dome=dome, lung_hu=anatomy.lung_hu + 8 * grade)
    towards = -1 if side == 0 else 1
    if finding.name == "atelectasis":
        rise = 8 + 7 * grade
        raised = (anatomy.dome[0] + rise * (side == 0), anatomy.dome[1] + rise * (side == 1))
        return replace(
            anatomy, dome=raised, shift=anatomy.shift + towards * (2.5 * grade if finding.form == "lobar" else 1)
        )
    if finding.side != "both" and grade == 3:
        return replace(anatomy, shift=anatomy.shift - towards * 13)
    return anatomy
