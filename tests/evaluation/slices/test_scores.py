"""Scores of stored volumes, the controls that shuffle depth, how stable the choice is: each by a slow obvious way."""

from itertools import combinations
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.hospital import write_hospital, write_pretrained
from tests.tiny import PREPROCESS, tiny_batch, tiny_model
from unimedi.evaluation.slices.baselines import body, brightest
from unimedi.evaluation.slices.scores import (
    depth_orders,
    depth_shuffled,
    model_scores,
    other_scorers,
    poolings,
    position_removed,
    score_volumes,
    scores_differ,
    shuffle_slabs,
    tokens_shuffled,
    unshuffle,
)
from unimedi.evaluation.slices.selection_stability import (
    chance_jaccard,
    jaccard,
    read_other_models,
    stability_measurements,
)
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import SLAB_POOLINGS
from unimedi.model.unimedi import UniMediModel

SLABS = 4  # of the tiny model: slabs of 4 planes
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"), ndims=(3,))


def frozen(**changes: object) -> UniMediModel:
    return tiny_model(**changes).requires_grad_(False)


def brightness(fine: torch.Tensor, rows: slice) -> dict[str, torch.Tensor]:
    """A scorer that looks at content alone."""
    return {"mean": fine.double().unflatten(1, (SLABS, -1)).mean(dim=(2, 3, 4))}


def test_every_way_to_score_equals_the_models_own(store: Store) -> None:
    model, indices = frozen(slab_pooling="max"), store.select(split="test")[:5]
    reports = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    scored = score_volumes(store, indices, [poolings(model), *other_scorers(model, reports)], CPU, batch=2)
    assert {"joint", "coarse_to_fine", *(f"volume_{name}" for name in SLAB_POOLINGS)} < set(scored)
    fine = torch.from_numpy(np.stack([store.pixels(i) for i in indices]))
    keys = {"volume": "attentive", "separate": "separate_max", "text": "text_knows_the_report"}
    for name, scorer in SCORERS.items():
        key = keys.get(name, name)
        np.testing.assert_allclose(scored[key], scorer(model, fine, torch.from_numpy(reports)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(scored["attentive"], scored["volume_max"])
    plain = frozen(slab_pooling="mean")
    other_scorers(plain, reports)
    assert plain.config.slab_pooling == "mean"  # a variant asks a copy


def test_a_layer_alone_by_loops_from_the_same_pass() -> None:
    model, fine = frozen(num_hidden_layers=3, slab_pooling="max"), tiny_batch(volumes=3).hires_volumes
    passes: list[torch.Tensor] = []
    model.vision.register_forward_hook(lambda module, given, output: passes.append(output.cls_attention))
    scored = poolings(model, layers=True)(fine, slice(0, 3))
    (attention,) = passes
    assert [name for name in scored if name.startswith("layer_")] == ["layer_1", "layer_2", "layer_3"]
    for volume, layer, slab in np.ndindex(3, 3, SLABS):
        total, count = 0.0, 0
        for head in range(2):
            for token in range(4 * slab, 4 * slab + 4):
                total, count = total + float(attention[volume, layer, head, token]), count + 1
        assert float(scored[f"layer_{layer + 1}"][volume, slab]) == pytest.approx(total / count, rel=1e-5)
    mean = torch.stack([scored[f"layer_{layer}"] for layer in (1, 2, 3)]).mean(0)
    assert torch.allclose(mean, scored["volume_mean"])  # the paper's is their mean
    plain = poolings(model)(fine, slice(0, 3))
    assert plain.keys() == {name for name in scored if not name.startswith("layer_")}
    assert all(torch.equal(plain[name], scored[name]) for name in plain)


def test_slabs_that_differ_by_rounding_only_do_not_choose(store: Store) -> None:
    model, indices = frozen(), store.select(split="test")[:4]
    reports = np.zeros((4, 8), np.float32)
    fine = torch.from_numpy(np.stack([store.pixels(i) for i in indices]))
    scored = score_volumes(store, indices, [poolings(model), *other_scorers(model, reports)], CPU)
    assert not scores_differ(
        SCORERS["separate"](model, fine, None).double().numpy()
    )  # open point 3.1: softmax sums to 1
    assert "separate" not in scored
    assert scores_differ(scored["separate_max"])
    assert scores_differ(scored["attentive"])


def test_a_score_that_is_not_a_number_names_the_study(store: Store) -> None:
    model, indices = frozen(), store.select(split="test")[:3]
    model.vision.cls_token.fill_(torch.nan)
    first, last = (store.studies[index].study_id for index in (indices[0], indices[2]))
    with pytest.raises(ValueError, match=f"expected finite scores from late, got nan for study {first}"):
        score_volumes(store, indices, [model_scores(model, "late")], CPU)

    def third(fine: torch.Tensor, rows: slice) -> dict[str, torch.Tensor]:
        scores = torch.ones(len(fine), SLABS)
        scores[[row == 2 for row in range(rows.start, rows.stop)], 1] = torch.inf
        return {"odd": scores}

    with pytest.raises(ValueError, match=f"scores from odd, got inf for study {last}"):
        score_volumes(store, indices, [third], CPU, batch=2)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 100))
