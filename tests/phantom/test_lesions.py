"""The hospital of lesions with details: where they lie, what is painted inside, what is said of them."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from scipy import ndimage

from tests.phantom.test_reports import SIDES, sentences
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.study import Modality
from unimedi.phantom.ct import _field
from unimedi.phantom.hospital import build_hospital
from unimedi.phantom.painting.distractors import DISTRACTOR, distractor_mask
from unimedi.phantom.painting.findings import paint_findings
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.anatomy import average_anatomy, lung_distance
from unimedi.phantom.patient.catalogue import BOTH, DETAILS, FINDINGS, Finding
from unimedi.phantom.patient.distractors import Distractor
from unimedi.phantom.patient.lesions import FORM_RATES, FORMS, LOOK_ALIKE_HU, MASS_MM, SPICULATED, LesionMix
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.presets import LATER, PRESETS
from unimedi.phantom.reports.write import READERS, WORDINGS, details_for, labels_for, reportable, write_report
from unimedi.phantom.xray import _setup

FOCAL = PRESETS["focal"]
MIXED = FOCAL.with_options({"lesion_width_mm": (16, 60)})  # nodules, too
PATIENTS = [FOCAL.patient(f"P{number:06d}", 3) for number in range(150)]
BOTH_NAMES = [MIXED.patient(f"P{number:06d}", 4) for number in range(150)]
NO_FINDINGS = dict.fromkeys(FINDINGS, 0.0)
NOTHING = sample_patient("healthy", 3, NO_FINDINGS)
GRID = Grid.spanning((60, 110, 130), (-100.0, -160.0, -190.0), (80.0, 160.0, 190.0))  # voxels of 3 x 2.9 x 2.9 mm
ABOUT = {  # what a report calls it
    "en": {
        "solid": r"(?<![-\w])solid|soft tissue",
        "part_solid": r"part-solid|subsolid",
        "cavitating": r"cavitating|cavitary",
        "calcified": r"calcified",
        "smooth": r"smooth|well-defined",
        "spiculated": r"spiculated",
    },
    "es": {
        "solid": r"(?<!parcialmente )\bsólid[oa]",
        "part_solid": r"parcialmente sólid[oa]",
        "cavitating": r"cavitad[oa]",
        "calcified": r"calcificad[oa]",
        "smooth": r"lisos|bien definidos",
        "spiculated": r"espiculad[oa]s?",
    },
}


def look_alikes(patient: Patient) -> list[Distractor]:
    """Those as wide as a lesion of the preset; other granulomas are a few millimetres."""
    wide = FOCAL.lesion_width_mm[0] / 2
    return [one for one in patient.distractors if one.name == "granuloma" and one.radius_mm >= wide]


# -- patients ---------------------------------------------------------------------------------------------------------


def test_numbers_sizes_and_depths_lie_within_the_presets_ranges_and_fill_them() -> None:
    lesions = [one for patient in PATIENTS for one in patient.findings]
    for drawn, (low, high) in (
        ([len(patient.findings) for patient in PATIENTS], FOCAL.lesions),
        ([len(look_alikes(patient)) for patient in PATIENTS], FOCAL.look_alikes),
    ):
        assert {*drawn} == {*range(low, high + 1)}
    for sizes, (low, high) in (
        ([one.size_mm for one in lesions], FOCAL.lesion_width_mm),
        ([one.depth_mm for one in lesions], FOCAL.lesion_depth_mm),
    ):
        assert low <= min(sizes) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(sizes) <= high
    assert {(one.form, one.margin) for one in lesions} == {(f, m) for f in FORMS for m in ("smooth", "spiculated")}


def test_a_lesion_is_called_a_mass_from_30_mm_on_and_lies_in_the_lung_of_its_side() -> None:
    for patient in BOTH_NAMES:
        assert [one.name for one in patient.findings] == sorted((one.name for one in patient.findings), reverse=True)
        for one in patient.findings:
            assert one.centre_mm is not None
            assert (one.name == "mass") == (one.size_mm >= MASS_MM)
            assert (one.side == "right") == (one.centre_mm[2] < 0)
            assert lung_distance(patient.anatomy, np.array([one.centre_mm], np.float32)).item() < 0
    assert {one.name for patient in BOTH_NAMES for one in patient.findings} == {"nodule", "mass"}


def test_the_lesions_of_a_patient_share_form_and_margin_and_patients_differ() -> None:
    alike = {(patient.patient_id, one.form, one.margin) for patient in PATIENTS for one in patient.findings}
    assert len(alike) == len(PATIENTS)
    assert {(form, margin) for _, form, margin in alike} == {(f, m) for f in FORMS for m in ("smooth", "spiculated")}


def test_lesions_come_after_everything_else_that_is_drawn() -> None:
    """So the findings of a preset without them are what they were."""
    mix = LesionMix((1, 3), (16, 60), (16, 24), (0, 2))
    for number in range(30):
        plain, more = (sample_patient(f"p{number}", 11, None, lesions) for lesions in (None, mix))
        assert tuple(one for one in more.findings if not one.margin) == plain.findings
        assert all(not one.margin and not one.depth_mm and not one.details for one in plain.findings)


def test_lesions_are_spread_evenly_over_depth_so_that_no_fixed_plane_finds_them() -> None:
    """The middle planes of 16 slabs: the one where lesions lie most often, and the two in the centre."""
    shown = []
    for number in range(500):
        patient = FOCAL.patient(f"P{number:06d}", 8)
        depth = _field(patient, FOCAL.ct_shape, patient.generator("ct"), FOCAL.lungs_only).depth
        inside = [np.abs(depth - one.centre_mm[0]) <= one.depth_mm / 2 for one in patient.findings if one.centre_mm]
        shown.append(np.any(inside, axis=0)[2::4])
    by_slab = np.mean(shown, axis=0)
    random = by_slab.mean()
    assert 0.08 < random < 0.3  # rare enough that a choice matters
    assert by_slab.max() <= 1.5 * random
    assert by_slab[7:9].max() <= 1.5 * random
    assert np.mean([row.any() for row in shown]) > 0.97  # the field shows the lesions


@pytest.mark.parametrize("name", ["half_depth", "apex", "fat", "heart_radius", "half_width", "dome"])
def test_variety_scales_how_far_patients_lie_from_the_average(name: str) -> None:
    usual = np.asarray(getattr(average_anatomy(), name))
    for number in range(20):
        whole, quarter, none = (sample_patient(f"p{number}", 2, NO_FINDINGS, None, share) for share in (1.0, 0.25, 0.0))
        far = np.asarray(getattr(whole.anatomy, name)) - usual
        np.testing.assert_allclose(np.asarray(getattr(quarter.anatomy, name)) - usual, 0.25 * far, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(np.asarray(getattr(none.anatomy, name)), usual)


@pytest.mark.parametrize("lungs_only", [True, False])
def test_without_variety_all_fields_of_cts_are_the_same_and_with_it_they_differ(lungs_only: bool) -> None:
    for variety, alike in ((0.0, True), (1.0, False)):
        patients = [sample_patient(f"p{number}", 2, NO_FINDINGS, None, variety) for number in range(6)]
        fields = [_field(one, (16, 24, 24), one.generator("ct"), lungs_only) for one in patients]
        edges = {(*grid.depth[[0, -1]], *grid.height[[0, -1]], *grid.width[[0, -1]]) for grid in fields}
        assert (len(edges) == 1) == alike


def test_without_variety_all_xrays_are_taken_alike_and_with_it_they_differ() -> None:
    for variety, alike in ((0.0, True), (1.0, False)):
        patients = [sample_patient(f"p{number}", 2, NO_FINDINGS, None, variety) for number in range(6)]
        setups = [_setup(one, "PA", (24, 24), 400.0, one.generator("PA")) for one in patients]
        taken = {(geometry, *grid.depth[[0, -1]], *grid.width[[0, -1]]) for geometry, grid in setups}
        assert (len(taken) == 1) == alike


# -- pixels -----------------------------------------------------------------------------------------------------------


def lesion(form: str, name: str = "mass", margin: str = "smooth", size: float = 60.0, depth: float = 24.0) -> Finding:
    hu = -300.0 if form == "part_solid" else 30.0
    where = (-10.0, -20.0, -75.0)
    return Finding(name, "right", "middle", size, "severe", where, None, BOTH, form, hu, 5, margin, depth)  # type: ignore[arg-type]


def voxel_at(place: tuple[float, float, float]) -> tuple[int, ...]:
    return tuple(int(np.abs(axis.ravel() - mm).argmin()) for axis, mm in zip(GRID.axes, place, strict=True))


def painted(*lesions: Finding) -> tuple[ndarray, dict[str, ndarray]]:
    """HU before the scanner's noise, and the masks."""
    canvas = paint_thorax(replace(NOTHING, findings=lesions), GRID, "supine", 40.0)
    masks = paint_findings(canvas)
    return canvas.hu, masks


