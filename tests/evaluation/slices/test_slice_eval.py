"""Which scores ``unimedi slice-eval`` compares, and what it says of those that it leaves out."""

from dataclasses import replace

import pytest

from tests.hospital import FINDINGS, write_hospital, write_pretrained
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.selector_names import SELECTOR_NAMES
from unimedi.evaluation.slices.slice_eval import SPEC, all_scores
from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder

OPTIONS = EvaluationOptions(focal=FINDINGS, resamples=5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"), ndims=(3,))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.from_pretrained(write_pretrained(tmp_path_factory.mktemp("model")))


def test_every_score_has_a_row_a_volume_and_a_column_a_slab(store: Store, embedder: Embedder) -> None:
    indices = store.select(split="test")
    scored, notes = all_scores(embedder, store, indices, {"twin": embedder.model}, OPTIONS)
    slabs = embedder.model.vision.volume_grid[0]
    assert {scores.shape for scores in scored.values()} == {(len(indices), slabs)}
    assert {"attentive", "untrained", "prior", "intensity", "with_twin", "attentive_depth_shuffled"} < set(scored)
    assert (scored["with_twin"] == scored["attentive"]).all()
    assert set(SELECTOR_NAMES) - set(scored) == {"random", "uniform", "centre", "oracle"}  # these need no scores
    assert not notes
    assert set(SPEC.compared) <= set(SPEC.measures)


def test_scores_that_are_alike_are_left_out_but_the_models_own(store: Store, embedder: Embedder) -> None:
    """A model whose queries are zero pays every token the same attention."""
    blind = Embedder(type(embedder.model)(embedder.model.config), embedder.processor)
    for name, parameter in blind.model.requires_grad_(False).vision.named_parameters():
        if "q_proj" in name or "query" in name:
            parameter.zero_()
    scored, notes = all_scores(blind, store, store.select(split="test"), {}, replace(OPTIONS, focal=("nodule",)))
    assert "attentive" in scored
    assert not {"volume_mean", "volume_max", "joint", "layer_1"} & set(scored)
    assert "volume_max: left out, because it gives all slabs of a volume the same score" in notes
    assert notes[-1].startswith("attentive: the model gives all slabs of a volume the same score")
