"""What a language must offer so that a report can be written in it: a YAML file of phrases, and a function that fills
their braces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from random import Random
from typing import Any

import yaml

from unimedi.phantom.patient.catalogue import Finding


@dataclass(frozen=True, slots=True)
class Phrases:
    """The ways one finding is written. What stands in braces is filled by ``Wording.slots``.

    ``named`` are regular expressions of which every assertion of the finding matches at least one, and ``absent`` the
    nouns that a negation names ("No {pleural effusion} or {pneumothorax}.").
    """

    named: tuple[str, ...]
    xray: tuple[str, ...]
    ct: tuple[str, ...]
    unsure: tuple[str, ...]
    impression: tuple[str, ...]
    absent: tuple[str, ...]
    detailed: tuple[str, ...] = ()  # in place of ``ct`` and ``unsure`` for a lesion with margin and inside
    detailed_impression: tuple[str, ...] = ()
    severity: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Normal:
    """A phrase about an organ without findings. ``only`` limits it to ``xray`` or ``ct``."""

    text: str
    rules_out: frozenset[str]
    only: str = ""


# (finding, words for its severity, third of the lung on an X-ray or None for a CT, habits, rng)
#   -> what fills the braces of its phrases, by name
FillSlots = Callable[[Finding, Sequence[str], str | None, "Habits", Random], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Habits:
    """How one reader writes. Probabilities are of keeping a phrase; ``number`` picks the favourite wordings."""

    number: int
    headings: str  # "upper", "title" or "none"
    sections: tuple[str, ...]
    order: tuple[str, ...]
    impression: str  # "numbered", "prose", "dashed"
    keep_normal: float = 0.6
    organ_labels: bool = False
    centimetres: bool = False
    abbreviates: bool = False
    unsure: float = 0.15
    skip_impression: float = 0.0


@dataclass(frozen=True, slots=True)
class Wording:
    """A language: phrases of every finding, normal phrases by organ, and what stands around them."""

    findings: Mapping[str, Phrases]
    normals: Mapping[str, tuple[Normal, ...]]
    organs: Mapping[str, str]
    otherwise_clear: tuple[str, ...]
    negations: tuple[str, ...]
    joiner: str  # "or" / "ni"
    normal_impression: Mapping[str, tuple[str, ...]]
    follow_up: tuple[str, ...]
    headings: Mapping[str, tuple[str, ...]]
    indications: tuple[str, ...]
    technique: Mapping[str, tuple[str, ...]]
    comparison: tuple[str, ...]
    slots: FillSlots
    polish: Callable[[str], str]


# Which findings are spoken of under which organ.
LUNGS = frozenset({"nodule", "mass", "consolidation", "ground_glass", "atelectasis", "emphysema", "fibrosis"})
ORGANS: Mapping[str, frozenset[str]] = {
    "lungs": LUNGS,
    "pleura": frozenset({"pleural_effusion", "pneumothorax"}),
    "heart": frozenset({"cardiomegaly"}),
    "hila": frozenset({"lymph_node"}),
    "bones": frozenset({"rib_fracture"}),
}


def read_wording(file: str, slots: FillSlots, polish: Callable[[str], str]) -> Wording:
    """The phrases of ``file``, beside this module, with the functions that fill and smooth them."""
    text = resources.files(__package__).joinpath(file).read_text("utf-8")
    values = _as_tuples(yaml.safe_load(text))
    values["findings"] = {name: Phrases(**phrases) for name, phrases in values["findings"].items()}
    values["normals"] = {
        organ: tuple(
            Normal(phrase, frozenset(group["rules_out"]), group.get("only", ""))
            for group in groups
            for phrase in group["texts"]
        )
        for organ, groups in values["normals"].items()
    }
    return Wording(**values, slots=slots, polish=polish)


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def measured(size_mm: float, habits: Habits, rng: Random) -> tuple[str, str]:
    """A lesion as a reader measures it: its size ("12 mm", "3.1 cm"), and its size by a second diameter.

    Two readers of one lesion differ by about 4 %; rounded to 1 mm or 0.1 cm.
    """
    size = max(2.0, size_mm * (1 + rng.gauss(0, 0.04)))
    if habits.centimetres or (size >= 30 and rng.random() < 0.7):
        value, unit, digits = f"{max(size, 3.0) / 10:.1f}", "cm", 1
    else:
        value, unit, digits = f"{round(size)}", "mm", 0
    return f"{value} {unit}", f"{value} x {float(value) * rng.uniform(0.82, 0.98):.{digits}f} {unit}"
