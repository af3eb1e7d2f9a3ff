"""A real PACS: Orthanc with its DICOMweb plugin on loopback, filled with a phantom's studies, pulled and prepared."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest
from unimedi.imaging.read import read_image
from unimedi.inputs.store import Store
from unimedi.phantom.hospital import build_hospital

PLUGINS = [Path(place) / "libOrthancDicomWeb.so" for place in ("/usr/share/orthanc/plugins", "/usr/lib/orthanc")]
SHARES = {
    "share_ct_dicom": 1.0,
    "share_xray_dx": 0.5,
    "share_xray_cr": 0.5,
    "share_xray_png": 0.0,
    "share_xray_jpeg": 0.0,
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All in DICOM."""
    out = tmp_path_factory.mktemp("phantom") / "hospital"
    build_hospital(out, "micro", seed=3, workers=1, patients=5, progress=False, overrides=SHARES)
    return out


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, hospital: Path) -> Iterator[str]:
    """The address of a server that holds the hospital's files."""
    program, plugin = shutil.which("Orthanc"), next((path for path in PLUGINS if path.exists()), None)
    if program is None or plugin is None:
        pytest.skip("Orthanc with its DICOMweb plugin (Debian: orthanc, orthanc-dicomweb) is not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, dicom = free.getsockname()[1], other.getsockname()[1]
    settings = {"StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": port, "DicomPort": dicom}
    settings |= {"RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [str(plugin)]}
    (folder / "orthanc.json").write_text(json.dumps(settings | {"DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server, folder / "log")
        for path in sorted(hospital.rglob("*")):
            if path.is_file() and path.read_bytes()[128:132] == b"DICM":
                request = urllib.request.Request(f"{url}/instances", path.read_bytes(), method="POST")
                urllib.request.urlopen(request).close()
        yield f"{url}/dicom-web"
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/system").close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}")


def reports(hospital: Path) -> Path:
    """The hospital's reports by study, as a table that a hospital's own system could have written."""
    lines = ["study,text"]
    for study in read_manifest(hospital / "index.csv"):
        file = next(path for path in ([study.image] if study.image.is_file() else sorted(study.image.iterdir())))
        uid = pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID
        text = study.report.text.replace('"', "'")
        lines.append(f'{uid},"{text}"')
    path = hospital.parent / "reports.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_hospital_is_pulled_from_orthanc_and_prepared(
    orthanc: str, hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pulled" / "cohort.csv"
    out.parent.mkdir()
    pull = ["cohort", "dicomweb", orthanc, "--out", str(out), "--per-second", "200", "--table", str(reports(hospital))]
    pull += ["--column", "key=study", "--column", "report=text"]

    # Killed by a stop after the first series is there, then run again.
    first = subprocess.Popen(
        [sys.executable, "-m", "unimedi", *pull], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list(out.parent.glob("*/*/[0-9]*")) and first.poll() is None:
        time.sleep(0.02)
    first.kill()
    first.wait()
    before = len(list(out.parent.glob("*/*/[0-9]*")))
    assert main(pull) == 0
    said = capsys.readouterr().out
    assert before >= 1
    assert f"{before} of them from before" in said or first.returncode == 0

    held = read_manifest(hospital / "index.csv")
    pulled = read_manifest(out)
    assert len(pulled) == len(held)
    assert sorted(study.report.text for study in pulled) == sorted(
        study.report.text.replace('"', "'") for study in held
    )
    whole = sorted(read_array(study.image, study.series).tobytes() for study in pulled)
    assert whole == sorted(read_array(study.image, "").tobytes() for study in held)

    assert main(["prepare", str(out), "--out", str(tmp_path / "store"), "--config", "tiny", "--workers", "1"]) == 0
    assert len(Store.open(tmp_path / "store")) == len(held)


def read_array(path: Path, series: str) -> np.ndarray:
    image = read_image(path, series)
    return image.pixels if image.ndim == 2 else image.voxels  # type: ignore[union-attr]
