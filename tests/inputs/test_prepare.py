import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.nifti1 import Nifti1Header
from PIL import Image

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Mask, Modality, Report, Split, Study
from unimedi.inputs.prepare import finding_names, prepare
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.sandbox import Limits
from unimedi.inputs.store import Store, StoreError

POLICY = Preprocess(radiograph_size=(16, 16), hires_shape=(8, 16, 16), volume_shape=(4, 8, 8), slice_size=(16, 16))
RNG = np.random.default_rng(0)
CT = RNG.integers(-1000, 1000, size=(8, 16, 16)).astype(np.int16)


def study(name: str, image: Path, modality: Modality = Modality.DX, **more: object) -> Study:
    about = {"report": Report("FINDINGS: Clear.\nIMPRESSION: Normal."), "split": Split.TRAIN, **more}
    return Study(name, f"patient of {name}", modality, image, **about)  # type: ignore[arg-type]


def nifti(array: np.ndarray, path: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


def cohort(folder: Path) -> list[Study]:
    """Three X-rays, two CTs of which one has a mask, and one of each thing that can be wrong."""
    studies = []
    for k in range(3):
        path = folder / f"x{k}.png"
        Image.fromarray(RNG.integers(0, 255, size=(16, 16)).astype(np.uint8)).save(path)
        studies.append(study(f"x{k}", path, labels={"nodule": None, "normal": True}))
    mask = nifti((CT > 800).astype(np.uint8), folder / "mask.nii.gz")
    path = nifti(CT, folder / "ct.nii.gz")
    studies.append(
        study("ct0", path, Modality.CT, labels={"nodule": True, "normal": False}, masks={"nodule": Mask(mask)})
    )
    studies.append(study("ct1", path, Modality.CT, report=Report("Sin hallazgos en el pulmón.", "es")))
    (folder / "broken.png").write_bytes((folder / "x0.png").read_bytes()[:60])
    small_mask = nifti((CT[:, :8] > 800).astype(np.uint8), folder / "small.nii.gz")
    return [
        *studies,
        study("broken", folder / "broken.png"),
        study("gone", folder / "gone.png"),
        study("wrong", path, Modality.DX),
        study("shifted", nifti(CT + 1024, folder / "shifted.nii"), Modality.CT),
        study("thin", nifti(CT[:3], folder / "thin.nii"), Modality.CT),
        study("mask", path, Modality.CT, masks={"nodule": Mask(small_mask)}),
    ]


REFUSED = {
    "broken": "unreadable",
    "gone": "missing",
    "wrong": "wrong_dimension",
    "shifted": "not_hu",
    "thin": "too_few_slices",
    "mask": "mask_mismatch",
}


def test_good_studies_are_taken_and_bad_ones_listed_with_a_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studies = cohort(tmp_path)
    summary = prepare(studies, tmp_path / "store", POLICY, workers=0, part_size=4)
    store = Store.open(tmp_path / "store", expect=POLICY)
    assert {row["study_id"]: row["reason"] for row in store.refused} == REFUSED
    assert all(row["message"] for row in store.refused)
    assert (summary.listed, summary.taken, len(store)) == (11, 5, 5)
    assert summary.taken + sum(summary.refused.values()) == summary.listed
    assert "1 of 11 reports are not in English" in caplog.text
    assert [s.study_id for s in store.studies] == ["x0", "x1", "x2", "ct0", "ct1"]
    ct = store.studies[3]
    assert (ct.report, ct.labels, ct.spacing) == ("Normal. Clear.", {"nodule": True, "normal": False}, (1.0, 1.0, 1.0))
    assert np.array_equal(store.pixels(3), CT)
    assert np.array_equal(store.mask(3), (CT > 800).astype(np.uint16))  # type: ignore[arg-type]
    assert [store.mask(i) for i in (0, 1, 2, 4)] == [None] * 4


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cohort_of_one_modality_is_fine(tmp_path: Path, ndim: int) -> None:
    studies = [s for s in cohort(tmp_path)[:5] if s.modality.ndim == ndim]
    assert prepare(studies, tmp_path / "store", POLICY, workers=0).refused == {}
    assert Store.open(tmp_path / "store").select(image_kind=ImageKind.of(ndim)) == list(range(len(studies)))


def test_a_cohort_of_which_nothing_can_be_used_says_so_in_numbers(tmp_path: Path) -> None:
    summary = prepare([study("gone", tmp_path / "gone.png")], tmp_path / "store", POLICY, workers=0)
    assert (summary.taken, summary.refused) == (0, {"missing": 1})


def test_finished_parts_are_kept_and_changed_ones_made_anew(tmp_path: Path) -> None:
    studies, out = cohort(tmp_path), tmp_path / "store"
    prepare(studies, out, POLICY, workers=0, part_size=4)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.arrow")}
    fingerprint = Store.open(out).fingerprint

    (out / "part-00001.arrow").unlink()  # as after a kill: one part is not there, and there is no store
    (out / "store.json").unlink()
    assert prepare(studies, out, POLICY, workers=0, part_size=4).kept_parts == 2
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.arrow")}
    assert [name for name in sorted(before) if before[name] != after[name]] == ["part-00001.arrow"]
    assert Store.open(out).fingerprint == fingerprint

    Image.fromarray(RNG.integers(0, 255, size=(20, 20)).astype(np.uint8)).save(tmp_path / "x1.png")
    assert prepare(studies, out, POLICY, workers=0, part_size=4).kept_parts == 2
    assert Store.open(out).fingerprint != fingerprint
    other = Preprocess.from_dict({**POLICY.to_dict(), "radiograph_size": [8, 8]})
    assert prepare(studies, out, other, workers=0, part_size=4).kept_parts == 0


def test_too_many_masked_findings_are_refused_at_once(tmp_path: Path) -> None:
    masks = {f"finding {k}": Mask(tmp_path / "m.nii") for k in range(17)}
    with pytest.raises(StoreError, match="17 findings have masks"):
        finding_names([study("a", tmp_path / "a.nii", Modality.CT, masks=masks)])


def test_masked_findings_get_the_bits_where_there_are_many() -> None:
    labels = {f"finding {k}": None for k in range(20)}
    names = finding_names(
        [study("a", Path("a.nii"), Modality.CT, labels=labels, masks={"finding 19": Mask(Path("m.nii"))})]
    )
    assert names[0] == "finding 19"
    assert len(names) == 20


def test_workers_give_the_same_store_and_outlive_a_file_that_kills_them(tmp_path: Path) -> None:
    """The killer is real: a volume of 1 MB that unpacks to more memory than a worker may have."""
    studies = cohort(tmp_path)
    header = Nifti1Header()
    header.set_data_shape((512, 1024, 1024))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.diag([-1, -1, 1, 1]), 1)
    header["pixdim"][1:4], header["vox_offset"] = 1, 352
    head, block = gzip.compress(header.binaryblock + bytes(4)), gzip.compress(bytes(64 << 20), compresslevel=9)
    (tmp_path / "bomb.nii.gz").write_bytes(head + block * 8)  # members of one gzip file: 512 MiB, as it says
    bomb = study("bomb", tmp_path / "bomb.nii.gz", Modality.CT)
    summary = prepare(
        [*studies[:5], bomb, *studies[5:]],
        tmp_path / "a",
        POLICY,
        workers=2,
        limits=Limits(memory=900 << 20),
        part_size=6,
    )
    rows = json.loads((tmp_path / "a" / "refused.json").read_text())
    assert {row["study_id"]: row["reason"] for row in rows} == {**REFUSED, "bomb": "too_large"}
    assert (summary.listed, summary.taken) == (12, 5)
    prepare(studies, tmp_path / "b", POLICY, workers=0, part_size=3)
    assert Store.open(tmp_path / "a").fingerprint == Store.open(tmp_path / "b").fingerprint
    assert [path.name for path in (tmp_path / "a").glob(".*")] == []


