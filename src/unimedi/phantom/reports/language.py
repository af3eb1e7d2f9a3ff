"""What a language must offer so that a report can be written in it: sentences with slots, apart from the writer."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from random import Random

from unimedi.phantom.findings import Finding


@dataclass(frozen=True, slots=True)
class Phrases:
    """The ways one finding is written. Braces are slots filled by ``Wording.slots``.

    ``named`` are regular expressions of which every assertion of the finding matches at least one, and ``absent`` the
    nouns that a negation names ("No {pleural effusion} or {pneumothorax}.").
    """

    named: tuple[str, ...]
    xray: tuple[str, ...]
    ct: tuple[str, ...]
    unsure: tuple[str, ...]
    impression: tuple[str, ...]
    absent: tuple[str, ...]
    severity: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Normal:
    """A phrase about an organ without findings. ``only`` limits it to ``xray`` or ``ct``."""

    text: str
    rules_out: frozenset[str]
    only: str = ""


# (finding, zone of the lung on an X-ray or None for a CT, habits, rng) -> slots of the sentences
Slots = Callable[[Finding, str | None, "Habits", Random], dict[str, str]]


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
    slots: Slots
    polish: Callable[[str], str]


LUNGS = frozenset({"nodule", "mass", "consolidation", "ground_glass", "atelectasis", "emphysema", "fibrosis"})
NOTHING: frozenset[str] = frozenset()
EFFUSION, AIR = frozenset({"pleural_effusion"}), frozenset({"pneumothorax"})
HEART, NODES, RIBS = frozenset({"cardiomegaly"}), frozenset({"lymph_node"}), frozenset({"rib_fracture"})
ORGANS: Mapping[str, frozenset[str]] = {
    "lungs": LUNGS,
    "pleura": EFFUSION | AIR,
    "heart": HEART,
    "hila": NODES,
    "bones": RIBS,
}


def normals(rules_out: Set[str], *texts: str, only: str = "") -> tuple[Normal, ...]:
    """Several ways to say that there is none of ``rules_out``."""
    return tuple(Normal(text, frozenset(rules_out), only) for text in texts)


def size_text(size_mm: float, habits: Habits, rng: Random, decimal: str) -> str:
    """A measurement as written: two readers of one lesion differ by about 4 %, rounded to 1 mm or 0.1 cm."""
    measured = max(2.0, size_mm * (1 + rng.gauss(0, 0.04)))
    if habits.centimetres or (measured >= 30 and rng.random() < 0.7):
        return f"{max(measured, 3.0) / 10:.1f} cm".replace(".", decimal)
    return f"{round(measured)} mm"
