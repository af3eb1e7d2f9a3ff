"""Paths as people and their systems write them, against a folder of real files."""

import unicodedata
from pathlib import Path

import pytest

from unimedi.files.listed_path import ListedPaths, PathError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "p1/img.dcm",
        "IMG.PNG",
        "Röntgen Süd/Aufnahme 1.png",
        "both/a.png",
        "both/A.PNG",
        "literal\\name.png",
        "T: 1/a.png",
    ):
        path = tmp_path / "root" / unicodedata.normalize("NFC", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "root" / unicodedata.normalize("NFD", "Über.png")).write_bytes(b"x")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.png").write_bytes(b"x")
    (tmp_path / "root" / "away").symlink_to(tmp_path / "secret")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("p1/img.dcm", "p1/img.dcm"),
        ("p1\\img.dcm", "p1/img.dcm"),
        (".\\p1\\img.dcm", "p1/img.dcm"),
        ("./p1//img.dcm", "p1/img.dcm"),
        ("P1/Img.DCM", "p1/img.dcm"),
        ("P1\\IMG.dcm", "p1/img.dcm"),
        ("img.png", "IMG.PNG"),
        ("Röntgen Süd/Aufnahme 1.png", "Röntgen Süd/Aufnahme 1.png"),
        (unicodedata.normalize("NFD", "Röntgen Süd/Aufnahme 1.png"), "Röntgen Süd/Aufnahme 1.png"),
        ("RÖNTGEN SÜD\\AUFNAHME 1.PNG", "Röntgen Süd/Aufnahme 1.png"),
        ("Über.png", unicodedata.normalize("NFD", "Über.png")),
        ("both/a.png", "both/a.png"),
        ("both/A.PNG", "both/A.PNG"),
        ("literal\\name.png", "literal\\name.png"),
        ("T: 1/a.png", "T: 1/a.png"),
        ("p1", "p1"),
    ],
)
def test_a_file_is_found_in_any_spelling(root: Path, value: str, name: str) -> None:
    assert ListedPaths(root).find(value) == root / name


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("C:\\data\\img.dcm", "drive or a share of Windows"),
        ("C:img.dcm", "drive or a share of Windows"),
        ("d:/data/img.dcm", "drive or a share of Windows"),
        ("\\\\server\\share\\img.dcm", "drive or a share of Windows"),
        ("//server/share/img.dcm", "drive or a share of Windows"),
        ("s3://bucket/img.dcm", "an address"),
        ("gs://bucket/img.dcm", "an address"),
        ("file:///img.dcm", "an address"),
        ("/etc/hostname", "outside the root"),
        ("../secret/x.png", "outside the root"),
        ("p1\\..\\..\\secret\\x.png", "outside the root"),
        ("away/x.png", "outside the root"),
        ("AWAY/X.PNG", "outside the root"),
        ("both/A.png", "could be any of"),
        ("p1/img", "is not there"),
        ("p1/img.dcm/x", "is not there"),
        ("p2/img.dcm", "is not there"),
        ("R%C3%B6ntgen S%C3%BCd/Aufnahme 1.png", "is not there"),
        ("x" * 5000, "is not there"),
        ("a\0b", "NUL"),
    ],
)
def test_what_leads_nowhere_is_refused_with_the_reason(root: Path, value: str, reason: str) -> None:
    with pytest.raises(PathError) as caught:
        ListedPaths(root).find(value)
    assert reason in caught.value.reason
    assert str(caught.value).startswith(repr(value[:80]))
