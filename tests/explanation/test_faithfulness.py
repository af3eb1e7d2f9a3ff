"""Deletion and erasing against slow loops over real stored studies; means, areas and fills by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.hospital import write_hospital, write_pretrained
from unimedi.cohort.image_kind import ImageKind
from unimedi.explanation import explain_eval as evaluation
from unimedi.explanation.explain import explain
from unimedi.explanation.faithfulness import (
    ATTENTION,
    FRACTIONS,
    RANDOM,
    TEXT,
    Examiner,
    Question,
    area,
    blurred,
    mean_image,
    spread,
)
from unimedi.explanation.relevance import text_relevance
from unimedi.imaging.image import Radiograph
from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("hospital") / "store", masked_ndims=(2, 3))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.from_pretrained(write_pretrained(tmp_path_factory.mktemp("model")))


def questions(store: Store, embedder: Embedder, kind: str) -> list[Question]:
    names = ("nodule", "pleural_effusion", "cardiomegaly")
    vectors = dict(zip(names, embedder.texts([f"There is a {name}." for name in names]), strict=True))
    return evaluation.asked(store, "test", ImageKind(kind), vectors, seed=0)


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_what_deleting_and_erasing_cost_is_what_loops_give(store: Store, embedder: Embedder, kind: str) -> None:
    question = questions(store, embedder, kind)[0]
    examiner = Examiner(embedder, store, ImageKind(kind), seed=0)
    found = examiner.ask(question, examiner.draw())
    stored = store.pixels(question.index)
    train = [store.pixels(i).astype(float) for i in store.select(split="train", image_kind=kind)]
    mean = np.rint(sum(train) / len(train)).astype(np.int16)
    output = embedder.encode([stored])
    scores = output.slice_scores

    def fall(changed: np.ndarray) -> float:
        with torch.inference_mode():
            vector = embedder.model.encode_images(torch.from_numpy(changed)[None], scores).embedding[0].numpy()
        return float((output.embedding[0].numpy() - vector) @ question.vector)

    planes = None if output.selected is None else output.selected[0]
    vector = torch.from_numpy(question.vector)[None]
    places = text_relevance(embedder.model, torch.from_numpy(stored.copy()), planes, vector)[0].numpy()
    order = sorted(np.ndindex(*places.shape), key=lambda place: -places[place])
    for share, expected in zip(FRACTIONS, found.drops["mean_image"][TEXT], strict=True):
        changed = stored.copy()
        for place in order[: max(1, round(share * len(order)))]:
            box = tuple(
                slice(at * length // count, (at + 1) * length // count)
                for at, length, count in zip(place, stored.shape, places.shape, strict=True)
            )
            changed[box] = mean[box]
        assert expected == pytest.approx(fall(changed), abs=1e-5)

    mask = store.mask(question.index)
    assert mask is not None
    own = mask >> store.findings.index(question.finding) & 1 == 1
    assert own.any()
    assert found.erased["mean_image"]["named"] == pytest.approx(fall(np.where(own, mean, stored)), abs=1e-5)
    mirrored = own[..., ::-1] & ~own
    assert found.erased["mean_image"]["mirrored"] == pytest.approx(fall(np.where(mirrored, mean, stored)), abs=1e-5)
    best = np.unravel_index(int(places.argmax()), places.shape)
    box = tuple(
        slice(at * length // count, (at + 1) * length // count)
        for at, length, count in zip(best, stored.shape, places.shape, strict=True)
    )
    assert found.pointed[TEXT] == float(own[box].any())
    assert 0 < found.pointed[RANDOM] < 1


def test_the_map_that_is_measured_is_the_one_that_is_shown(store: Store, embedder: Embedder) -> None:
    """``explain`` of a radiograph that comes back from storing as it is gives the map that deletion goes by."""
    question = questions(store, embedder, "xray")[0]
    image = Radiograph(store.pixels(question.index).astype(np.float32), (1.0, 1.0))
    stored = embedder.processor.preprocess.stored(image)
    shown = explain(embedder, image, f"There is a {question.finding}.")
    measured = text_relevance(embedder.model, torch.from_numpy(stored), None, torch.from_numpy(question.vector)[None])
    assert np.allclose(shown.relevance, measured.numpy(), atol=1e-6)


def test_a_study_is_asked_for_a_finding_that_it_has_and_one_that_it_has_not(store: Store, embedder: Embedder) -> None:
    found = questions(store, embedder, "ct")
    assert found
    for question in found:
        labels = store.studies[question.index].labels
        assert labels[question.finding]
        others = [name for name, there in labels.items() if there is False]
        vectors = embedder.texts([f"There is a {name}." for name in others])
        assert any(np.allclose(question.other, vector) for vector in vectors)


def test_a_map_no_better_than_random_is_found_to_be_so(store: Store, embedder: Embedder) -> None:
    """Attention made random: its deletion curve and the random one then differ by chance alone."""
    examiner = Examiner(embedder, store, ImageKind.XRAY, seed=0)
    fake = torch.Generator().manual_seed(7)
    falls = []
    real = examiner._maps
    for question in questions(store, embedder, "xray"):

        def maps(*args: object) -> dict[str, torch.Tensor]:
            return real(*args) | {ATTENTION: torch.rand(examiner.grid, generator=fake)}  # type: ignore[arg-type]

        examiner._maps = maps  # type: ignore[method-assign,assignment]
        answer = examiner.ask(question, examiner.draw())
        falls.append(area(answer.drops["mean_image"][ATTENTION]) - area(answer.drops["mean_image"][RANDOM]))
    spread_of_falls = np.std(falls) / np.sqrt(len(falls))
    assert abs(np.mean(falls)) < 4 * spread_of_falls


def test_area_by_hand() -> None:
    assert area(np.full(len(FRACTIONS), 1.0)) == pytest.approx(1 - FRACTIONS[0] / 2 / FRACTIONS[-1])
    assert area(np.array(FRACTIONS)) == pytest.approx(FRACTIONS[-1] / 2)  # a straight line


def test_fills(store: Store) -> None:
    indices = store.select(split="train", image_kind="ct")[:3]
    expected = np.rint(np.mean([store.pixels(i).astype(float) for i in indices], axis=0))
    assert np.array_equal(mean_image(store, indices).numpy(), expected)
    flat = torch.full((16, 32, 32), -700, dtype=torch.int16)
    flat[8, 16, 16] += 4000
    assert blurred(flat).shape == flat.shape
    assert int(blurred(flat).max()) < -690
    assert spread(torch.tensor([[1, 2], [3, 4]]), (4, 2)).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]


def test_a_store_without_masks_has_deletion_alone(embedder: Embedder, tmp_path: Path) -> None:
    store = write_hospital(tmp_path / "store", ndims=(2,), masked=False)
    examiner = Examiner(embedder, store, ImageKind.XRAY, seed=0)
    answer = examiner.ask(questions(store, embedder, "xray")[0], examiner.draw())
    assert np.isnan(list(answer.erased["blurred"].values())).all()
    assert np.isnan(list(answer.pointed.values())).all()
    assert np.isfinite(answer.drops["blurred"][TEXT]).all()