def test_one_value_of_a_label_image_and_boxes_are_masks(tmp_path: Path) -> None:
    labels = (np.arange(CT.size).reshape(CT.shape) % 3).astype(np.uint8)
    organs, x0 = nifti(labels, tmp_path / "organs.nii.gz"), cohort(tmp_path)[0].image
    boxes = ((-3.0, 2.0, 5.0, 4.0), (10.0, 10.0, 100.0, 1.0))
    studies = [
        study("ct", tmp_path / "ct.nii.gz", Modality.CT, masks={"liver": Mask(organs, 2), "spleen": Mask(organs, 1)}),
        study("x", x0, masks={"pneumonia": Mask(boxes=boxes)}),
        study("flat", tmp_path / "ct.nii.gz", Modality.CT, masks={"pneumonia": Mask(boxes=boxes)}),
    ]
    assert prepare(studies, tmp_path / "store", POLICY, workers=0).refused == {"mask_mismatch": 1}
    store = Store.open(tmp_path / "store")
    assert store.findings == ("liver", "spleen", "pneumonia")
    assert np.array_equal(store.mask(0), ((labels == 2) + 2 * (labels == 1)).astype(np.uint16))  # type: ignore[arg-type]
    drawn = np.zeros((16, 16), np.uint16)
    drawn[2:6, 0:2] = drawn[10:11, 10:] = 4
    assert np.array_equal(store.mask(1), drawn)  # type: ignore[arg-type]