def test_orders_are_orders_and_come_again(volumes: int, slabs: int, seed: int) -> None:
    orders = depth_orders(volumes, slabs, seed)
    assert torch.equal(orders.sort(dim=1).values, torch.arange(slabs).expand(volumes, -1))
    assert torch.equal(orders, depth_orders(volumes + 1, slabs, seed)[:volumes])
    scores = torch.rand(volumes, slabs)
    moved = torch.stack([scores[row][orders[row]] for row in range(volumes)])
    assert torch.equal(unshuffle(moved, orders), scores)


def test_orders_differ_from_volume_to_volume_and_from_seed_to_seed() -> None:
    orders = depth_orders(6, 8, 0)
    assert len({tuple(row) for row in orders.tolist()}) > 3
    assert not torch.equal(orders, depth_orders(6, 8, 1))


def test_shuffled_slabs_by_loops() -> None:
    fine, orders = tiny_batch(volumes=3).hires_volumes, depth_orders(3, SLABS, 1)
    result = shuffle_slabs(fine, orders)
    for volume in range(3):
        for slab in range(SLABS):
            source = int(orders[volume, slab])
            assert torch.equal(result[volume, 4 * slab : 4 * slab + 4], fine[volume, 4 * source : 4 * source + 4])
    with pytest.raises(ValueError, match="cannot shuffle 16 planes as 3 slabs"):
        shuffle_slabs(fine, depth_orders(3, 3, 1))


def test_what_looks_at_content_alone_does_not_mind_the_order() -> None:
    fine, orders = tiny_batch(volumes=5).hires_volumes, depth_orders(5, SLABS, 0)
    expected, rows = brightness(fine, slice(0, 5))["mean"], slice(0, 5)
    assert torch.equal(depth_shuffled(brightness, orders)(fine, rows)["mean_depth_shuffled"], expected)
    brightest_scores = brightest(PREPROCESS, SLABS)
    one, other = brightest_scores(fine, rows), depth_shuffled(brightest_scores, orders)(fine, rows)
    assert torch.equal(other["brightest_depth_shuffled"], one["brightest"])


def test_a_model_without_positions_does_not_mind_and_one_with_them_does() -> None:
    fine, orders, rows = tiny_batch(volumes=5).hires_volumes, depth_orders(5, SLABS, 0), slice(0, 5)
    for positions, alike in (("none", True), ("factorised", False)):
        model = frozen(positions=positions)
        for parameter in model.vision.positions.parameters():
            torch.nn.init.normal_(parameter)  # the depth table is zero when training starts
        plain = poolings(model)
        for control in (depth_shuffled(plain, orders), tokens_shuffled(model, orders)):
            for name, scores in control(fine, rows).items():
                own_scores = plain(fine, rows)[name.removesuffix("_depth_shuffled").removesuffix("_tokens_shuffled")]
                assert torch.allclose(scores, own_scores, rtol=1e-4) == alike, name


def test_without_the_others_usual_score_what_all_volumes_share_is_gone() -> None:
    scores = np.random.default_rng(0).random((4, 3))
    removed = position_removed(scores)
    for row, slab in np.ndindex(4, 3):
        assert removed[row, slab] == pytest.approx(
            scores[row, slab] / np.mean([scores[other, slab] for other in range(4) if other != row])
        )
    usual = np.array([1.0, 2, 4, 8])
    np.testing.assert_allclose(position_removed(usual * np.array([[1.0], [3]])), [[1 / 3] * 4, [3] * 4])
    assert (position_removed(np.zeros((2, 3))) == 0).all()
    with pytest.raises(NotComputable, match="no other volume"):
        position_removed(np.ones((1, 4)))


