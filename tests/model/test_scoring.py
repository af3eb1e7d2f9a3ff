"""Every way to score slabs against a slow loop that reads the attention token by token."""

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model
from unimedi.model import scoring
from unimedi.model.scoring import SCORERS, planes_of
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel

SLABS, DEPTH, TOKENS = 4, 16, 4  # of the tiny model: a slab is 4 planes, a slice 4 tokens


def frozen(**changes: object) -> UniMediModel:
    return tiny_model(**changes).requires_grad_(False)


def attention_of(model: UniMediModel, hires: torch.Tensor, planes: list[int]) -> list[list[float]]:
    """v of each token of the planes of one volume, in one pass: a list of tokens a plane."""
    cut = model.cut_slices(hires, torch.tensor([planes]))
    rows = model.vision(model.vision.slices(cut.pixels, cut.depth), attention_rows=True).cls_attention[0]
    v = [
        sum(float(rows[layer, head, token]) for layer in range(2) for head in range(2)) / 4
        for token in range(len(planes) * TOKENS)
    ]
    return [v[start : start + TOKENS] for start in range(0, len(v), TOKENS)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_one_score_a_slab_each_volume_by_itself(name: str) -> None:
    model, hires = frozen(), tiny_batch(volumes=3).hires_volumes
    reports = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    scores = SCORERS[name](model, hires, reports)
    assert scores.shape == (3, SLABS)
    alone = torch.cat([SCORERS[name](model, hires[i : i + 1], reports[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(scores, alone, rtol=1e-5, atol=1e-6)


def test_volume_equals_the_loop_and_is_what_the_model_chooses_by() -> None:
    model, hires = frozen(), tiny_batch().hires_volumes
    scores = scoring.volume(model, hires)
    rows = model.vision(model.tokens(model.normalise(hires)), attention_rows=True).cls_attention
    for volume in range(len(hires)):
        for slab in range(SLABS):
            tokens = range(TOKENS * slab, TOKENS * (slab + 1))  # of T_3D: a slab has 2 x 2 tokens, too
            own = [float(rows[volume, layer, head, token]) for layer in (0, 1) for head in (0, 1) for token in tokens]
            assert float(scores[volume, slab]) == pytest.approx(mean(own), rel=1e-5)
    assert float((scores.amax(1) / scores.amin(1)).min()) > 1.001  # the slabs differ, so a wrong order would be seen
    torch.testing.assert_close(model.encode_images(hires).slice_scores, scores)


def test_joint_equals_the_loop_and_shares_one_budget() -> None:
    model, hires = frozen(), tiny_batch().hires_volumes
    scores = scoring.joint(model, hires)
    for volume in range(len(hires)):
        planes = attention_of(model, hires[volume : volume + 1], list(range(DEPTH)))
        for slab in range(SLABS):
            own = [v for plane in planes[4 * slab : 4 * slab + 4] for v in plane]
            assert float(scores[volume, slab]) == pytest.approx(mean(own), rel=1e-5)
    torch.testing.assert_close(scores.sum(1), torch.full((len(hires),), 1 / 16))  # 16 tokens a slab


def test_separate_says_nothing_unless_it_takes_the_peak() -> None:
    hires = tiny_batch().hires_volumes
    torch.testing.assert_close(scoring.separate(frozen(), hires), torch.full((2, SLABS), 1 / TOKENS))
    model = frozen(slab_pooling="max")
    scores = scoring.separate(model, hires)
    for slab in range(SLABS):
        peaks = [max(attention_of(model, hires[:1], [4 * slab + plane])[0]) for plane in range(4)]
        assert float(scores[0, slab]) == pytest.approx(mean(peaks), rel=1e-5)


def test_coarse_to_fine_divides_the_budget_of_the_best_anew() -> None:
    model, hires = frozen(slices=1), tiny_batch().hires_volumes  # one slice: two candidates of four slabs
    coarse, scores = scoring.volume(model, hires), scoring.coarse_to_fine(model, hires)
    for volume in range(len(hires)):
        before = coarse[volume].tolist()
        best = sorted(sorted(range(SLABS), key=lambda slab: -before[slab])[:2])
        seen = [4 * slab + plane for slab in best for plane in range(4)]
        planes = attention_of(model, hires[volume : volume + 1], seen)
        share = [mean([v for plane in planes[4 * place : 4 * place + 4] for v in plane]) for place in range(2)]
        expected = list(before)
        for slab, part in zip(best, share, strict=True):
            expected[slab] = sum(before[s] for s in best) * part / sum(share)
        assert scores[volume].tolist() == pytest.approx(expected, rel=1e-5)


def test_text_is_the_cosine_with_the_mean_state() -> None:
    model, batch = frozen(), tiny_batch(radiographs=0)
    reports = model.get_text_features(batch.input_ids, batch.attention_mask)
    scores = scoring.text(model, batch.hires_volumes, reports)
    states = model.vision(model.vision.volumes(model.preprocess.volumes(batch.hires_volumes))).patches
    for volume in range(2):
        for slab in range(SLABS):
            state = sum(states[volume, 4 * slab + token] for token in range(4)) / 4
            projected = model.image_projection(state[None], kind=SequenceKind.VOLUME)[0]
            assert float(scores[volume, slab]) == pytest.approx(float(projected @ reports[volume]), abs=1e-6)
    with pytest.raises(ValueError, match="needs the embeddings of the reports"):
        scoring.text(model, batch.hires_volumes)


@pytest.mark.parametrize(("depth", "most", "each"), [(16, 32, 4), (16, 8, 2), (16, 3, 1), (18, 32, 4), (4, 32, 1)])
def test_planes_are_even_and_lie_in_their_slab(depth: int, most: int, each: int) -> None:
    planes = planes_of(torch.arange(SLABS)[None], SLABS, depth, most)[0].tolist()
    assert len(planes) == SLABS * each
    assert planes == sorted(set(planes))
    for place, plane in enumerate(planes):
        slab = place // each
        assert slab * depth / SLABS <= plane + 0.5 <= (slab + 1) * depth / SLABS  # its middle


def test_any_scores_can_choose_the_slices() -> None:
    model, hires = frozen(slices=1), tiny_batch().hires_volumes
    scores = torch.tensor([[0.0, 0, 0, 1], [0, 1, 0, 0]])
    output = model.encode_images(hires, scores=scores)
    assert output.selected.tolist() == [[14], [6]]
    assert torch.equal(output.slice_scores, scores)
