"""Focal lesions with details: nodules and masses whose margin and inside the report states and a fine slice shows.

They exist to ask whether slices matter: specks of calcium, small cavities, solid cores and thin spicules are a few
millimetres large, less than a voxel of a coarse volume. How much of them a volume still shows is for
``benchmarks/references.py`` to say. Things that no report mentions are as large as the lesions and brighter, so that
brightness alone does not find them.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unimedi.phantom.patient.anatomy import Anatomy
from unimedi.phantom.patient.catalogue import BOTH, CT_ONLY, Finding, Severity
from unimedi.phantom.patient.distractors import Distractor
from unimedi.phantom.patient.findings import Drawn, in_lung, is_hidden, lesion, new_seed

MASS_MM = 30.0  # from here on a lesion is called a mass (Fleischner's glossary)
FORMS = ("solid", "part_solid", "cavitating", "calcified")
FORM_RATES = (0.34, 0.22, 0.22, 0.22)
SPICULATED = 0.4
SEEN_ON_XRAY_MM = 12.0
LOOK_ALIKE_HU = (300.0, 700.0)
SOLID_HU, PART_SOLID_HU = (10.0, 60.0), (-350.0, -250.0)


@dataclass(frozen=True, slots=True)
class LesionMix:
    """How many lesions a patient has, how large, and how many harmless things as large stand beside them."""

    count: tuple[int, int]  # fewest and most
    width_mm: tuple[int, int]  # smallest and largest, in the axial plane
    depth_mm: tuple[int, int]  # smallest and largest, from feet to head
    look_alikes: tuple[int, int]  # fewest and most


def sample_lesions(
    rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn, mix: LesionMix
) -> tuple[tuple[Finding, ...], tuple[Distractor, ...]]:
    """The lesions, nodules first, and the harmless things that look like them: spread evenly over the lungs' depth,
    clear of each other and of the findings ``drawn``. The lesions of a patient come from one disease: they share form
    and margin."""
    count, look_alikes = (int(rng.integers(low, high + 1)) for low, high in (mix.count, mix.look_alikes))
    form = str(rng.choice(FORMS, p=FORM_RATES))
    margin: Literal["smooth", "spiculated"] = "spiculated" if rng.random() < SPICULATED else "smooth"
    placed: list[Finding] = []
    for _ in range(count + look_alikes):
        others = {**drawn, **{f"{n}": one for n, one in enumerate(placed)}}
        placed.append(replace(_sample(rng, anatomy, others, mix, form), margin=margin))
    lesions = sorted(placed[:count], key=lambda one: one.name == "mass")
    return tuple(lesions), tuple(_look_alike(rng, one) for one in placed[count:])


def _sample(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn, mix: LesionMix, form: str) -> Finding:
    width, depth = float(rng.uniform(*mix.width_mm)), float(rng.uniform(*mix.depth_mm))
    where = in_lung(rng, anatomy, drawn, min(depth, width) / 2 + 4)
    severity: Severity = "moderate" if width < MASS_MM else "severe"
    name = "nodule" if width < MASS_MM else "mass"
    hu = float(rng.uniform(*(PART_SOLID_HU if form == "part_solid" else SOLID_HU)))
    seen = BOTH if width >= SEEN_ON_XRAY_MM and not is_hidden(anatomy, where) else CT_ONLY
    found = lesion(anatomy, name, where, width, severity, seen, form, hu, new_seed(rng))
    return replace(found, depth_mm=round(depth, 1))


def _look_alike(rng: np.random.Generator, lesion: Finding) -> Distractor:
    """A calcified granuloma where a lesion might have been: smooth, even, brighter, and never mentioned."""
    assert lesion.centre_mm is not None
    flat = (lesion.depth_mm / lesion.size_mm, 1.0, 1.0)
    return Distractor("granuloma", (lesion.centre_mm,), lesion.size_mm / 2, float(rng.uniform(*LOOK_ALIKE_HU)), flat)
