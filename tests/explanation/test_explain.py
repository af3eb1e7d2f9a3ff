"""An explanation says what the embedder says, and its maps lie where they belong in the image's own grid."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import unimedi
from tests.hospital import write_pretrained
from tests.tiny import PREPROCESS
from unimedi.errors import InputError, MissingError
from unimedi.explanation.explain import LONGEST, explain
from unimedi.imaging.image import Radiograph, Volume
from unimedi.representation.embedder import Embedder
from unimedi.representation.onnx_embedder import SETTINGS

DRAWS = np.random.default_rng(0)
XRAY = Radiograph(DRAWS.random((45, 61)).astype(np.float32), (2.0, 1.0))
CT = Volume(DRAWS.integers(-1000, 800, (23, 30, 41)).astype(np.int16), (4.0, 1.5, 1.0))
TEXTS = ("There is a nodule in the right lung.", "The heart is enlarged.")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"), report_languages=("en",))


@pytest.fixture(scope="module")
def embedder(pretrained: Path) -> Embedder:
    return Embedder.from_pretrained(pretrained)


def test_the_public_name_takes_a_folder_or_what_load_gave(embedder: Embedder, pretrained: Path) -> None:
    expected = explain(embedder, XRAY, TEXTS)
    for model in (pretrained, str(pretrained), unimedi.load(pretrained)):
        found = unimedi.explain(model, XRAY, TEXTS)
        np.testing.assert_array_equal(found.relevance, expected.relevance)
        np.testing.assert_array_equal(found.similarity, expected.similarity)
    alone = unimedi.explain(pretrained, XRAY.array, text=None, spacing=XRAY.spacing)
    assert alone.texts == ()
    np.testing.assert_array_equal(alone.attention, expected.attention)


def test_a_model_without_gradients_or_of_another_kind_is_refused(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / SETTINGS).write_text("{}")
    with pytest.raises(InputError, match=rf"{tmp_path.name}: an export in ONNX gives vectors and no gradients"):
        unimedi.explain(tmp_path, XRAY)
    with pytest.raises(MissingError, match="expected a run"):
        unimedi.explain(tmp_path / "nowhere", XRAY)
    with pytest.raises(TypeError, match="model"):
        unimedi.explain(embedder.model, XRAY)  # type: ignore[arg-type]


@pytest.mark.parametrize("image", [XRAY, CT], ids=["xray", "ct"])
def test_the_cosine_is_the_embedders(embedder: Embedder, image: Radiograph | Volume) -> None:
    found = explain(embedder, image, TEXTS)
    row = embedder.rows([embedder.processor.preprocess.stored(image)])[0]
    assert np.allclose(found.similarity, embedder.texts(TEXTS) @ row["embedding"], atol=1e-6)
    assert np.allclose(found.attention.ravel(), row["attention"] / row["attention"].mean(), rtol=1e-5)
    assert found.relevance.shape == (2, *((8, 8) if image is XRAY else (4, 4, 4)))
    assert found.own(found.attention).shape == image.array.shape
    assert found.notes == ()
    if image is CT:
        assert found.slab_scores is not None
        assert np.array_equal(found.slab_scores, row["slice_scores"])
        assert found.planes is not None
        assert np.array_equal(found.planes, row["selected"])
    else:
        assert found.slab_scores is None
        assert found.planes is None
        assert found.own_planes == []


def test_without_a_sentence_there_is_attention_alone(embedder: Embedder) -> None:
    found = explain(embedder, CT)
    assert found.texts == ()
    assert found.relevance.shape == (0, 4, 4, 4)
    assert len(found.own_planes) == 2


def test_chosen_planes_are_those_that_the_model_read(embedder: Embedder) -> None:
    """Each plane of the CT has a value of its own, so a stored plane says which it is."""
    voxels = np.repeat(40 * np.arange(48, dtype=np.int16) - 1000, 32 * 32).reshape(48, 32, 32)
    found = explain(embedder, Volume(voxels, (1.0, 1.0, 1.0)))
    assert found.planes is not None
    stored = embedder.processor.preprocess.stored(found.image)
    read = [(stored[plane, 16, 16] + 1000) / 40 for plane in found.planes]  # the mean of three planes: the middle one
    assert found.own_planes == read


SIZES = st.integers(9, 70)
STEPS = st.floats(0.4, 6.0)


@given(st.tuples(st.integers(4, 50), SIZES, SIZES), st.tuples(STEPS, STEPS, STEPS), st.data())
def test_a_hot_token_is_hot_where_it_lies(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], data: st.DataObject
) -> None:
    """Where it lies is found the other way: of a CT whose voxels hold their own index, the stored array says whence."""
    grid = (4, 2, 2)
    hot = tuple(data.draw(st.integers(0, count - 1), "hot") for count in grid)
    axes = zip(hot, PREPROCESS.hires_shape, grid, strict=True)
    token = tuple(slice(at * length // count, (at + 1) * length // count) for at, length, count in axes)
    image = Volume(np.zeros(shape, np.int16), spacing)
    content = PREPROCESS.stored_mask(np.ones(shape, np.uint16), image) != 0
    inside = content[token]
    assume(inside.any())
    values = np.zeros(grid, np.float32)
    values[hot] = 1
    own = PREPROCESS.own_map(values, image)
    assert own.shape == shape
    assert own.dtype == np.float32
    hottest = np.argwhere(own >= own.max() - 1e-6)
    for axis, length in enumerate(shape):
        index = np.moveaxis(np.broadcast_to(np.arange(length), np.moveaxis(np.zeros(shape), axis, -1).shape), -1, axis)
        covered = PREPROCESS.stored(Volume((20 * index).astype(np.int16), spacing))[token][inside] / 20
        cells = np.count_nonzero(content.any(axis=tuple({0, 1, 2} - {axis})))
        around = 1 + length / cells / 2  # voxels that a cell of the stored array is the mean of, to each side
        assert covered.min() - around <= hottest[:, axis].min()
        assert hottest[:, axis].max() <= covered.max() + around


def test_a_hot_token_of_a_padded_radiograph() -> None:
    """60 x 120 mm in a square: a quarter of it is padding above, a quarter below."""
    image = Radiograph(np.zeros((20, 60), np.float32), (3.0, 2.0))
    values = np.zeros((4, 4), np.float32)
    values[1, 3] = 1  # the upper half of the picture, its last quarter
    own = PREPROCESS.own_map(values, image)
    at = np.unravel_index(int(own.argmax()), own.shape)
    assert at[0] < 10
    assert at[1] >= 45
    assert own[:, :30].max() == 0
    assert own[18:].max() == 0


@given(st.tuples(SIZES, SIZES), st.tuples(STEPS, STEPS))
def test_what_lies_over_padding_is_left_out(shape: tuple[int, int], spacing: tuple[float, float]) -> None:
    image = Radiograph(np.zeros(shape, np.float32), spacing)
    inside = PREPROCESS.stored_mask(np.ones(shape, np.uint16), image).astype(np.float32)
    assert PREPROCESS.own_map(inside, image).min() > 0.999
    assert PREPROCESS.own_map(1 - inside, image).max() == 0.0


def test_a_sentence_in_another_language_is_told(embedder: Embedder) -> None:
    note = explain(embedder, XRAY, "Verschattung im linken Unterlappen.").notes[0]
    assert "'de'" in note
    assert "en" in note
    assert explain(embedder, XRAY, "Nodule.").notes == ()  # whose language cannot be told


def test_a_long_sentence_is_told(embedder: Embedder) -> None:
    (note,) = explain(embedder, XRAY, "There is a nodule in the right lung. " * 10).notes
    assert "of which the model reads 24" in note


@pytest.mark.parametrize(
    ("text", "said"), [("", "empty"), ([TEXTS[0], " \n"], "empty"), ("x" * (LONGEST + 1), "10,001")]
)
def test_what_is_no_sentence_is_refused(embedder: Embedder, text: str | list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        explain(embedder, XRAY, text)


def test_an_image_that_is_none_is_refused(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match=r"notes\.txt"):
        explain(embedder, tmp_path / "notes.txt", TEXTS)
    with pytest.raises(InputError, match="every pixel"):
        explain(embedder, np.zeros((40, 40)), TEXTS)
