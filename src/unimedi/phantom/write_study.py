"""One study of a phantom patient: rendered, and written in the format that was planned for it."""

from pathlib import Path
from random import Random

from unimedi.cohort.study import Modality
from unimedi.phantom import files
from unimedi.phantom.ct import render_ct
from unimedi.phantom.painting.distractors import DISTRACTOR, distractor_mask
from unimedi.phantom.patient.patient import Patient
from unimedi.phantom.planning import StudyPlan
from unimedi.phantom.presets import HospitalPreset
from unimedi.phantom.xray import render_xray


def write_study(out: Path, patient: Patient, plan: StudyPlan, preset: HospitalPreset) -> dict[str, str]:
    """Write image and masks; returns the columns ``image`` and ``mask:<finding>`` of the index, paths under ``out``."""
    folder = out / "patients" / patient.patient_id / plan.study_id
    folder.mkdir(parents=True, exist_ok=True)
    header = files.Header(patient.patient_id, plan.study_id, plan.modality.value, patient.sex, patient.age, plan.view)
    if plan.modality == Modality.CT:
        image, masks = _write_ct(out, folder, patient, plan, header, preset)
    else:
        image, masks = _write_xray(out, folder, patient, plan, header)
    row = {"image": image.relative_to(out).as_posix()}
    return row | {f"mask:{name}": path.relative_to(out).as_posix() for name, path in masks.items()}


def _write_ct(
    out: Path, folder: Path, patient: Patient, plan: StudyPlan, header: files.Header, preset: HospitalPreset
) -> tuple[Path, dict[str, Path]]:
    scan = render_ct(patient, preset.ct_shape, preset.lungs_only)
    orientation = Random(plan.study_id).choice(files.ORIENTATIONS) if plan.reoriented else "LPS"
    if plan.format == "DICOM":
        image = folder / "series"
        files.write_dicom_series(image, scan.voxels, scan.spacing, header)
    else:
        image = folder / ("image.nii.gz" if plan.gzip else "image.nii")
        files.write_nifti(image, scan.voxels, scan.spacing, orientation)
    masks = scan.masks | ({DISTRACTOR: distractor_mask(patient.distractors, scan.grid)} if plan.distractors else {})
    shown = {name: mask for name, mask in masks.items() if plan.masks and mask.any()}
    return image, files.write_masks(out / "masks" / plan.study_id, shown, scan.spacing, orientation)


def _write_xray(
    out: Path, folder: Path, patient: Patient, plan: StudyPlan, header: files.Header
) -> tuple[Path, dict[str, Path]]:
    scan = render_xray(patient, plan.view or "PA", plan.size, plan.masks)
    if plan.format == "PNG":
        image = folder / "image.png"
        files.write_png(image, scan.pixels)
    elif plan.format == "JPEG":
        image = folder / "image.jpg"
        files.write_jpeg(image, scan.pixels)
    else:
        image = folder / "image.dcm"
        files.write_dicom_xray(image, scan.pixels, scan.spacing, header, plan.monochrome1)
    shown = {name: mask for name, mask in scan.masks.items() if mask.any()}
    return image, files.write_masks(out / "masks" / plan.study_id, shown, scan.spacing)