@pytest.mark.parametrize("name", ["nodule", "mass"])
@pytest.mark.parametrize(("form", "brighter"), [("calcified", True), ("cavitating", False), ("part_solid", True)])
def test_what_is_inside_changes_the_pixels_there_and_nowhere_else(form: str, brighter: bool, name: str) -> None:
    one = lesion(form, name, size=60.0 if name == "mass" else 29.0)
    even, masks = painted(replace(one, form="solid"))  # the same lesion without anything inside
    hu, same = painted(one)
    assert np.array_equal(masks[name], same[name])
    change = (hu - even) * (1 if brighter else -1)
    assert change.min() >= 0
    assert (change > 200).sum() > 10
    near = ndimage.binary_dilation(masks[name], np.ones((3, 3, 3)))
    assert not change[~near].any()
    changed = (change > 50).sum() / masks[name].sum()
    assert 0.02 < changed < 0.6  # small things in a lesion, not another lesion


def test_spicules_reach_from_the_rim_into_the_lung() -> None:
    smooth, masks = painted(lesion("solid"))
    spiculated, same = painted(lesion("solid", margin="spiculated"))
    assert np.array_equal(masks["mass"], same["mass"])
    change = spiculated - smooth
    outside = ndimage.distance_transform_edt(~masks["mass"], GRID.spacing)
    assert (change[outside > 3] > 100).sum() > 100
    assert not change[outside > 60.0].any()