def test_brightest_is_inside_the_body() -> None:
    hu = np.full((4, 16, 16), -1000, dtype=np.float32)
    hu[:, 3:13, 3:13] = 40  # a body
    hu[:, 6:10, 6:10] = -850  # a lung in it
    hu[1, 7, 7] = 300  # a calcified nodule in the lung
    hu[3, 0, 0] = 3000  # a clip on the table
    inside = body(hu)
    assert inside[:, 3:13, 3:13].all()
    assert inside.sum() == 4 * 100
    assert not body(np.full((2, 4, 4), -1000.0)).any()
    fine = torch.from_numpy(np.repeat(np.kron(hu, np.ones((1, 2, 2))), 4, axis=0)[None].astype(np.int16))
    scores = brightest(PREPROCESS, SLABS)(fine, slice(0, 1))["brightest"]
    assert scores.tolist() == [[40, 300, 40, 40]]


@given(st.integers(2, 7), st.data())
def test_jaccard_by_sets(slabs: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, slabs))
    sets = [sorted(data.draw(st.permutations(range(slabs)))[:k]) for _ in range(2)]
    (value,) = jaccard(np.array([sets[0]]), np.array([sets[1]]))
    assert value == len({*sets[0]} & {*sets[1]}) / len({*sets[0]} | {*sets[1]})
    every = [len({*sets[0]} & {*other}) / len({*sets[0]} | {*other}) for other in combinations(range(slabs), k)]
    assert chance_jaccard(slabs, k) == pytest.approx(np.mean(every))


def test_stability_of_the_same_and_of_the_opposite() -> None:
    scores = np.random.default_rng(0).random((6, 4))
    bootstrap = PatientBootstrap([str(i) for i in range(6)], 20, 0)
    figures = stability_measurements(scores, {"same": scores, "opposite": -scores}, (1, 2, 4, 8), bootstrap)
    assert figures["selection_stability/same/jaccard@2"].value == 1
    assert figures["selection_stability/opposite/jaccard@2"].value == 0
    assert {key.rsplit("@")[1] for key in figures} == {"1", "2"}  # all four of four slabs are no choice
    other = np.random.default_rng(1).random((6, 4))
    best = [[{*np.argsort(-row)[:2]} for row in each] for each in (scores, other)]
    slow = np.mean([len(a & b) / len(a | b) for a, b in zip(*best, strict=True)])
    figure = stability_measurements(scores, {"other": other}, (2,), bootstrap)["selection_stability/other/jaccard@2"]
    assert figure.value == pytest.approx(slow, abs=1e-9)


def test_other_models_are_named_and_must_fit(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    run = write_pretrained(tmp_path / "run" / "pretrained").parent
    model = UniMediModel.from_pretrained(run / "pretrained")
    checkpoint = run / "checkpoints" / "step-000010"
    checkpoint.mkdir(parents=True)
    weights = load_file(run / "pretrained" / "model.safetensors")
    kept = {f"module/teacher.{name}": value + 1 for name, value in weights.items()}
    save_file(kept | {"module/student.other": torch.zeros(1)}, checkpoint / "tensors.safetensors")
    found = read_other_models([run, checkpoint], model)
    assert list(found) == ["run", "step-000010"]
    for name, value in found["step-000010"].state_dict().items():
        assert torch.equal(value, weights[name] + 1)
    with pytest.raises(ValueError, match="got run twice"):
        read_other_models([run, run / "pretrained"], model)
    with pytest.raises(ValueError, match=r"expected T_3D grid \(2, 2, 2\), got \(4, 2, 2\)"):
        read_other_models([run], tiny_model(slab_depth=4))
    twin = copytree(run, tmp_path / "twin") / "checkpoints" / "step-000010"
    assert list(read_other_models([checkpoint, twin, twin.parents[1]], model)) == [
        "run-step-000010",
        "twin-step-000010",
        "twin",
    ]
    with pytest.raises(ValueError, match=r"got run-step-000010 twice: .*step-000010 and .*step-000010"):
        read_other_models([checkpoint, checkpoint], model)
    save_file({"module/student.other": torch.zeros(1)}, checkpoint / "tensors.safetensors")
    with pytest.raises(ValueError, match="expected the weights of the model"):
        read_other_models([checkpoint], model)
    with pytest.raises(FileNotFoundError, match="pretrained"):
        read_other_models([tmp_path], model)
