"""Files and folders into a table: each image once, and every other file in the list beside it, with the reason."""

import csv
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from tests.hospital import write_pretrained
from unimedi.cli import main
from unimedi.representation.embed_files import NothingEmbeddedError, embed_files
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import read_table

DRAWS = np.random.default_rng(0)
GREY = DRAWS.integers(0, 255, (48, 40)).astype(np.uint8)
HU = DRAWS.normal(-300, 300, (10, 24, 24)).clip(-1000, 900).astype(np.int16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


def picture(path: Path, pixels: np.ndarray = GREY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def nifti(path: Path, array: np.ndarray = HU) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1, -1, 3, 1.0])), path)
    return path


def dicom(path: Path, pixels: np.ndarray, modality: str, **tags: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kind = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    image = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = meta.MediaStorageSOPClassUID = kind
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    image.Modality, image.PatientID, image.PatientName, image.StudyID = modality, "p1", "", "1"
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=[modality])
    image.StudyDate, image.StudyTime, image.SeriesNumber, image.AccessionNumber = "20200101", "120000", 1, "1"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    for name, value in tags.items():
        setattr(image, name, value)
    image.PixelData = pixels.astype(np.uint16).tobytes()
    image.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path) -> Path:
    for number, plane in enumerate(HU + 1024):
        about = {"ImagePositionPatient": [0, 0, 2 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        scale = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [1, 1], "InstanceNumber": number + 1}
        dicom(folder / f"s{number}", plane, "CT", **about, **scale)
    return folder


def listed(out: Path) -> dict[str, str]:
    with out.with_suffix(".skipped.csv").open(newline="", encoding="utf-8") as file:
        return {row["what"]: row["reason"] for row in csv.DictReader(file)}


def test_files_become_a_table_and_the_unreadable_are_listed(model: Path, tmp_path: Path) -> None:
    good = [picture(tmp_path / f"{name}.png", GREY[::step]) for name, step in (("a", 1), ("b", -1))]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    out = tmp_path / "embeddings.parquet"
    table, left_out = embed_files([good[0], bad, good[1]], model, out)
    assert table.study_ids == tuple(str(path) for path in good)
    assert [(one.what, one.reason.split(":")[0]) for one in left_out.skipped] == [(str(bad), "unreadable")]
    assert listed(out).keys() == {str(bad)}
    back = read_table(out)
    assert back.study_ids == table.study_ids
    assert back.modalities == ("DX", "DX")
    np.testing.assert_array_equal(back.embedding, table.embedding)
    assert back.model == Embedder.from_pretrained(model).fingerprint


def test_a_batch_is_what_its_images_are_alone(model: Path, tmp_path: Path) -> None:
    files = [picture(tmp_path / "a.png"), nifti(tmp_path / "b.nii"), picture(tmp_path / "c.png", GREY.T)]
    table, _ = embed_files(files, model, tmp_path / "all.parquet", batch_size=2)
    assert table.modalities == ("DX", "CT", "DX")
    for row, path in zip(table.embedding, files, strict=True):
        alone, _ = embed_files([path], model, tmp_path / "one.parquet")
        np.testing.assert_allclose(row, alone.embedding[0], atol=1e-5)


def test_nothing_is_left_out_without_a_line(model: Path, tmp_path: Path) -> None:
    """A folder as people have them: every file is an image of the table, part of one, or in the list."""
    root = tmp_path / "Bilder für mich"
    images = {
        picture(root / "p1" / "thorax.PNG"): "",
        picture(root / "p1" / "tiefer" / "a.jpg", GREY[::-1]): "",
        nifti(root / "ct.nii.gz"): "",
        dicom(root / "p2" / "x", GREY.astype(np.uint16), "DX", ViewPosition="PA"): "",
        series(root / "p2" / "ct"): "",
    }
    left_out = {
        nifti(root / "mask.nii.gz", (HU > 0).astype(np.uint8)): "not_hu: values from 0 to 1",
        nifti(root / "scaled.nii", ((HU + 1000) / 2000).astype(np.float32)): "not_hu: values from 0 to 1",
        nifti(root / "pet.nii", np.abs(HU).astype(np.float32)): "not_hu: values from 0 to",
        picture(root / "p1" / "lesion.png", np.kron(np.eye(2), np.full((24, 20), 255)).astype(np.uint8)): "label_image",
        picture(root / "p1" / "black.png", np.zeros_like(GREY)): "constant",
        dicom(root / "p2" / "side", GREY.astype(np.uint16), "DX", ViewPosition="LATERAL"): "not frontal",
        dicom(root / "p2" / "ultrasound", GREY.astype(np.uint16), "PT"): "modality PT",
        root / "p1" / "notes.txt": "not an image",
        root / "p1" / "letter.pdf": "not an image but a document: a report is .txt, .rtf or .html",
        root / "p1" / "broken.png": "unreadable",
        root / "p1" / ".hidden.png": "a hidden file",
        root / "p1" / "copy.PNG": "a copy of",
        root / "elsewhere": "a linked folder outside the root",
    }
    for name in ("notes.txt", "letter.pdf", "broken.png", ".hidden.png"):
        (root / "p1" / name).write_text("no image")
    (root / "p1" / "copy.PNG").symlink_to(root / "p1" / "thorax.PNG")
    (tmp_path / "other").mkdir()
    (root / "elsewhere").symlink_to(tmp_path / "other")
    out = tmp_path / "e.parquet"
    table, _ = embed_files([root], model, out)
    either = {str(root / "p1" / "copy.PNG"), str(root / "p1" / "thorax.PNG")}  # the same picture: one of them
    assert set(table.study_ids) - either == {str(path) for path in images} - either
    assert len(either & set(table.study_ids)) == 1
    reasons = listed(out)
    assert set(reasons) - either == {str(path) for path in left_out} - either
    for path, reason in left_out.items():
        if str(path) not in either:
            assert reasons[str(path)].startswith(reason)


def test_a_series_comes_once_beside_its_index_and_by_its_index_alone(model: Path, tmp_path: Path) -> None:
    disc = FileSet()
    for path in sorted(series(tmp_path / "export").iterdir()):
        disc.add(path)
    disc.write(tmp_path / "disc")
    index, out = tmp_path / "disc" / "DICOMDIR", tmp_path / "e.parquet"
    for given in ([tmp_path / "disc"], [tmp_path / "disc", index], [index, tmp_path / "disc"]):
        table, _ = embed_files(given, model, out)
        assert table.modalities == ("CT",)
        assert "index" in listed(out)[str(index)]
    alone, left_out = embed_files([index], model, out)
    assert alone.study_ids == (str(index),)
    assert left_out.skipped == []
    np.testing.assert_array_equal(alone.embedding, table.embedding)


def test_a_folder_that_is_a_series_is_one_image_however_it_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = series(tmp_path / "ct"), tmp_path / "e.parquet"
    assert embed_files([folder], model, out)[0].study_ids == (str(folder),)
    assert embed_files([folder, tmp_path / "ct" / ".." / "ct"], model, out)[0].study_ids == (str(folder),)
    monkeypatch.chdir(folder)
    assert embed_files([Path()], model, out)[0].study_ids == (".",)


def test_other_series_of_a_folder_are_named(model: Path, tmp_path: Path) -> None:
    folder, out = series(tmp_path / "ct"), tmp_path / "e.parquet"
    for path in sorted(series(tmp_path / "second").iterdir())[:5]:
        shutil.copy(path, folder / f"again{path.name}")
    other = generate_uid(entropy_srcs=["other"])
    import pydicom

    for path in folder.glob("again*"):
        image = pydicom.dcmread(path)
        image.SeriesInstanceUID = other
        image.save_as(path)
    assert len(embed_files([folder], model, out)[0]) == 1
    assert listed(out)[str(folder)].startswith("other series of this folder")


def test_what_a_person_names_is_taken_as_it_is(model: Path, tmp_path: Path) -> None:
    side = dicom(tmp_path / "side.dcm", GREY.astype(np.uint16), "DX", ViewPosition="LATERAL")
    assert len(embed_files([side], model, tmp_path / "e.parquet")[0]) == 1


def test_where_nothing_is_embedded_there_is_a_list_and_no_table(model: Path, tmp_path: Path) -> None:
    mask, out = nifti(tmp_path / "in" / "mask.nii", (HU > 0).astype(np.uint8)), tmp_path / "e.parquet"
    with pytest.raises(NothingEmbeddedError, match=r"(?s)at least one image.*1 not_hu.*mask\.nii"):
        embed_files([mask.parent], model, out)
    assert not out.exists()
    assert listed(out)[str(mask)].startswith("not_hu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingEmbeddedError, match="there is no file"):
        embed_files([tmp_path / "empty"], model, out)
    assert listed(out) == {}
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        embed_files([tmp_path / "elsewhere"], model, out)


def test_the_command_counts_what_it_left_out(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        nifti(tmp_path / "in" / f"mask{number}.nii", (number < HU).astype(np.uint8))
    nifti(tmp_path / "in" / "ct.nii")
    out = tmp_path / "e.parquet"
    assert main(["embed", str(tmp_path / "in"), "--model", str(model), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"1 embeddings in {out}\n"
    assert "12 left out (12 not_hu):\n" in said.err
    assert said.err.count(".nii: not_hu: ") == 10
    assert said.err.endswith(f"all of them: {tmp_path / 'e.skipped.csv'}\n")
