"""All that was seen as counts, lists and figures: what the page shows and the JSON holds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from unimedi.cohort.patient_id import id_notes
from unimedi.doctor.duplicates import groups, near_images
from unimedi.doctor.examine import Examined
from unimedi.doctor.leakage import Leak, leaks_between_cohorts, leaks_between_splits
from unimedi.doctor.study_summary import StudySummary
from unimedi.doctor.texts import text_facts

SERIOUS = (  # signs that spoil training, worst first; the other signs are worth a look
    *("wrapped", "scaled_twice", "not_scaled", "wrong_slope", "odd_hu"),
    *("flipped_head_feet", "flipped_front_back", "flipped_left_right"),
    *("cut_at_side", "cut_at_feet", "cut_at_head", "short_volume", "few_slices"),
)
LISTED = 200  # pairs of duplicates that are listed; all are counted
FATAL = ("study", "patient", "header_patient", "file", "image", "near_image")  # what must not stand on two sides


def serious_signs(seen: StudySummary) -> tuple[str, ...]:
    """Those of a study's signs that spoil training."""
    return tuple(sign for sign in seen.signs if sign in SERIOUS)


def diagnose(examined: Examined, other: Examined | None = None) -> dict[str, Any]:
    """Every figure as plain JSON: counts, studies with signs, refusals, duplicates, reports, leaks.

    ``listed`` = ``read`` + ``refused`` always; of a store, ``refused`` are those that preparing left out.
    """
    seen = examined.seen
    read = [one for one in seen if not one.refused]
    refused = [_refused(one) for one in seen if one.refused] + [dict(row) for row in examined.lost]
    between = leaks_between_splits(seen)
    across = leaks_between_cohorts(seen, other.seen) if other else []
    return {
        "path": str(examined.path),
        "kind": examined.kind,
        "listed": len(seen) + len(examined.lost),
        "read": len(read),
        "refused": dict(Counter(row["reason"] for row in refused).most_common()),
        "by_modality_and_split": _crossed(seen),
        "patients": {split: len({s.patient_id for s in seen if s.split == split}) for split in _splits(seen)},
        "patients_by_header": _patients(seen),
        "doubtful_patients": id_notes([one.patient_id for one in seen]),
        "languages": dict(Counter(s.language for s in seen).most_common()),
        "signs": dict(Counter(sign for one in read for sign in one.signs).most_common()),
        "corrupted": sum(bool(serious_signs(one)) for one in read),
        "notes": dict(Counter(note for one in read for note in one.notes).most_common()),
        "volumes_examined_for_orientation": sum("head" in one.measures for one in read),
        "volumes": sum(len(one.shape) == 3 for one in read),
        "reports": text_facts(seen),
        "duplicates": _duplicates(seen),
        "leaks_between_splits": [_leak(leak) for leak in between],
        "other": str(other.path) if other else None,
        "leaks_between_cohorts": [_leak(leak) for leak in across],
        "studies_with_signs": [_signed(one) for one in worst(read, len(read))],
        "refusals": refused,
        "outdated": examined.outdated,
    }


def worst(seen: Sequence[StudySummary], count: int) -> list[StudySummary]:
    """Studies with signs: those with a serious one first, in the order of ``SERIOUS``, then those with most signs."""
    signed = [one for one in seen if one.signs]
    rank = {sign: place for place, sign in enumerate(SERIOUS)}
    return sorted(signed, key=lambda s: (min(rank.get(x, len(rank)) for x in s.signs), -len(s.signs)))[:count]


def fatal(figures: dict[str, Any]) -> list[str]:
    """The leaks that are errors, as sentences."""
    rows = figures["leaks_between_splits"] + figures["leaks_between_cohorts"]
    return [row["text"] for row in rows if row["what"] in FATAL]


def _patients(seen: Sequence[StudySummary]) -> dict[str, Any]:
    """Where patients of the manifest and PatientIDs of the files are not one to one."""
    stated = [(one.patient_id, one.header_patient) for one in seen if one.header_patient]
    of_id: dict[str, set[str]] = defaultdict(set)
    of_patient: dict[str, set[str]] = defaultdict(set)
    for patient, header in stated:
        of_id[header].add(patient)
        of_patient[patient].add(header)
    return {
        "stated": len(stated),
        "id_of_several_patients": {one: sorted(names) for one, names in of_id.items() if len(names) > 1},
        "patient_of_several_ids": {one: sorted(names) for one, names in of_patient.items() if len(names) > 1},
    }


def _crossed(seen: Sequence[StudySummary]) -> dict[str, dict[str, int]]:
    counts = Counter((one.modality, one.split) for one in seen)
    modalities = sorted({one.modality for one in seen})
    return {modality: {split: counts[modality, split] for split in _splits(seen)} for modality in modalities}


def _splits(seen: Sequence[StudySummary]) -> list[str]:
    return sorted({one.split for one in seen}, key=lambda split: ("train", "validation", "test").index(split))


def _duplicates(seen: Sequence[StudySummary]) -> dict[str, Any]:
    """The same pixels in several studies, and nearly the same."""
    same = [[seen[i].study_id for i in group] for group in groups(one.pixels for one in seen)]
    near: list[dict[str, Any]] = []
    for ndim in (2, 3):
        rows = [one for one in seen if one.perceptual_hash and len(one.shape) == ndim]
        for first, second, bits in near_images([s.perceptual_hash for s in rows], [s.miniature for s in rows]):
            if rows[first].pixels != rows[second].pixels:
                near.append({"studies": [rows[first].study_id, rows[second].study_id], "bits": bits})
    return {
        "identical_images": sum(len(group) - 1 for group in same),
        "identical": same[:LISTED],
        "near_images": len(near),
        "near": sorted(near, key=lambda pair: pair["bits"])[:LISTED],
    }


def _refused(seen: StudySummary) -> dict[str, str]:
    return {"study_id": seen.study_id, "reason": seen.refused, "message": seen.message}


def _leak(leak: Leak) -> dict[str, Any]:
    row = {"what": leak.what, "first": leak.first, "second": leak.second, "text": str(leak)}
    return row | ({"bits": leak.bits} if leak.what == "near_image" else {})


def _signed(seen: StudySummary) -> dict[str, Any]:
    return {
        "study_id": seen.study_id,
        "modality": seen.modality,
        "split": seen.split,
        "signs": list(seen.signs),
        "measures": {name: round(value, 3) for name, value in seen.measures.items()},
        "shape": list(seen.shape),
        "spacing": [round(mm, 4) for mm in seen.spacing],
    }
