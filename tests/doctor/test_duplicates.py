"""Duplicates and leaks: exact search against all pairs, what a copy may suffer and still be found, and who is named."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unimedi.doctor.diagnosis import text_facts
from unimedi.doctor.duplicates import (
    NEAR,
    file_hash,
    groups,
    miniature,
    near_images,
    near_pairs,
    perceptual_hash,
    pixel_hash,
)
from unimedi.doctor.leakage import leaks_between_cohorts, leaks_between_splits
from unimedi.doctor.study_summary import StudySummary
from unimedi.imaging.resample import resize_array
from unimedi.phantom.patient.patient import sample_patient
from unimedi.phantom.xray import render_xray


def xray(number: int) -> np.ndarray:
    return render_xray(sample_patient(f"twin-{number}", 0), "PA", (128, 128)).pixels.astype(np.float32)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray((pixels / 16).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.integers(2, 120))
def test_near_pairs_are_those_of_all_pairs(seed: int, count: int) -> None:
    """Copies with 0 to 25 bits turned among random hashes: exactly those within the distance, none twice."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, 256), dtype=np.uint8)
    for row in range(1, count):
        if rng.random() < 0.5:
            bits[row] = bits[rng.integers(row)]
            bits[row, rng.choice(256, rng.integers(26), replace=False)] ^= 1
    apart = (bits[:, None] != bits[None]).sum(axis=2)
    wanted = [(i, j, int(apart[i, j])) for i in range(count) for j in range(i + 1, count) if apart[i, j] <= NEAR]
    assert near_pairs([np.packbits(row).tobytes() for row in bits]) == wanted


def test_a_copy_is_found_after_what_copies_suffer_and_no_other_patient_is() -> None:
    pictures = [xray(number) for number in range(12)]
    rng = np.random.default_rng(0)
    small = tuple(side // 2 for side in pictures[0].shape)
    copies = [
        jpeg(pictures[0], 60),
        resize_array(pictures[0], small),
        pictures[0] + rng.normal(0, 30, pictures[0].shape),
    ]
    every = [*pictures, *copies]
    found = near_images([perceptual_hash(p) for p in every], [miniature(p) for p in every])
    twins = {0, 12, 13, 14}
    assert {(a, b) for a, b, _ in found} == {(a, b) for a in twins for b in twins if a < b}


def test_hashes_of_files_and_pixels(tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    for name, text in (("1.dcm", b"one"), ("2.dcm", b"two")):
        (series / name).write_bytes(text)
    renamed = shutil.copytree(series, tmp_path / "renamed")
    (renamed / "1.dcm").rename(renamed / "9.dcm")
    assert file_hash(series) == file_hash(renamed)
    (renamed / "2.dcm").write_bytes(b"two.")
    assert file_hash(series) != file_hash(renamed)
    pixels = np.arange(6, dtype=np.float32)
    assert pixel_hash(pixels.reshape(2, 3)) != pixel_hash(pixels.reshape(3, 2))
    assert groups(["a", "", "b", "a", ""]) == [[0, 3]]


def seen(study: str, patient: str, split: str = "train", **more: object) -> StudySummary:
    about = StudySummary(study, patient, "DX", split, "en", "en", 5, f"report of {study}", shape=(8, 8))
    return replace(about, **{"pixels": f"pixels of {study}", "file": f"file of {study}", **more})  # type: ignore[arg-type]


def test_leaks_between_splits_name_each_pair_once_by_its_strongest_tie() -> None:
    rows = [
        seen("a", "1"),
        seen("b", "1", "test"),  # the patient
        seen("c", "2", "validation", file="file of a", pixels="pixels of a"),  # the file, and so the image
        seen("d", "3", "test", pixels="pixels of a"),  # the image in another file
        seen("e", "4", file="file of a"),  # the same split: a duplicate, no leak
    ]
    found = {(leak.what, leak.first, leak.second) for leak in leaks_between_splits(rows)}
    assert ("patient", "train/a", "test/b") in found
    assert ("file", "train/a", "validation/c") in found
    assert ("image", "train/a", "test/d") in found
    assert not any((first, second) == ("train/a", "train/e") for _, first, second in found)
    pairs = [(first, second) for _, first, second in found]
    assert len(pairs) == len(set(pairs))
    assert leaks_between_splits([seen("a", "1"), seen("b", "1"), seen("c", "2", "test")]) == []


def test_leaks_between_cohorts() -> None:
    ours = [seen("a", "1"), seen("b", "2"), seen("c", "3")]
    theirs = [seen("a", "9"), seen("x", "2"), seen("y", "8", report="report of c"), seen("z", "7")]
    found = {(leak.what, leak.first, leak.second): str(leak) for leak in leaks_between_cohorts(ours, theirs)}
    assert ("patient", "A/b", "B/x") in found
    assert ("report", "A/c", "B/y") in found
    assert found["study", "A/a", "B/a"] == "A/a and B/a: the same study a"
    assert not any("z" in first + second for _, first, second in found)


def test_nearly_the_same_image_in_two_splits() -> None:
    picture = xray(1)
    rows = [
        seen("a", "1", perceptual_hash=perceptual_hash(picture), miniature=miniature(picture)),
        seen(
            "b", "2", "test", perceptual_hash=perceptual_hash(jpeg(picture, 70)), miniature=miniature(jpeg(picture, 70))
        ),
        seen("c", "3", "test", perceptual_hash=perceptual_hash(xray(2)), miniature=miniature(xray(2))),
    ]
    (leak,) = leaks_between_splits(rows)
    assert (leak.what, leak.first, leak.second) == ("near_image", "train/a", "test/b")
    assert "of 256 bits differ" in str(leak)


def test_texts() -> None:
    rows = [seen("a", "1", report="x"), seen("b", "2", report="x", detected="es"), seen("c", "3", report="", words=0)]
    facts = text_facts(rows)
    assert (facts["with_report"], facts["without_report"], facts["shared_by_patients"]) == (2, 1, 2)
    assert facts["language_differs_from_text"] == ["b"]
    assert text_facts([])["words"]["median"] == pytest.approx(0)
