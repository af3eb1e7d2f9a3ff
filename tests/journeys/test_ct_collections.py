"""CT collections from what was unpacked to a store: volumes of every kind that they ship, with labels and masks."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from unimedi.cli import main
from unimedi.inputs.store import Store

GRID = (24, 16, 20)  # slices, rows, columns
HU = np.random.default_rng(0).integers(-900, 900, GRID).astype(np.int16)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def put_nifti(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels.T), np.diag([-1.0, -1.0, 2.0, 1.0])), path)


def radchestct(root: Path) -> None:
    for part, name in (("train", "trn00001"), ("valid", "val00001"), ("test", "tst00001")):
        table = f"img{part}_Abnormality_and_Location_Labels.csv"
        put(root / table, f"NoteAcc_DEID,nodule*left_upper,mass*left_upper\n{name},1,0\n")
        np.savez_compressed(root / f"{name}.npz", ct=HU[::-1])


def cc_ccii(root: Path) -> None:
    put(root / "unzip_filenames.csv", "zip_file,label,patient_id,scan_id,n_slice\nNCP-1.zip,NCP,1,1300,24\n")
    (root / "NCP/1/1300").mkdir(parents=True)
    for number, plane in enumerate(HU):
        Image.fromarray(((plane + 1000) // 8).astype(np.uint8)).save(root / "NCP/1/1300" / f"{number:04d}.png")


def luna16(root: Path) -> None:
    put(root / "annotations.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2.3,0,0,0,5\n")
    (root / "subset0").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(HU), root / "subset0/1.2.3.mhd")


def btcv(root: Path) -> None:
    put_nifti(root / "RawData/Training/img/img0001.nii.gz", HU)
    organs = np.zeros(GRID, np.uint8)
    organs[3:9, 4:9, 4:9], organs[12:18, 4:9, 4:9] = 6, 11
    put_nifti(root / "RawData/Training/label/label0001.nii.gz", organs)


def msd(root: Path) -> None:
    put_nifti(root / "Task06_Lung/imagesTr/lung_001.nii.gz", HU)
    put_nifti(root / "Task06_Lung/labelsTr/lung_001.nii.gz", (HU > 800).astype(np.uint8))
    listed = {"name": "Lung", "modality": {"0": "CT"}, "labels": {"0": "background", "1": "cancer"}}
    entry = {"image": "./imagesTr/lung_001.nii.gz", "label": "./labelsTr/lung_001.nii.gz"}
    put(root / "Task06_Lung/dataset.json", json.dumps(listed | {"training": [entry]}))


def ct_rate(root: Path) -> None:
    put_nifti(root / "dataset/valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz", HU)
    header = "VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN"
    row = "valid_1_a_1.nii.gz,Cough.,MDCT.,There is a nodule.,A nodule."
    put(root / "dataset/radiology_text_reports/validation_reports.csv", f"{header}\n{row}\n")
    labels = "VolumeName,Lung nodule\nvalid_1_a_1.nii.gz,1\n"
    put(root / "dataset/multi_abnormality_labels/valid_predicted_labels.csv", labels)


@pytest.mark.parametrize("build", [radchestct, cc_ccii, luna16, btcv, msd, ct_rate])
def test_a_collection_becomes_a_store(tmp_path: Path, build: object) -> None:
    name = build.__name__.replace("_", "-")  # type: ignore[attr-defined]
    root, cohort, out = tmp_path / "unpacked", tmp_path / "cohort.csv", tmp_path / "store"
    root.mkdir()
    build(root)  # type: ignore[operator]
    with redirect_stdout(io.StringIO()):
        main(["cohort", name, str(root), "--out", str(cohort)])
        main(["prepare", str(cohort), "--out", str(out), "--config", "tiny", "--workers", "0"])
    store = Store.open(out)
    assert len(store.studies) == {"radchestct": 3}.get(name, 1)
    study, stored = store.studies[0], store.pixels(0)
    labels = {finding for finding, present in study.labels.items() if present}
    assert labels == {
        "radchestct": {"nodule"},
        "cc-ccii": {"covid_19"},
        "luna16": {"nodule"},
        "ct-rate": {"lung_nodule"},
    }.get(name, set())
    # Feet first, front first: the stored slices agree with the true ones, and not with those of a flipped volume.
    depth = [float(np.mean(plane)) for plane in HU]
    here = [float(np.mean(plane[plane > -1024])) for plane in stored]
    there = np.interp(np.linspace(0, 1, len(here)), np.linspace(0, 1, len(depth)), depth)
    assert np.corrcoef(here, there)[0, 1] > 0.9 > np.corrcoef(here[::-1], there)[0, 1]
    if name == "btcv":
        mask = store.mask(0)
        liver, pancreas = (mask >> store.findings.index(organ) & 1 for organ in ("liver", "pancreas"))
        assert np.argwhere(liver)[:, 0].max() < np.argwhere(pancreas)[:, 0].min()
    if name == "ct-rate":
        assert study.report == "A nodule. There is a nodule."
