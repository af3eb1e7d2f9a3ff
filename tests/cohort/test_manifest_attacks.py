"""Manifests written to do harm, or by a careless tool: each is refused in a sentence, or means what it says."""

import csv
import io
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from unimedi.cohort.manifest import ManifestError, read_manifest

ROW = {"study_id": "s1", "patient_id": "p1", "modality": "DX", "split": "train", "image": "x.png", "report": "Clear."}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cohort's folder with a secret beside it, and links that lead out of it."""
    (tmp_path / "secret.txt").write_text("Secret.")
    folder = tmp_path / "cohort"
    (folder / "sub").mkdir(parents=True)
    (folder / "x.png").write_bytes(b"x")
    (folder / "report.txt").write_text("Clear.")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "out").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe.txt")
    return folder


def table(*rows: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def with_(**change: str) -> bytes:
    return table({**ROW, **change})


def by_path(path: str) -> bytes:
    return table({**ROW, "report": "", "report_path": path})


OUTSIDE, ABSENT = "inside it", "does not exist"
REFUSED: dict[str, tuple[bytes, str]] = {
    "image up the tree": (with_(image="../secret.txt"), OUTSIDE),
    "image up the tree, later": (with_(image="sub/../../secret.txt"), OUTSIDE),
    "image up the tree, as in Windows": (with_(image="..\\secret.txt"), OUTSIDE),
    "absolute image": (with_(image="/etc/passwd"), OUTSIDE),
    "image through a link that leads out": (with_(image="out.txt"), OUTSIDE),
    "image in a linked folder": (with_(image="out/secret.txt"), OUTSIDE),
    "image that is a link to itself": (with_(image="loop"), ABSENT),
    "image of a drive": (with_(image="C:\\x.png"), "a drive or a share of Windows"),
    "image of a home": (with_(image="~/x.png"), ABSENT),
    "image from the network": (with_(image="s3://bucket/x.png"), "is an address"),
    "image with NUL": (with_(image="x.png\0.txt"), "NUL"),
    "name of 5,000 letters": (with_(image="x" * 5000), ABSENT),
    "image that is a pipe": (with_(image="pipe.txt"), "neither a file nor a folder"),
    "report up the tree": (by_path("../secret.txt"), OUTSIDE),
    "absolute report": (by_path("/etc/passwd"), OUTSIDE),
    "report through a link that leads out": (by_path("out.txt"), OUTSIDE),
    "report that is a pipe": (by_path("pipe.txt"), "is not a file"),
    "report that is a folder": (by_path("sub"), "is not a file"),
    "report with NUL": (by_path("report.txt\0"), "NUL"),
    "mask up the tree": (with_(**{"mask:nodule": "../secret.txt"}), OUTSIDE),
    "mask through a link that leads out": (with_(**{"mask:nodule": "out.txt#3"}), OUTSIDE),
    "a million boxes of nothing": (with_(**{"mask:nodule": "boxes:" + ";" * 1000000}), "expected boxes:"),
    "boxes of no number": (with_(**{"mask:nodule": "boxes:nan,nan,nan,nan"}), "expected boxes:"),
    "nothing": (b"", "is missing"),
    "a header alone": (b"study_id,patient_id,modality,split,image,report\n", "no studies"),
    "a column twice": (b"study_id,image,patient_id,modality,split,image,report\ns,x.png,p,DX,train,y.png,r\n", "twice"),
    "binary": (bytes(range(256)) * 9, "cannot be read"),
    "a quote that never closes": (with_().replace(b"Clear.", b'"Clear.'), "a quote opens a text and never closes"),
    "a quote that closes below": (
        with_().replace(b"Clear.", b'"Clear.') + with_(report="Clear, both."),
        "a quote within",
    ),
    "too few values": (with_().replace(b",Clear.", b""), "5 values for 6 columns"),
    "an unknown modality": (with_(modality="DX; DROP TABLE"), "unknown modality"),
    "ids that clash": (table(ROW, ROW), "duplicate study_id"),
    "a patient in two splits": (table(ROW, {**ROW, "study_id": "s2", "split": "test"}), "belongs to one split"),
    "a label beyond 0 and 1": (with_(**{"label:nodule": "2"}), "expected 1, 0 or empty"),
    "too many values": (with_().replace(b"Clear.", b"Clear, not"), "values for 6 columns"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_is_refused_in_a_sentence(root: Path, name: str) -> None:
    content, expected = REFUSED[name]
    (root / "m.csv").write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        read_manifest(root / "m.csv")
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 20_000
    assert "Secret" not in str(caught.value)


HARMLESS: dict[str, tuple[bytes, str]] = {
    "a byte-order mark": (b"\xef\xbb\xbf" + with_(), "Clear."),
    "UTF-16": (with_().decode().encode("utf-16"), "Clear."),
    "UTF-32": (with_().decode().encode("utf-32"), "Clear."),
    "a code page": (with_(report="Nódulo.").decode().encode("cp1252"), "Nódulo."),
    "a formula": (with_(report="=HYPERLINK(evil)"), "=HYPERLINK(evil)"),
    "lines of an old Mac": (with_().replace(b"\r\n", b"\r"), "Clear."),
    "a report of 10 MB": (with_(report="Clear. " * 1_500_000), ("Clear. " * 1_500_000).strip()),
    "line breaks in a report": (with_(report="FINDINGS:\n\nClear."), "FINDINGS:\n\nClear."),
    "blank lines": (b"\r\n\r\n" + with_() + b"\r\n\r\n", "Clear."),
    "10,000 other columns": (table({**ROW, **{f"c{k}": "" for k in range(10_000)}}), "Clear."),
    "a report's text from a file": (by_path("report.txt"), "Clear."),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_odd_means_what_it_says(root: Path, name: str) -> None:
    content, report = HARMLESS[name]
    (root / "m.csv").write_bytes(content)
    (study,) = read_manifest(root / "m.csv")
    assert study.report.text == report
    assert study.image == root / "x.png"


def _nested(path: Path) -> None:
    parquet.write_table(pa.table({**{k: [v] for k, v in ROW.items()}, "image": [["x.png"]]}), path)


def _bomb(path: Path) -> None:
    """400 MB of one letter in a few kB."""
    parquet.write_table(pa.table({**{k: [v] for k, v in ROW.items()}, "report": ["x" * (400 << 20)]}), path, "2.6")


ODD_PARQUET: dict[str, Callable[[Path], object]] = {
    "no Parquet": lambda path: path.write_bytes(b"PAR1 is not enough PAR1"),
    "cut short": lambda path: (parquet.write_table(pa.table({"a": [1]}), path), os.truncate(path, 40)),
    "lists in place of text": _nested,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", ODD_PARQUET)
def test_odd_parquet_is_refused(root: Path, name: str) -> None:
    ODD_PARQUET[name](root / "m.parquet")
    with pytest.raises(ManifestError):
        read_manifest(root / "m.parquet")


@pytest.mark.parametrize("count", [5_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_many_bad_rows_are_reported_shortly(root: Path, count: int) -> None:
    rows = [{**ROW, "study_id": f"s{k}", "image": "../" * 9 + "x", "modality": "?"} for k in range(count)]
    (root / "m.csv").write_bytes(table(*rows))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ManifestError, match=f"{2 * count} problems") as caught:
        read_manifest(root / "m.csv")
    assert len(str(caught.value)) < 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18  # KiB: 256 MiB