@pytest.mark.parametrize(
    ("name", "size", "depth"),
    [("nodule", 28.0, 16.0), ("nodule", 18.0, 36.0), ("mass", 80.0, 16.0), ("mass", 80.0, 24.0), ("mass", 34.0, 44.0)],
)
def test_a_lesion_is_as_deep_and_as_wide_as_it_says(name: str, size: float, depth: float) -> None:
    _, masks = painted(lesion("solid", name, size=size, depth=depth))
    planes, _, columns = (np.ptp(where) + 1 for where in np.nonzero(masks[name]))
    assert 0.7 * depth - 3 <= planes * GRID.spacing[0] <= 1.3 * depth + 3
    assert 0.7 * size - 3 <= columns * GRID.spacing[2] <= 1.3 * size + 3


def test_the_mask_of_a_name_holds_every_lesion_of_that_name() -> None:
    several = [patient for patient in BOTH_NAMES if len(patient.findings) == 3][:4]
    for patient in several:
        masks = paint_findings(paint_thorax(patient, GRID, "supine", 40.0))
        alone = {name: np.zeros(GRID.shape, np.bool_) for name in masks}
        for one in patient.findings:
            (mask,) = paint_findings(paint_thorax(replace(patient, findings=(one,)), GRID, "supine", 40.0)).values()
            alone[one.name] |= mask
            assert one.centre_mm is not None
            assert not GRID.holds(one.centre_mm) or masks[one.name][voxel_at(one.centre_mm)]
        for name, mask in masks.items():
            assert np.array_equal(mask, alone[name])


def test_look_alikes_are_brighter_than_lesions_masked_and_never_told() -> None:
    shown = 0
    for patient in PATIENTS[:60]:
        for one in look_alikes(patient):
            assert LOOK_ALIKE_HU[0] <= one.hu <= LOOK_ALIKE_HU[1]
            assert one.hu > max(found.hu for found in patient.findings)
            depth = 2 * one.radius_mm * one.stretch[0]
            assert FOCAL.lesion_depth_mm[0] - 0.1 <= depth <= FOCAL.lesion_depth_mm[1] + 0.1
            if GRID.holds(one.points[0]):
                assert distractor_mask(patient.distractors, GRID)[voxel_at(one.points[0])]
                shown += 1
        without = replace(patient, distractors=())
        for modality in (Modality.CT, Modality.DX):
            assert write_report(patient, modality, seed=1) == write_report(without, modality, seed=1)
            assert labels_for(patient, modality) == labels_for(without, modality)
        assert details_for(patient, Modality.CT) == details_for(without, Modality.CT)
    assert shown > 20


