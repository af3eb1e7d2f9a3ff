"""The model that ships: both dimensions in one space, saved and loaded unchanged, batches equal to single images."""

from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_batch, tiny_config, tiny_model
from unimedi.model.projection import Projection
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.text_encoder import TextEncoder, learn_tokenizer, scratch_text_config
from unimedi.model.unimedi import UniMediModel


def test_both_dimensions_end_in_one_space() -> None:
    model, batch = tiny_model(), tiny_batch()
    flat = model.encode_images(batch.radiographs)
    deep = model.encode_images(batch.hires_volumes)
    text = model.get_text_features(batch.input_ids, batch.attention_mask)
    for rows in (flat.embedding, deep.embedding, text):
        assert rows.shape[1] == 8
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))
    assert deep.selected.shape == (2, 2)
    assert deep.slice_scores.shape == (2, 4)
    assert deep.patches.shape[1] == 16 + 2 * 4  # T_3D's tokens and those of two slices
    assert flat.slice_scores is None


def test_pixels_that_somebody_normalised_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected int16 pixels as the processor gives them, got torch\.float32"):
        tiny_model().encode_images(tiny_batch().radiographs / 4095)


@pytest.mark.parametrize("changes", [{}, {"patch_tokenizer": "stem", "centre_inputs": True, "projection_norm": "none"}])
def test_saved_and_loaded_is_the_same_model(tmp_path: Path, changes: dict[str, object]) -> None:
    model, batch = tiny_model(**changes), tiny_batch()
    model.save_pretrained(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    loaded = UniMediModel.from_pretrained(tmp_path).eval()
    first, second = (one.encode_images(batch.hires_volumes).embedding for one in (model, loaded))
    assert torch.equal(first, second)


def test_a_batch_equals_its_images_one_by_one() -> None:
    model, batch = tiny_model(), tiny_batch(volumes=3)
    together = model.get_image_features(batch.hires_volumes)
    alone = torch.cat([model.get_image_features(batch.hires_volumes[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_a_volume_is_tokenised_once_and_comes_out_as_if_it_were_twice() -> None:
    model, batch = tiny_model(), tiny_batch(volumes=3)
    volumes = model.normalise(batch.hires_volumes)
    scores, rows = model.score_slabs(model.tokens(volumes))
    planes = model.select_planes(scores)
    twice = model.vision(model.tokens(volumes, model.cut_slices(batch.hires_volumes, planes)))
    calls: list[int] = []
    hook = model.vision.embed_3d.register_forward_hook(lambda *_: calls.append(1))
    output = model.encode_images(batch.hires_volumes)
    hook.remove()
    assert len(calls) == 1
    assert torch.equal(output.cls, twice.cls)
    assert torch.equal(output.cls_attention, rows)
    assert torch.equal(output.selected, planes)


def test_no_slices_leaves_the_volume_alone() -> None:
    model, batch = tiny_model(slices=0), tiny_batch()
    output = model.encode_images(batch.hires_volumes)
    assert output.selected is None
    assert output.patches.shape[1] == 16


def test_random_slices_are_the_same_each_time_they_are_asked_for() -> None:
    model, batch = tiny_model(selector="random"), tiny_batch(volumes=8)
    first, again = (model.encode_images(batch.hires_volumes).selected for _ in range(2))
    assert torch.equal(first, again)
    assert len({tuple(row) for row in first.tolist()}) > 1


def test_a_slice_may_show_the_maximum_of_its_slab() -> None:
    model, batch = tiny_model(slice_content="slab_maximum"), tiny_batch()
    planes = torch.tensor([[1, 15], [4, 9]])
    cut = model.cut_slices(batch.hires_volumes, planes)
    for volume in range(2):
        for place, plane in enumerate(planes[volume].tolist()):
            slab = batch.hires_volumes[volume, plane // 4 * 4 : plane // 4 * 4 + 4]  # 16 planes, 4 slabs
            brightest = slab.max(dim=0).values[None, None]
            alone = model.preprocess.slices(brightest, torch.tensor([[0]]))
            torch.testing.assert_close(cut.pixels[volume, place], alone[0, 0])
    assert torch.equal(cut.depth, tiny_model().cut_slices(batch.hires_volumes, planes).depth)
    with pytest.raises(ValueError, match="14 planes are not 4 slabs of equal thickness"):
        model.cut_slices(batch.hires_volumes[:, :14], planes.clamp(max=13))


def test_padding_does_not_change_a_report() -> None:
    model = tiny_model()
    words = torch.tensor([[2, 7, 9, 3]])
    padded = torch.cat([words, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    mask = (padded > 0).long()
    torch.testing.assert_close(
        model.get_text_features(words, torch.ones_like(words)), model.get_text_features(padded, mask)
    )


def test_running_mean_follows_training_and_rests_in_evaluation() -> None:
    torch.manual_seed(0)
    projection = Projection(4, 3, "running_mean", means=2).train()
    rows = torch.randn(50, 4) + 5
    for _ in range(60):
        projection(rows, kind=SequenceKind.VOLUME)
    centre = projection.centre[1]
    torch.testing.assert_close(centre.mean / centre.weight, projection.linear(rows).mean(0).detach())
    assert float(projection.centre[0].weight) == 0  # the other kind has seen nothing
    state = centre.mean.clone()
    projection.eval()(rows * 2, kind=SequenceKind.VOLUME)
    assert torch.equal(centre.mean, state)


def test_tokenizer_is_learnt_from_reports_and_deterministic() -> None:
    reports = ["There is a nodule in the left upper lobe.", "No pleural effusion. No pneumothorax."] * 5
    first, second = learn_tokenizer(reports, 120, 16), learn_tokenizer(reports, 120, 16)
    assert first.get_vocab() == second.get_vocab()
    assert first.tokenize("Left NODULE") == ["left", "nodule"]
    assert len(first("nodule " * 50, truncation=True)["input_ids"]) == 16


def test_a_pretrained_text_encoder_loads_from_a_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = scratch_text_config(
        40, 12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    source = TextEncoder(sizes, "mean")
    source.bert.save_pretrained(tmp_path)
    target = TextEncoder(sizes, "mean")
    ids = torch.randint(0, 40, (2, 6))
    assert not torch.allclose(source(ids, torch.ones_like(ids)), target(ids, torch.ones_like(ids)))
    target.load_pretrained(tmp_path)
    assert torch.equal(source(ids, torch.ones_like(ids)), target(ids, torch.ones_like(ids)))


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="positions: expected one of factorised, none"):
        tiny_config(positions="rotary")
