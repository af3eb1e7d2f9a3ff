"""How a training batch is made up: the section ``batch`` of a recipe."""

from dataclasses import dataclass, field
from typing import Annotated

from unimedi.ranges import NOT_NEGATIVE, PART, SHARE, at_least


@dataclass(frozen=True)
class AugmentationRange:
    """Largest random changes of an image. Small, as ``model.centre_inputs`` subtracts a mean image that does not shift:
    what is left along a shifted body is brighter than a lesion (docs/log.md, 2026-11-30)."""

    shift: Annotated[float, PART] = 0.02
    """as a share of each axis"""
    gain: Annotated[float, PART] = 0.03
    """of intensities, around 1"""
    offset: Annotated[float, NOT_NEGATIVE] = 0.0
    """of intensities, in stored units: HU for CTs"""


@dataclass(frozen=True)
class BatchRecipe:
    """How many studies of each kind a step sees on one device, and how they are varied."""

    radiographs: Annotated[int, at_least(0)] = 48
    """X-rays of a micro-batch on one device"""
    volumes: Annotated[int, at_least(0)] = 16
    """CTs of a micro-batch on one device"""
    effective: Annotated[int, at_least(0)] = 0
    """images of a step on all devices, which L_vl tells apart; more than one micro-batch takes no more memory, as
    gradients are cached; 0: one micro-batch"""
    sentence_keep_prob: Annotated[float, SHARE] = 0.7
    """chance that a sentence of a report is kept"""
    full_report_fraction: Annotated[float, SHARE] = 0.0
    """share of the run, from its start, in which reports are read whole: they say more at first"""
    radiograph_augmentation: AugmentationRange = field(default_factory=AugmentationRange)
    """random changes of X-rays"""
    volume_augmentation: AugmentationRange = field(default_factory=lambda: AugmentationRange(0.02, 0.02, 5.0))
    """random changes of CTs"""