# -- words ------------------------------------------------------------------------------------------------------------


def states(sentence: str, one: Finding, language: str) -> bool:
    """Whether a sentence can be of this lesion: its name, form, margin and side are said."""
    wanted = [ABOUT[language][one.form], ABOUT[language][one.margin], SIDES[language][str(one.side)]]
    wanted.append("|".join(WORDINGS[language].findings[one.name].named))
    return all(re.search(words, sentence, re.IGNORECASE) for words in wanted)


def measured_mm(sentence: str) -> float:
    found = re.search(r"([\d.,]+)(?: x [\d.,]+)? (mm|cm)", sentence)
    return float(found[1].replace(",", ".")) * (10 if found[2] == "cm" else 1) if found else float("nan")


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_ct_report_states_form_and_margin_of_every_lesion_and_of_no_other(language: str) -> None:
    for number, patient in enumerate([*PATIENTS, *BOTH_NAMES]):
        reader = number % len(READERS)
        text = training_text(write_report(patient, Modality.CT, seed=2, language=language, reader=reader))
        told = sentences(text)
        for one in patient.findings:
            sizes = [measured_mm(sentence) for sentence in told if states(sentence, one, language)]
            assert any(abs(size - one.size_mm) <= 0.2 * one.size_mm + 1.1 for size in sizes), (one, text)
        for sentence in told:
            if any(re.search(words, sentence, re.IGNORECASE) for words in ABOUT[language].values()):
                assert any(states(sentence, one, language) for one in patient.findings), (sentence, patient.findings)


@pytest.mark.parametrize("language", ["en", "es"])
def test_an_xray_report_says_nothing_of_details(language: str) -> None:
    seen = 0
    for patient in [*PATIENTS, *BOTH_NAMES]:
        text = write_report(patient, Modality.DX, seed=2, language=language).text
        seen += bool(reportable(patient, Modality.DX))
        for words in ABOUT[language].values():
            assert not re.search(words, text, re.IGNORECASE), text
        assert details_for(patient, Modality.DX) == {}
    assert seen > 200


def test_a_brief_report_says_what_is_there_and_nothing_else() -> None:
    named = re.compile("|".join(WORDINGS["en"].findings["mass"].named), re.IGNORECASE)
    said = 0
    for patient in PATIENTS:
        for modality in (Modality.CT, Modality.CR):
            brief = training_text(write_report(patient, modality, 5, brief=True))
            if not reportable(patient, modality):
                assert brief == training_text(write_report(patient, modality, 5))  # a report is never empty
                continue
            said += 1
            assert all(named.search(sentence) for sentence in sentences(brief)), brief
    assert said > len(PATIENTS)


def test_labels_are_those_of_the_lesions() -> None:
    for patient in BOTH_NAMES:
        ct, xray = labels_for(patient, Modality.CT), labels_for(patient, Modality.DX)
        for name in FINDINGS:
            assert ct[name] == any(one.name == name for one in patient.findings)
            assert xray[name] == any(one.name == name and "xray" in one.visible_on for one in patient.findings)
        details = details_for(patient, Modality.CT)
        assert tuple(details) == DETAILS
        for name in ("part_solid", "cavitating", "calcified"):
            assert details[name] == any(one.form == name for one in patient.findings)
        assert details["spiculated"] == any(one.margin == "spiculated" for one in patient.findings)
    shares = np.mean([[*details_for(patient, Modality.CT).values()] for patient in PATIENTS], axis=0)
    rates = np.array([SPICULATED, *FORM_RATES[1:]])  # of a patient: the lesions share them
    assert (np.abs(shares - rates) < 3 * np.sqrt(rates * (1 - rates) / len(PATIENTS))).all()


# -- the hospital -----------------------------------------------------------------------------------------------------


