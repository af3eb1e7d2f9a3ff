"""A PACS in forty lines on loopback: paging, what is fetched again, what is refused, how often it is asked."""

import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.test_dicom import CT, XRAY, dataset
from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.sources.dicom import dicomweb
from unimedi.cohort.sources.dicom.dicomweb import TOKEN, pull
from unimedi.cohort.sources.dicom.report import Document, read_document
from unimedi.cohort.sources.source_cohort import SourceError
from unimedi.imaging.image import Volume
from unimedi.imaging.read import read_image


def report(study: str) -> Dataset:
    """A structured report with a finding and a conclusion."""
    made = dataset(XRAY, "SR", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.9", PatientID="Doe")
    for name in ("PixelData", "Rows", "Columns"):
        del made[name]
    items = []
    for meaning, text in (("Finding", "Nodule on the left."), ("Conclusion", "Nodule.")):
        name, item = Dataset(), Dataset()
        name.CodeMeaning, item.TextValue, item.ValueType = meaning, text, "TEXT"
        item.ConceptNameCodeSequence = Sequence([name])
        items.append(item)
    made.ContentSequence = Sequence(items)
    return made


def archive(studies: int) -> dict[str, dict[str, list[Dataset]]]:
    """Studies of one X-ray each; the first has a CT, a report and a key object too."""
    held: dict[str, dict[str, list[Dataset]]] = {}
    for k in range(studies):
        uid = f"1.2.{k + 1}"
        about = {"StudyInstanceUID": uid, "PatientID": "Doe", "SeriesInstanceUID": f"{uid}.1"}
        held[uid] = {f"{uid}.1": [dataset(XRAY, "DX", SOPInstanceUID=f"{uid}.1.1", ViewPosition="PA", **about)]}
    slices = []
    for k, plane in enumerate(CT):
        place = {"ImagePositionPatient": [0, 0, 5.0 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        values = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [3.0, 2.0], "PatientID": "Doe"}
        uids = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.2", "SOPInstanceUID": f"1.2.1.2.{k + 1}"}
        slices.append(dataset((plane + 1024).astype(np.int16), "CT", **place, **values, **uids))
    held["1.2.1"] |= {"1.2.1.2": slices, "1.2.1.9": [report("1.2.1")]}
    held["1.2.1"]["1.2.1.8"] = [dataset(XRAY, "KO", StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.8")]
    return held


class Pacs(ThreadingHTTPServer):
    """Speaks as much of QIDO-RS and WADO-RS as is asked of it."""

    def __init__(self, studies: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.held = archive(studies)
        self.now = lambda: 0.0
        self.asked: list[tuple[float, str]] = []  # when, what
        self.headers: list[str] = []
        self.busy = 0  # answers of 503 still to give
        self.ignores_offset = False
        self.loses: set[str] = set()  # series of which the last file does not come

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/dicom-web"

    def fetched(self) -> list[str]:
        """Series that were retrieved, in order."""
        paths = [urlsplit(path).path.split("/") for _, path in self.asked]
        return [parts[-1] for parts in paths if parts[-2] == "series"]


class Answer(BaseHTTPRequestHandler):
    server: Pacs

    def do_GET(self) -> None:
        pacs, parts = self.server, urlsplit(self.path).path.strip("/").split("/")[1:]
        pacs.asked.append((pacs.now(), self.path))
        pacs.headers.append(self.headers.get("Authorization", ""))
        if pacs.busy:
            pacs.busy -= 1
            self.send_response(503)
            self.end_headers()
        elif parts == ["studies"]:
            query = parse_qs(urlsplit(self.path).query)
            limit, offset = int(query["limit"][0]), 0 if pacs.ignores_offset else int(query["offset"][0])
            self.json([self.study(uid) for uid in list(pacs.held)[offset : offset + min(limit, 4)]])
        elif parts[2:] == ["series"]:
            self.json([self.series(parts[1], uid) for uid in pacs.held[parts[1]]])
        else:
            self.multipart(pacs.held[parts[1]][parts[3]][: -1 if parts[3] in pacs.loses else None])

    def study(self, uid: str) -> dict[str, object]:
        return {"0020000D": {"vr": "UI", "Value": [uid]}, "00100020": {"vr": "LO", "Value": ["Doe"]}}

    def series(self, study: str, uid: str) -> dict[str, object]:
        files = self.server.held[study][uid]
        values = {"0020000E": ("UI", uid), "00080060": ("CS", files[0].Modality), "00201209": ("IS", len(files))}
        return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items()}

    def json(self, value: object) -> None:
        self.send(json.dumps(value).encode(), "application/dicom+json")

    def multipart(self, files: list[Dataset]) -> None:
        body = b""
        for file in files:
            content = io.BytesIO()
            file.save_as(content, enforce_file_format=True)
            body += b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + content.getvalue() + b"\r\n"
        self.send(body + b"--edge--\r\n", 'multipart/related; type="application/dicom"; boundary=edge')

    def send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:
        pass


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    server = Pacs(studies=10)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


FAST = 1000.0  # requests a second


def test_all_pages_are_pulled_and_nothing_twice(pacs: Pacs, tmp_path: Path) -> None:
    done = pull(pacs.url, tmp_path, {"ModalitiesInStudy": "DX"}, FAST)
    assert (done.series, done.kept) == (12, 0)
    assert [skipped.reason for skipped in done.skipped] == ["series of modality KO"]
    assert len(pacs.fetched()) == 12
    folder = next(tmp_path.glob("*/1.2.1/1.2.1.2"))
    assert "Doe" not in str(folder)
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    again = pull(pacs.url, tmp_path, {}, FAST)
    assert (again.series, again.kept) == (12, 12)
    assert len(pacs.fetched()) == 12


def test_a_server_that_ignores_the_offset_does_not_loop(pacs: Pacs, tmp_path: Path) -> None:
    pacs.ignores_offset = True
    assert pull(pacs.url, tmp_path, {}, FAST).series == 4 + 2  # the first page: all that it will give


def test_what_was_interrupted_is_fetched_anew(pacs: Pacs, tmp_path: Path) -> None:
    def stop(text: str) -> None:
        if text.startswith("study 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(pacs.url, tmp_path, {}, FAST, stop)
    before = pacs.fetched()
    part = next(tmp_path.glob("*/1.2.1")) / ".1.2.1.2.partial"  # and as when it was killed in the middle of a series
    next(tmp_path.glob("*/1.2.1/1.2.1.2")).rename(part)
    done = pull(pacs.url, tmp_path, {}, FAST)
    assert (done.series, done.kept) == (12, len(before) - 1)
    assert pacs.fetched()[len(before) :][0] == "1.2.1.2"
    assert list(tmp_path.rglob(".*")) == []


def test_a_series_that_does_not_come_whole_is_listed_and_not_kept(pacs: Pacs, tmp_path: Path) -> None:
    pacs.loses = {"1.2.1.2"}
    done = pull(pacs.url, tmp_path, {}, FAST)
    assert {skipped.what: skipped.reason for skipped in done.skipped}["1.2.1.2"] == "incomplete: 5 of 6 files came"
    assert list(tmp_path.glob("*/1.2.1/1.2.1.2")) == []
    pacs.loses = set()
    assert pull(pacs.url, tmp_path, {}, FAST).kept == 11


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_requests_are_spaced_and_a_busy_server_is_waited_for(
    pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(dicomweb, "time", clock)
    pacs.now = clock.monotonic
    pacs.held = {"1.2.2": pacs.held["1.2.2"]}
    pacs.busy = 1
    pull(pacs.url, tmp_path, {}, per_second=10.0)
    moments = [moment for moment, _ in pacs.asked]
    assert moments == pytest.approx([1000.0, 1000.1, 1000.2, 1000.3, 1000.4])  # busy, studies, their end, series, files


def test_the_token_comes_from_the_environment(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    pull(pacs.url, tmp_path, {}, FAST)
    assert set(pacs.headers) == {"Bearer secret"}


def test_what_cannot_be_had_is_said(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # five attempts take half a minute
    with pytest.raises(SourceError, match="what was fetched is kept"):
        pull("http://127.0.0.1:9/dicom-web", tmp_path, {}, FAST)
    pacs.held = {}
    with pytest.raises(SourceError, match="no study matches PatientSex=F"):
        pull(pacs.url, tmp_path, {"PatientSex": "F"}, FAST)
    pacs.held = {"1.2.3": {"../../x": [dataset(XRAY, "DX")]}}
    with pytest.raises(SourceError, match="for a UID"):
        pull(pacs.url, tmp_path, {}, FAST)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_command_makes_a_cohort_with_the_structured_report(
    pacs: Pacs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pacs" / "cohort.csv"
    out.parent.mkdir()
    assert main(["cohort", "dicomweb", pacs.url, "--out", str(out), "--per-second", "1000"]) == 0
    said = capsys.readouterr()
    studies = read_manifest(out)
    assert {study.study_id for study in studies} == {"1.2.1", "1.2.1.1.1"}
    assert {study.report.text for study in studies} == {"FINDINGS: Nodule on the left.\nIMPRESSION: Nodule."}
    assert "12 series in" in said.out
    assert "no report" in said.err
    file = next(out.parent.glob("*/1.2.1/1.2.1.9/*.dcm"))
    read = read_document(file)
    assert isinstance(read, Document)
    assert (read.study, read.text) == ("1.2.1", "FINDINGS: Nodule on the left.\nIMPRESSION: Nodule.")