def test_too_many_refusals_leave_no_store_but_the_list(tmp_path: Path) -> None:
    studies, out = cohort(tmp_path), tmp_path / "store"
    with pytest.raises(StoreError, match=r"6 of 11 studies refused, 54.5%, where --strict allows 50.0%"):
        prepare(studies, out, POLICY, workers=0, part_size=4, strict=0.5)
    assert {row["study_id"]: row["reason"] for row in json.loads((out / "refused.json").read_text())} == REFUSED
    with pytest.raises(StoreError, match="not finished"):
        Store.open(out)
    summary = prepare(studies, out, POLICY, workers=0, part_size=4, strict=6 / 11)
    assert (summary.kept_parts, len(Store.open(out))) == (3, 5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        prepare(studies, out, POLICY, strict=1.5)


def test_what_was_refused_for_a_limit_is_tried_again_with_another(tmp_path: Path) -> None:
    large = RNG.integers(-1000, 1000, size=(64, 256, 256)).astype(np.int16)
    studies, out = [study("large", nifti(large, tmp_path / "large.nii.gz"), Modality.CT)], tmp_path / "store"
    assert prepare(studies, out, POLICY, workers=1, limits=Limits(memory=1 << 20)).refused == {"too_large": 1}
    again = prepare(studies, out, POLICY, workers=1, limits=Limits(memory=1 << 20))
    assert (again.kept_parts, again.refused) == (1, {"too_large": 1})
    assert prepare(studies, out, POLICY, workers=1).refused == {}


def test_what_was_corrected_in_reading_is_counted_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unimedi.imaging.image import Volume
    from unimedi.inputs import study_record

    volume = Volume(CT, (1.0, 1.0, 1.0), ("tilt_corrected", "localiser_dropped"))
    monkeypatch.setattr(study_record, "read_image", lambda path, series: volume)
    studies = [study(name, tmp_path, Modality.CT) for name in ("a", "b")]
    summary = prepare(studies, tmp_path / "store", POLICY, workers=0)
    assert summary.notes == {"tilt_corrected": 2, "localiser_dropped": 2}
    rows = json.loads((tmp_path / "store" / "notes.json").read_text())
    assert rows[:2] == [{"study_id": "a", "note": "tilt_corrected"}, {"study_id": "a", "note": "localiser_dropped"}]


@pytest.mark.filterwarnings("ignore::UserWarning")  # distributed's own, about ports and diagnostics
def test_a_scheduler_that_runs_already_can_be_used(tmp_path: Path) -> None:
    from distributed import LocalCluster

    studies, quiet = cohort(tmp_path), {"dashboard_address": None, "host": "127.0.0.1", "protocol": "tcp"}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **quiet) as cluster:
        summary = prepare(studies, tmp_path / "store", POLICY, scheduler=cluster.scheduler_address, part_size=6)
    assert (summary.taken, len(Store.open(tmp_path / "store"))) == (5, 5)
