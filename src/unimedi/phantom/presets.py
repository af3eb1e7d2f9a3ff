"""Presets of a phantom hospital: its size and the mix of file formats, every share an option."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from unimedi.errors import InputError, nearest
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.lesions import LesionMix
from unimedi.phantom.patient.patient import Patient, sample_patient

RENAMED = {"mask_innocents": "mask_distractors"}  # options by their former names
LATER = frozenset({  # fields that older hospitals lack
    "mask_distractors", "lungs_only", "variety", "brief_reports", "lesions", "lesion_width_mm", "lesion_depth_mm",
    "look_alikes",
})  # fmt: skip
COUNTS = ("train_xray", "train_ct", "validation_paired", "test_paired")
SHARES = (
    "share_ct_dicom", "share_ct_gzip", "share_ct_reoriented", "share_xray_dx", "share_xray_cr", "share_xray_png",
    "share_xray_jpeg", "share_monochrome1", "share_ap", "share_spanish", "share_train_masks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HospitalPreset:
    """Counts are patients; a training patient has an X-ray *or* a CT, a validation or test patient both.

    Shares lie in 0..1; the four ``share_xray_*`` formats add up to 1.

    Raises:
        InputError: a number outside its range, or no patient at all.
    """

    train_xray: int
    train_ct: int
    validation_paired: int
    test_paired: int
    ct_shape: tuple[int, int, int]  # depth, height, width
    xray_size: tuple[int, int]  # smallest and largest of the shorter edge, in pixels
    share_ct_dicom: float = 0.03  # the others are NIfTI
    share_ct_gzip: float = 0.05  # of the NIfTI files; writing one takes 29 ms, uncompressed 2 ms (64x128x128)
    share_ct_reoriented: float = 0.2  # of the NIfTI files: axes stored in another order or direction
    share_xray_dx: float = 0.50
    share_xray_cr: float = 0.15
    share_xray_png: float = 0.25
    share_xray_jpeg: float = 0.10
    share_monochrome1: float = 0.2  # of the DICOM X-rays
    share_ap: float = 0.25
    share_spanish: float = 0.05
    share_train_masks: float = 0.0  # validation and test studies always have theirs
    mask_distractors: bool = False  # CTs with masks get one more, of the distractors that look like lesions
    prevalence: Mapping[str, float] = field(default_factory=dict)  # finding -> probability; others keep their default
    lungs_only: bool = False  # a CT's field ends with the lungs
    variety: float = 1.0  # of build, position and contrast medium: 1 as in a hospital, 0 all alike
    brief_reports: bool = False  # where there is a finding, nothing is said of what is normal
    lesions: tuple[int, int] = (0, 0)  # fewest and most nodules and masses with details; 0 most: no detail is written
    lesion_width_mm: tuple[int, int] = (16, 36)  # in the axial plane
    lesion_depth_mm: tuple[int, int] = (16, 36)  # from feet to head
    look_alikes: tuple[int, int] = (0, 0)  # fewest and most harmless things as large as they are, and brighter

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not 0 <= self.variety <= 1:
            raise InputError(f"variety must lie between 0 and 1, got {self.variety}")
        formats = self.share_xray_dx + self.share_xray_cr + self.share_xray_png + self.share_xray_jpeg
        if abs(formats - 1) > 1e-6:
            raise InputError(f"the shares of DX, CR, PNG and JPEG must add up to 1, got {formats:g}")
        for name in COUNTS:
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.patients < 1:
            raise InputError("a hospital needs at least one patient")
        if len(self.ct_shape) != 3 or min(self.ct_shape) < 8:
            raise InputError(
                f"ct_shape must be three numbers of at least 8 (depth, height, width), got {self.ct_shape}"
            )
        for name, least in (("lesions", 0), ("lesion_width_mm", 1), ("lesion_depth_mm", 1), ("look_alikes", 0)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise InputError(f"{name} must be (fewest, most) with {least} <= fewest <= most, got {(low, high)}")
        if self.look_alikes[1] and not self.lesions[1]:
            raise InputError(f"look_alikes {self.look_alikes} stand beside lesions: set lesions, got {self.lesions}")
        low, high = self.xray_size
        if not 16 <= low <= high:
            raise InputError(
                f"xray_size must be (smallest, largest) with 16 <= smallest <= largest, got {self.xray_size}"
            )

    @property
    def lesion_mix(self) -> LesionMix | None:
        """The lesions with details; None in a hospital without."""
        mix = LesionMix(self.lesions, self.lesion_width_mm, self.lesion_depth_mm, self.look_alikes)
        return mix if self.lesions[1] else None

    def patient(self, patient_id: str, seed: int) -> Patient:
        """The patient of this hospital with this id, drawn with its split's seed."""
        return sample_patient(patient_id, seed, self.prevalence, self.lesion_mix, self.variety)

    @property
    def patients(self) -> int:
        return self.train_xray + self.train_ct + self.validation_paired + self.test_paired

    def with_patients(self, patients: int) -> "HospitalPreset":
        """The same hospital with this many patients, in the preset's proportions (at least one of each it has)."""
        wanted = [getattr(self, name) for name in COUNTS]
        if patients < sum(count > 0 for count in wanted):
            raise InputError(f"{patients} patients cannot fill the {sum(c > 0 for c in wanted)} groups {COUNTS}")
        exact = [count * patients / self.patients for count in wanted]
        counts = [max(int(share), 1) if count else 0 for share, count in zip(exact, wanted, strict=True)]
        while sum(counts) != patients:
            step = 1 if sum(counts) < patients else -1
            open_to = [i for i, count in enumerate(counts) if wanted[i] and (step > 0 or count > 1)]
            at = max(open_to, key=lambda i: step * (exact[i] - counts[i]))
            counts[at] += step
        groups: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
        return replace(self, **groups)

    def with_options(self, options: Mapping[str, Any]) -> "HospitalPreset":
        """The preset with some fields changed; an unknown name is an error with a suggestion."""
        known = [field.name for field in fields(self)]
        for name in options:
            if name in RENAMED:
                raise InputError(f"{name} has been renamed: it is {RENAMED[name]} now")
            if name not in known:
                raise InputError(f"unknown option {name!r} of a phantom hospital{nearest(name, known)}")
        for name, value in options.items():
            if not _is_like(value, like := getattr(self, name)):
                raise InputError(f"{name}: expected {EXPECTED[type(like)].format(like=like)}, got {value!r}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
        return replace(self, **values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON knows them; those of ``LATER`` only where they are set: older hospitals have none."""
        values = asdict(self)
        for name in (f.name for f in fields(self) if f.name in LATER and values[f.name] == f.default):
            del values[name]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


EXPECTED = {
    int: "a whole number such as {like}",
    float: "a number such as {like:g}",
    bool: "true or false",
    tuple: "whole numbers such as {like}",
    dict: "a probability for each finding",
}


def _is_like(value: object, like: object) -> bool:
    """Whether an option can take the place of the preset's."""
    if isinstance(like, tuple):
        return isinstance(value, list | tuple) and len(value) == len(like) and all(map(_is_like, value, like))
    if isinstance(like, Mapping):
        return isinstance(value, Mapping) and all(_is_like(share, 0.5) for share in value.values())
    if isinstance(value, bool) or isinstance(like, bool):
        return isinstance(value, bool) and isinstance(like, bool)
    return isinstance(value, int | float if isinstance(like, float) else int)


PRESETS: Mapping[str, HospitalPreset] = {
    # The tests' hospital: twelve patients.
    "micro": HospitalPreset(
        train_xray=4,
        train_ct=3,
        validation_paired=2,
        test_paired=3,
        ct_shape=(32, 48, 48),
        xray_size=(48, 64),
        share_ct_dicom=0.25,
        share_ct_gzip=0.3,
        share_spanish=0.2,
        share_train_masks=1.0,
    ),
    # The demo: a CT is a file of 2 MB. Many patients have consolidations or ground glass, which a model of its size
    # learns to read; of what it does not read there is less than in mixed, and of nodes, which lie in the middle.
    "tiny": HospitalPreset(
        train_xray=3600,
        train_ct=2000,
        validation_paired=120,
        test_paired=400,
        ct_shape=(64, 128, 128),
        xray_size=(128, 160),
        lungs_only=True,
        variety=0.5,
        prevalence={
            "nodule": 0.08,
            "mass": 0.08,
            "consolidation": 0.3,
            "ground_glass": 0.3,
            "lymph_node": 0.06,
            "rib_fracture": 0.06,
        },
    ),
    # The harder mixture: every finding about as often, patients of all builds, CTs that go on below the lungs.
    "mixed": HospitalPreset(3600, 2000, 120, 400, ct_shape=(64, 128, 128), xray_size=(128, 160)),
    # The control for slice selection: every patient has masses with details meant for fine slices.
    "focal": HospitalPreset(
        train_xray=2400,
        train_ct=2400,
        validation_paired=120,
        test_paired=400,
        ct_shape=(64, 128, 128),
        xray_size=(128, 160),
        share_spanish=0.0,
        share_train_masks=1.0,
        mask_distractors=True,
        lungs_only=True,
        variety=0.25,
        brief_reports=True,
        prevalence=dict.fromkeys(FINDINGS, 0.0),
        lesions=(1, 3),
        lesion_width_mm=(50, 90),
        lesion_depth_mm=(16, 24),
        look_alikes=(0, 2),
    ),
    "small": HospitalPreset(
        4000, 2000, 200, 400, ct_shape=(128, 256, 256), xray_size=(256, 320), share_ct_dicom=0.1, share_ct_gzip=0.2
    ),
    # Hospital size: a CT is 157 MB before compression.
    "full": HospitalPreset(
        400, 200, 40, 100, ct_shape=(300, 512, 512), xray_size=(1024, 2048), share_ct_dicom=0.5, share_ct_gzip=1.0
    ),
}


def find_preset(name: str) -> HospitalPreset:
    """The preset of that name; an unknown one is an error that lists those there are."""
    if name not in PRESETS:
        raise InputError(f"no preset {name!r} of a phantom hospital; there are {', '.join(PRESETS)}")
    return PRESETS[name]