def rows_of(hospital: Path) -> list[dict[str, str]]:
    with (hospital / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_index_of_a_focal_hospital_has_details_of_cts_alone_and_their_masks(tmp_path: Path) -> None:
    small = {"ct_shape": (24, 40, 40), "xray_size": (32, 40)}
    build_hospital(tmp_path / "h", "focal", seed=5, workers=1, patients=6, progress=False, overrides=small)
    rows = rows_of(tmp_path / "h")
    assert [name for name in rows[0] if name.startswith("label:")] == [f"label:{n}" for n in (*FINDINGS, *DETAILS)]
    for row in rows:
        said = [row[f"label:{name}"] for name in DETAILS]
        assert set(said) <= {"0", "1"} if row["modality"] == "CT" else set(said) == {""}
        assert bool(row[f"mask:{DISTRACTOR}"]) <= (row["modality"] == "CT")
        if row["modality"] == "CT":
            assert row["label:mass"] == "1"
            assert (tmp_path / "h" / row["mask:mass"]).is_file()
        assert row["language"] == "en"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lesions": (3, 1)}, r"lesions must be .* with 0 <= fewest <= most, got \(3, 1\)"),
        ({"lesions": (-1, 1)}, r"lesions must be .* got \(-1, 1\)"),
        ({"lesion_width_mm": (0, 5)}, r"lesion_width_mm must be .* with 1 <= .* got \(0, 5\)"),
        ({"lesion_depth_mm": (30, 20)}, r"lesion_depth_mm must be .* got \(30, 20\)"),
        ({"look_alikes": (2, 0)}, r"look_alikes must be .* got \(2, 0\)"),
        ({"lesions": (0, 0)}, r"look_alikes \(0, 2\) stand beside lesions: set lesions, got \(0, 0\)"),
        ({"lesions": 3}, "lesions: expected whole numbers such as "),
        ({"lesion_width_mm": (16, 20, 30)}, "lesion_width_mm: expected whole numbers such as "),
        ({"variety": 1.5}, "variety must lie between 0 and 1, got 1.5"),
        ({"lungs_only": "yes"}, "lungs_only: expected true or false, got 'yes'"),
    ],
)
def test_wrong_ranges_are_refused_in_a_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FOCAL.with_options(options)


def test_presets_of_before_say_nothing_of_lesions() -> None:
    for name, preset in PRESETS.items():
        assert bool(LATER & preset.to_dict().keys()) == (name in ("focal", "tiny"))
        assert (preset.lesion_mix is not None) == (name == "focal")


def test_the_demos_hospital_has_many_opacities_among_all_other_findings() -> None:
    tiny = PRESETS["tiny"]
    patients = [tiny.patient(f"P{number:06}", seed=0) for number in range(600)]
    found = [{one.name for one in patient.findings} for patient in patients]
    for name, rate in {"consolidation": 0.3, "ground_glass": 0.3, "nodule": 0.08, "pleural_effusion": 0.17}.items():
        spread = 3 * (rate * (1 - rate) / 600) ** 0.5
        assert np.mean([name in names for names in found]) == pytest.approx(rate, abs=spread)
    assert set.union(*found) == set(FINDINGS)


def test_mixed_is_the_hospital_that_tiny_was_before() -> None:
    mixed = PRESETS["mixed"]
    for number in range(20):
        ours, plain = mixed.patient(f"P{number:06}", seed=3), sample_patient(f"P{number:06}", 3)
        assert (ours.findings, ours.distractors) == (plain.findings, plain.distractors)
        assert ours.anatomy.half_width == plain.anatomy.half_width
    options = mixed.to_dict()
    counts = [options[name] for name in ("train_xray", "train_ct", "validation_paired", "test_paired")]
    assert counts == [3600, 2000, 120, 400]
    assert (options["ct_shape"], options["xray_size"], options["prevalence"]) == ([64, 128, 128], [128, 160], {})


def test_a_hospital_of_an_older_preset_is_what_it_was(tmp_path: Path) -> None:
    """The hash is of the version before lesions had details and the index days. Pixels may differ between CPUs."""
    build_hospital(tmp_path / "h", "micro", seed=5, workers=1, progress=False)
    assert not LATER & json.loads((tmp_path / "h" / "hospital.json").read_text("utf-8"))["options"].keys()
    with (tmp_path / "h" / "index.csv").open(encoding="utf-8", newline="") as file:
        index = [{name: cell for name, cell in row.items() if name != "study_date"} for row in csv.DictReader(file)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(index[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(index)
    reports = [path.read_bytes() for path in sorted((tmp_path / "h" / "reports").iterdir())]
    digest = hashlib.sha256(b"".join([text.getvalue().encode(), *reports])).hexdigest()
    assert digest == "057201e2f2ec1b0d8054cca31664306e502619311d73357836f96d900ed05ed8"
