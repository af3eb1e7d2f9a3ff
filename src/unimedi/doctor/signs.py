"""Signs that something is wrong with a study: what each means, which spoil training, and which studies are worst."""

from collections.abc import Sequence

from unimedi.doctor.study_summary import StudySummary

SERIOUS = (  # signs that spoil training, worst first; the other signs should be looked at
    *("wrapped", "scaled_twice", "not_scaled", "wrong_slope", "odd_hu"),
    *("flipped_head_feet", "flipped_front_back", "flipped_left_right"),
    *("cut_at_side", "cut_at_feet", "cut_at_head", "short_volume", "few_slices"),
)
EXPLAINED = {
    "wrapped": "values beyond 12 bits: negative HU read as unsigned; mend how the file was written",
    "scaled_twice": "slope and intercept were applied twice: tissue lies where air should",
    "not_scaled": "the intercept was never applied: air lies where tissue should",
    "wrong_slope": "soft tissue or bone lies where none can: the slope is wrong",
    "odd_hu": "tissue is where it should be, air is not",
    "flipped_head_feet": "the lungs' domes and the heart point to the feet: the depth axis is mirrored",
    "flipped_front_back": "the spine lies in front: the height axis is mirrored",
    "flipped_left_right": "liver and aorta are on the wrong sides: the width axis is mirrored (or, one person in ten "
    "thousand, the patient)",
    "cut_at_side": "a side of the picture cuts through a lung, or through the middle of the body",
    "cut_at_feet": "the lungs go on below the lowest plane",
    "cut_at_head": "the lungs go on above the highest plane",
    "short_volume": "less than 120 mm from feet to head",
    "few_slices": "fewer than 16 slices",
    "thick_slices": "more than 7.5 mm from slice to slice",
    "not_frontal": "the header says a lateral or another view; reports and findings are taken for frontal images",
    "odd_field": "a picture smaller or larger than a chest: check the spacing",
    "spacing_outlier": "spacing three times off the median of its modality",
}
STORE_LIMITS = (
    "A store keeps no files. Hashes of files, the PatientIDs in their headers, the orientation that a header claimed, "
    "slopes and intercepts, values beyond -1024 to 3071 HU and the original number and spacing of slices are gone: a "
    "volume that was truncated or wrapped shows it only by what is left. Run the doctor on the manifest to see them."
)


def serious_signs(study: StudySummary) -> tuple[str, ...]:
    """Those of a study's signs that spoil training."""
    return tuple(sign for sign in study.signs if sign in SERIOUS)


def worst(studies: Sequence[StudySummary], count: int) -> list[StudySummary]:
    """Studies with signs: those with a serious one first, in the order of ``SERIOUS``, then those with most signs."""
    signed = [one for one in studies if one.signs]
    rank = {sign: place for place, sign in enumerate(SERIOUS)}
    return sorted(signed, key=lambda s: (min(rank.get(x, len(rank)) for x in s.signs), -len(s.signs)))[:count]
