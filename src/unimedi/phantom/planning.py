"""Which patients a phantom hospital has, and how each study is stored: decided before any pixel is made."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality, Split
from unimedi.phantom.presets import HospitalPreset

XRAY_FORMATS: tuple[Literal["DX", "CR", "PNG", "JPEG"], ...] = ("DX", "CR", "PNG", "JPEG")
ASPECTS = (1.0, 1.0, 1.0, 0.83, 1.2)  # width by height of X-rays: square detectors, and plates both ways up


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """How one study will be stored."""

    study_id: str
    format: Literal["DX", "CR", "PNG", "JPEG", "DICOM", "NIFTI"]  # DICOM: a CT series
    language: str
    view: Literal["PA", "AP", ""] = ""  # of an X-ray
    monochrome1: bool = False
    gzip: bool = False
    reoriented: bool = False
    masks: bool = True
    distractors: bool = False  # a mask of the distractors beside those of the findings, CT only
    size: tuple[int, int] = (0, 0)  # pixels of an X-ray (height, width)

    @property
    def modality(self) -> Modality:
        if self.format in ("DICOM", "NIFTI"):
            return Modality.CT
        return Modality.CR if self.format == "CR" else Modality.DX


@dataclass(frozen=True, slots=True)
class PatientPlan:
    patient_id: str
    split: Split
    studies: tuple[StudyPlan, ...]


def patient_seed(seed: int, split: Split) -> int:
    """The seed of a split's patients; the test split has another one than training and validation."""
    stream = "test" if split == Split.TEST else "development"
    return int.from_bytes(hashlib.blake2b(f"unimedi phantom/{seed}/{stream}".encode(), digest_size=4).digest(), "big")


def plan_hospital(preset: HospitalPreset, seed: int) -> list[PatientPlan]:
    """The patients, and how each study is stored. All shares are met exactly, up to rounding."""
    numbers = list(range(1, preset.patients + 1))
    Random(f"{seed}/numbers").shuffle(numbers)  # a patient's number does not tell the split
    groups = (
        [(ImageKind.XRAY,)] * preset.train_xray
        + [(ImageKind.CT,)] * preset.train_ct
        + [(ImageKind.XRAY, ImageKind.CT)] * (preset.validation_paired + preset.test_paired)
    )
    training = preset.train_xray + preset.train_ct
    splits = (
        [Split.TRAIN] * training + [Split.VALIDATION] * preset.validation_paired + [Split.TEST] * preset.test_paired
    )
    places = [(index, kind) for index, kinds in enumerate(groups) for kind in kinds]
    ranks = {kind: _ranks([i for i, k in places if k == kind], kind, seed) for kind in ImageKind}
    plans = []
    for index, (kinds, split) in enumerate(zip(groups, splits, strict=True)):
        patient_id = f"P{numbers[index]:06d}"
        studies = tuple(
            _plan_study(f"{patient_id}-{'CT' if kind == ImageKind.CT else 'XR'}", kind, split, preset,
                        {name: place[index] for name, place in ranks[kind].items()})
            for kind in kinds
        )  # fmt: skip
        plans.append(PatientPlan(patient_id, split, studies))
    return plans


def _ranks(indices: Sequence[int], kind: ImageKind, seed: int) -> dict[str, dict[int, float]]:
    """For each choice, a rank in 0..1 for each patient: evenly spaced and shuffled, so every share is met exactly."""
    ranks = {}
    for name in ("format", "language", "view", "variant", "masks", "size"):
        order = list(indices)
        Random(f"{seed}/{kind}/{name}").shuffle(order)
        ranks[name] = {index: (place + 0.5) / len(order) for place, index in enumerate(order)}
    return ranks


def _plan_study(
    study_id: str, kind: ImageKind, split: Split, preset: HospitalPreset, rank: Mapping[str, float]
) -> StudyPlan:
    language = "es" if rank["language"] < preset.share_spanish else "en"
    masks = split != Split.TRAIN or rank["masks"] < preset.share_train_masks
    if kind == ImageKind.CT:
        dicom = rank["format"] < preset.share_ct_dicom
        return StudyPlan(
            study_id,
            "DICOM" if dicom else "NIFTI",
            language,
            gzip=not dicom and rank["variant"] < preset.share_ct_gzip,
            reoriented=not dicom and rank["size"] < preset.share_ct_reoriented,
            masks=masks,
            distractors=masks and preset.mask_distractors,
        )
    shares = (preset.share_xray_dx, preset.share_xray_cr, preset.share_xray_png, preset.share_xray_jpeg)
    edges = itertools.accumulate(shares[:-1])
    chosen = XRAY_FORMATS[sum(rank["format"] >= edge for edge in edges)]
    low, high = preset.xray_size
    short = low + int(rank["size"] * (high - low + 1))
    aspect = Random(study_id).choice(ASPECTS)
    return StudyPlan(
        study_id,
        chosen,
        language,
        view="AP" if rank["view"] < preset.share_ap else "PA",
        monochrome1=chosen in ("DX", "CR") and rank["variant"] < preset.share_monochrome1,
        masks=masks,
        size=(round(short * max(1.0, 1 / aspect)), round(short * max(1.0, aspect))),
    )
