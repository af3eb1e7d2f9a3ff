"""Pictures: grey values by the formula, one grid for planes and maps."""

import io

import numpy as np
from PIL import Image

from tests.tiny import PREPROCESS
from unimedi.imaging.image import Radiograph, Volume
from unimedi.web.images import Shown
from unimedi.web.pictures import Window, attention_png, default_window, grey, plane_png, relevance_png, thumbnail_png

DRAWS = np.random.default_rng(0)
VOLUME = Volume(DRAWS.integers(-1000, 1500, (6, 20, 30)).astype(np.int16), (5.0, 2.0, 1.0), modality="CT")
XRAY = Radiograph(DRAWS.normal(500, 100, (40, 20)).astype(np.float32))


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_window_maps_its_ends_to_black_and_white() -> None:
    window = Window(400.0, 40.0)
    expected = np.array(
        [[round(min(max((hu - (40 - 200)) / 400 * 255, 0), 255)) for hu in row] for row in VOLUME.voxels[2]]
    )
    shown = Shown(VOLUME, VOLUME)
    assert np.abs(grey(shown, 2, window).astype(int) - expected).max() <= 1  # a half is rounded either way
    np.testing.assert_array_equal(opened(plane_png(shown, 2, window)), grey(shown, 2, window))
    np.testing.assert_array_equal(opened(plane_png(shown, 2, window, invert=True)), 255 - grey(shown, 2, window))


def test_a_ct_is_shown_in_the_lung_window_and_others_between_their_percentiles() -> None:
    assert default_window(VOLUME) == Window(1500.0, -600.0)
    found = default_window(XRAY)
    low, high = np.percentile(XRAY.pixels, (1, 99))
    np.testing.assert_allclose((found.level - found.width / 2, found.level + found.width / 2), (low, high), rtol=1e-5)
    flat = Radiograph(np.array([[0.0] * 300 + [1.0]], np.float32))
    assert default_window(flat).width == 1.0


def test_a_thumbnail_has_the_proportions_of_the_body() -> None:
    assert opened(thumbnail_png(Shown(VOLUME, VOLUME), 0)).shape == (192, 144)  # 40 mm high, 30 mm wide
    assert opened(thumbnail_png(Shown(XRAY, XRAY), 0)).shape == (192, 96)


def test_one_plane_of_a_map_is_that_plane_of_the_whole_map() -> None:
    for shape in ((7, 40, 30), (16, 32, 32), (33, 17, 60)):
        volume = Volume(DRAWS.integers(-1000, 1000, shape).astype(np.int16), (3.0, 1.0, 1.0))
        values = DRAWS.normal(size=(8, 4, 4)).astype(np.float32)
        whole = PREPROCESS.own_map(values, volume)
        for plane in range(shape[0]):
            np.testing.assert_allclose(PREPROCESS.own_map_plane(values, volume, plane), whole[plane], atol=2e-6)


def test_what_is_weak_beside_the_strongest_is_not_drawn() -> None:
    values = np.array([[0.0, 0.1, 1.0]], np.float32)
    for drawn in (attention_png(values, 1.0), relevance_png(values, 1.0)):
        alpha = opened(drawn)[0, :, 3]
        assert alpha[0] == alpha[1] == 0
        assert alpha[2] == 255
    against = opened(relevance_png(np.array([[-1.0, 1.0]], np.float32), 1.0))[0].astype(int)
    assert against[0, 2] > against[0, 0]  # blue
    assert against[1, 0] > against[1, 2]  # orange
