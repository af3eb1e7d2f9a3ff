"""A folder as people have it: real files of several packages, own images and texts, discs, junk, links."""

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image

from unimedi.phantom.files import Header, write_dicom_series

ENGLISH = "FINDINGS: Large right pleural effusion. No pneumothorax.\nIMPRESSION: Effusion, {}."
GERMAN = "Befund: Großer Pleuraerguss rechts, kein Pneumothorax. Beurteilung: Erguss, {}."
SPANISH = "Hallazgos: Nódulo pulmonar en el lóbulo superior izquierdo. Impresión: Nódulo, {}."
FRENCH = "Résultats : épanchement pleural de grande abondance à droite. Conclusion : épanchement, {}."
JUNK = ("README.md", "LICENSE", "Thumbs.db", ".DS_Store", "__MACOSX/._a.png", "Viewer/viewer.exe", "Briefe/Notiz.docx")
NIBABEL = (
    *("anatomical.nii", "functional.nii", "example_nifti2.nii.gz", "example4d.nii.gz", "standard.nii.gz", "nifti1.hdr"),
    *("analyze.hdr", "T2.PAR", "phantom_truncated.REC", "minc1_1_scale.mnc", "minc2_1_scale.mnc", "simple.trk"),
    *("0.dcm", "1.dcm", "README.rst", "scaled+tlrc.HEAD", "resampled_anat_moved.nii"),
)


def build(root: Path) -> Path:
    """Fill ``root``; returns a folder beside it that a link leads to."""
    _shipped(root)
    _pictures(root)
    _series(root / "CT Müller 1", "m1", GERMAN.format("Müller").encode("utf-16"))
    _series(root / "Patient 2" / "CT thorax", "p2", SPANISH.format("nuevo").encode("cp1252"))
    _side_by_side(root / "Archiv")
    for name in JUNK:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PK\x03\x04 no image" if name.endswith("docx") else b"no image")
    (root / "leer.png").touch()
    (root / "cut.jpg").write_bytes((root / "Röntgen Süd" / "a.jpg").read_bytes()[:300])
    (root / "report.pdf").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3")
    (root / "reports.csv").write_text("image,report\na.png,Clear.\n")
    outside = root.parent / "outside"
    outside.mkdir()
    _picture(outside / "secret.png", 9)
    for name, target in (("away", outside), ("again", root / "Patient 2"), ("loop", root), ("gone", root / "nowhere")):
        (root / name).symlink_to(target)
    return outside


def _shipped(root: Path) -> None:
    data = Path(pydicom.__file__).parent / "data" / "test_files"
    shutil.copytree(data, root / "pydicom")
    (root / "pydicom" / "dicomdirtests" / "77654033" / "CR1" / "Befund.txt").write_text(ENGLISH.format("old"))
    samples = Path(nibabel.__file__).parent / "tests" / "data"
    (root / "nibabel").mkdir()
    for name in NIBABEL:
        if (samples / name).is_file():
            shutil.copy(samples / name, root / "nibabel" / name)
    (root / "nibabel" / "anatomical.txt").write_text(ENGLISH.format("new"))


def _picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(seed)
    Image.fromarray(draws.integers(0, 255, (48, 40)).astype(np.uint8)).save(path)


def _pictures(root: Path) -> None:
    """X-rays with texts of every kind beside them; two without, one text without an image."""
    texts = {
        "a.jpg": ("a.txt", ENGLISH.format("one").encode()),
        "Aufnahme 2.PNG": ("Aufnahme 2.TXT", GERMAN.format("größer").encode("cp1252")),
        "ñ.png": ("ñ.html", f"<html><body><p>{SPANISH.format('x')}</p></body></html>".encode()),
        "d.tif": ("d.rtf", rb"{\rtf1\ansi\deff0 {\fonttbl {\f0 Arial;}} FINDINGS: Clear lungs. No effusion.\par}"),
        "é 1.png": ("é 1.txt", FRENCH.format("ancien").encode("utf-8-sig")),
        "binary.png": ("binary.txt", bytes(range(256)) * 4),
        "empty.png": ("empty.txt", b"\n"),
    }
    for seed, (image, (text, data)) in enumerate(texts.items()):
        _picture(root / "Röntgen Süd" / image, seed)
        (root / "Röntgen Süd" / text).write_bytes(data)
    _picture(root / "Röntgen Süd" / "without.png", 20)
    _picture(root / "p 3" / "only one.png", 21)
    (root / "Röntgen Süd" / "nobody's.txt").write_text(ENGLISH.format("nobody"))
    shutil.copy(root / "Röntgen Süd" / "a.jpg", root / "p 3" / "a copy.jpg")


def _series(folder: Path, patient: str, report: bytes) -> None:
    draws = np.random.default_rng(len(patient))
    voxels = np.full((12, 32, 32), -1000, np.int16)
    voxels[:, 4:-4, 4:-4] = draws.integers(-60, 80, (12, 24, 24))
    write_dicom_series(folder, voxels, (5.0, 8.0, 8.0), Header(patient, f"{patient}-1", "CT", "F", 60))
    (folder / "report.txt").write_bytes(report)


def _side_by_side(root: Path) -> None:
    for number in range(4):
        _picture(root / "images" / f"study {number}.png", 30 + number)
        (root / "reports").mkdir(exist_ok=True)
        (root / "reports" / f"study {number}.txt").write_text(ENGLISH.format(number))


def files_under(root: Path) -> list[str]:
    """Every file and link under a folder by its path from there; links are not followed."""
    found = []
    for where, folders, names in os.walk(root):
        linked = [name for name in folders if Path(where, name).is_symlink()]
        found += [os.path.relpath(os.path.join(where, name), root) for name in (*names, *linked)]
    return sorted(found)
