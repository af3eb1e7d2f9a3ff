"""The page reads a file in another process, without torch, and says nothing of where it lay."""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.web.dropped_files import CT, SHADE, nifti
from unimedi.imaging.image import ImagingError
from unimedi.inputs.open_image import open_image
from unimedi.inputs.sandbox import Limits, SandboxPool
from unimedi.web import reading
from unimedi.web.model_thread import BusyError
from unimedi.web.reading import Reader


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"image{name[name.index('.') :]}"
    path.write_bytes(content)
    return path


def test_every_kind_is_read_as_everywhere_else(
    reader: Reader, good: dict[str, bytes], tmp_path: Path, temporary: Path
) -> None:
    reader.warm()
    for name, content in good.items():
        path = put(tmp_path, name, content)
        found, expected = reader(path, name), open_image(path)
        np.testing.assert_array_equal(found.array, expected.array)
        assert (found.spacing, found.modality, found.notes) == (expected.spacing, expected.modality, expected.notes)
        assert not list(temporary.iterdir())
    np.testing.assert_array_equal(reader(put(tmp_path, "x.png", good["x.png"]), "x").array, SHADE)


def test_what_is_refused_is_named_as_the_visitor_names_it(
    reader: Reader, bad: dict[str, tuple[bytes, str, str]], tmp_path: Path, temporary: Path
) -> None:
    for name, (content, reason, words) in bad.items():
        with pytest.raises(ImagingError) as caught:
            reader(put(tmp_path, name, content), f"my {name}")
        said = str(caught.value)
        assert caught.value.reason == reason, said
        assert said.startswith(f"my {name}")
        assert words in said
        assert str(tmp_path) not in said
        assert tempfile.gettempdir() not in said
        assert not list(temporary.iterdir())


def test_a_file_that_is_not_there(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(ImagingError, match=r"^study 7: no such file or folder$"):
        reader(tmp_path / "gone.dcm", "study 7")


def look_around(job: reading.Job) -> reading.Refused:
    """What the other process has imported, and where it puts temporary files; it prints as decoders do."""
    reading._read(job)
    tempfile.mkdtemp()
    print("a patient's name", flush=True)
    print("a patient's name", file=sys.stderr, flush=True)
    loaded = {"torch", "fastapi", "transformers", "lancedb"} & set(sys.modules)
    return "missing", f"{sorted(loaded)} {tempfile.gettempdir() == job[2]}"


def hang(job: reading.Job) -> reading.Refused:
    """As a decoder that unpacks something and never comes back."""
    reading._read(job)
    (Path(tempfile.mkdtemp()) / "unpacked").write_bytes(bytes(1000))
    while True:
        pass


@pytest.fixture
def other() -> Iterator[Reader]:
    reader = Reader(Limits(seconds=600.0))
    yield reader
    reader.close()


def test_the_other_process_has_no_torch_is_silent_and_its_files_go(
    other: Reader, tmp_path: Path, temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other._pool = SandboxPool(look_around, Limits())
    with pytest.raises(ImagingError, match=r"^\[\] True$"):
        other(put(tmp_path, "ct.nii", nifti(CT, tmp_path / "ct.nii")), "ct")
    assert capfd.readouterr() == ("", "")


def test_one_that_takes_too_long_leaves_no_file_either(other: Reader, tmp_path: Path, temporary: Path) -> None:
    other._pool = SandboxPool(hang, Limits(seconds=0.5))
    with pytest.raises(ImagingError, match=r"ct: took longer than 0\.5 s") as caught:
        other(put(tmp_path, "ct.nii", nifti(CT, tmp_path / "ct.nii")), "ct")
    assert caught.value.reason == "too_slow"


def test_as_many_as_may_be_are_read_at_once(tmp_path: Path, temporary: Path) -> None:
    reader = Reader(Limits(seconds=600.0), at_once=2)
    reader._pool = SandboxPool(hang, Limits(seconds=600.0))
    path = put(tmp_path, "ct.nii", nifti(CT, tmp_path / "ct.nii"))
    with ThreadPoolExecutor(2) as threads:
        hanging = [threads.submit(reader, path, "ct") for _ in range(2)]
        while len(list(temporary.iterdir())) < 2:
            time.sleep(0.01)
        reader._limits = Limits(seconds=0.05)
        with pytest.raises(BusyError, match="late: too many files are being read"):
            reader(path, "late")
        reader.close()  # ends what hangs
        for one in hanging:
            with pytest.raises(ImagingError, match="ct: its process died"):
                one.result()


def fail(*_: object, **__: object) -> None:
    raise ValueError("Doe^John, born 1950")


def test_a_bug_in_a_decoder_tells_nothing_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "open_image", fail)
    monkeypatch.setattr(reading, "_be_silent", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert reading._read((str(tmp_path), "x", str(tmp_path))) == ("unreadable", "x: cannot be read (ValueError)")
