"""What can be found in a phantom chest: the twelve names, how often each is drawn, the record of one finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from unimedi.phantom.patient.anatomy import Point

Side = Literal["left", "right", "both"]
Lobe = Literal["upper", "middle", "lower"]
Severity = Literal["mild", "moderate", "severe"]

FOCAL = ("nodule", "mass", "consolidation", "ground_glass", "lymph_node", "rib_fracture")

# Sampled one by one, so that about one patient in six has none of them.
DEFAULT_PREVALENCE: Mapping[str, float] = MappingProxyType(
    {
        "nodule": 0.17,
        "mass": 0.13,
        "consolidation": 0.15,
        "ground_glass": 0.14,
        "atelectasis": 0.14,
        "pleural_effusion": 0.17,
        "pneumothorax": 0.12,
        "cardiomegaly": 0.16,
        "emphysema": 0.13,
        "fibrosis": 0.12,
        "lymph_node": 0.13,
        "rib_fracture": 0.13,
    }
)
FINDINGS = tuple(DEFAULT_PREVALENCE)
# What a CT report says of a lesion that was drawn with its details (``lesions.py``); labels of the CT alone.
DETAILS = ("spiculated", "part_solid", "cavitating", "calcified")
BOTH = frozenset({"xray", "ct"})
CT_ONLY = frozenset({"ct"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``size_mm`` is a diameter (lesions, nodes, heart), a thickness (fluid, air) or a step (fracture)."""

    name: str
    side: Side | None
    lobe: Lobe | None
    size_mm: float
    severity: Severity
    centre_mm: Point | None = None  # (depth, height, width)
    rib: int | None = None  # 1 is the uppermost
    visible_on: frozenset[str] = BOTH  # subset of {"xray", "ct"}
    form: str = ""  # solid, subsolid, spiculated, cavitating; plate, lobar; ...
    hu: float = 40.0
    seed: int = 0  # texture and outline
    margin: Literal["", "smooth", "spiculated"] = ""  # of a lesion with details; "": the form says all
    depth_mm: float = 0.0  # how far a lesion with details reaches from feet to head; ``size_mm`` is its width

    @property
    def details(self) -> tuple[str, ...]:
        """Those of ``DETAILS`` that a lesion with details has; of other findings none."""
        return tuple(name for name in DETAILS if self.margin and name in (self.form, self.margin))
