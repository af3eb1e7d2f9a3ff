"""A model in half, double or bf16 does what it does in fp32, to the tolerance of the type, as others do."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.tiny import tiny_batch, tiny_model
from unimedi.model.scoring import SCORERS
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel

BATCH = tiny_batch(3, 2)
RADIOGRAPHS = BATCH.radiographs
VARIANTS = {
    "the demo's": {"patch_tokenizer": "stem", "cls_init": "max_pool", "centre_inputs": True},
    "plain": {"positions": "none", "projection_norm": "none", "slices": 0},
}


def model(variant: str) -> UniMediModel:
    """With means and a temperature as a training leaves them."""
    made, draws = tiny_model(**VARIANTS[variant]), torch.Generator().manual_seed(1)
    for name, buffer in made.named_buffers():
        if "mean" in name:
            buffer.copy_(0.1 * torch.randn(buffer.shape, generator=draws))
    for name, buffer in made.named_buffers():
        if name.endswith("weight"):
            buffer.fill_(0.9)
    return made


@torch.no_grad()
def features(made: UniMediModel) -> list[Tensor]:
    reports = (BATCH.input_ids, BATCH.attention_mask)
    return [
        made.get_image_features(RADIOGRAPHS),
        made.get_image_features(BATCH.hires_volumes),
        made.get_text_features(*reports),
        made(*reports, pixel_values=RADIOGRAPHS) / made.scale(),
        made(*reports, pixel_values=BATCH.hires_volumes) / made.scale(),
    ]


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype in (torch.float32, torch.float64)
        torch.testing.assert_close(ours.double(), theirs.double(), atol=tolerance, rtol=0)


WAYS: dict[str, tuple[Callable[[UniMediModel], UniMediModel], float]] = {
    "half": (lambda made: made.half(), 5e-3),
    "bfloat16": (lambda made: made.bfloat16(), 4e-2),
    "double": (lambda made: made.double(), 1e-5),
    "a copy": (copy.deepcopy, 0),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("way", WAYS)
def test_it_runs_in_any_type(way: str, variant: str) -> None:
    made = model(variant)
    expected, (turn, tolerance) = features(made), WAYS[way]
    assert_same(features(turn(made)), expected, tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, "bfloat16", "auto", None])
def test_it_is_loaded_in_any_type(dtype: torch.dtype | str | None, tmp_path: Path) -> None:
    made = model("the demo's")
    made.save_pretrained(tmp_path)
    loaded = UniMediModel.from_pretrained(tmp_path, dtype=dtype).eval()
    name = str(dtype).removeprefix("torch.")
    assert loaded.dtype == (torch.float32 if name in ("auto", "None") else getattr(torch, name))
    assert_same(features(loaded), features(made), 4e-2)


def test_saved_in_bf16_it_is_loaded_again(tmp_path: Path) -> None:
    made = model("the demo's").bfloat16()
    made.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    expected = features(made)
    assert_same(features(UniMediModel.from_pretrained(tmp_path, dtype="auto").eval()), expected, 0)
    exact = UniMediModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert exact.dtype == torch.float32
    assert_same(features(exact), expected, 4e-2)


def test_under_autocast_the_embeddings_are_in_fp32() -> None:
    made = model("the demo's")
    expected = features(made)
    with torch.autocast("cpu", torch.bfloat16):
        found = features(made)
    assert_same(found[:3], expected[:3], 4e-2)  # the embeddings; their product is autocast's


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_it_learns_in_the_type_of_its_weights(dtype: torch.dtype) -> None:
    made = model("the demo's").to(dtype).train()
    loss = torch.zeros(())
    for images in (RADIOGRAPHS[:2], BATCH.hires_volumes):
        logits = made(BATCH.input_ids[:2], BATCH.attention_mask[:2], images)
        loss = loss + torch.nn.functional.cross_entropy(logits, torch.arange(2))
    loss.backward()
    for part in (made.vision.embed_2d, made.vision.embed_3d, made.text, made.text_projection):
        for parameter in part.parameters():
            assert parameter.grad is None or (parameter.grad.dtype == dtype and parameter.grad.isfinite().all())
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in part.parameters())


@pytest.mark.parametrize("name", SCORERS)
@torch.no_grad()
def test_slabs_are_scored_in_any_type(name: str) -> None:
    made = model("the demo's")
    reports = made.get_text_features(BATCH.input_ids[:2], BATCH.attention_mask[:2])
    expected = SCORERS[name](made, BATCH.hires_volumes, reports)
    found = SCORERS[name](made.bfloat16(), BATCH.hires_volumes, reports)
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=2e-2)


def test_the_temperature_has_one_limit() -> None:
    made = tiny_model()
    for learnt, scale in ((0.0, 1.0), (2.0, 2.718281828**2), (4.7, 100.0), (50.0, 100.0)):
        made.logit_scale.data.fill_(learnt)
        assert made.scale().item() == pytest.approx(scale, rel=1e-5)
        bare = features(made)
        raw = made(BATCH.input_ids, BATCH.attention_mask, pixel_values=RADIOGRAPHS)
        torch.testing.assert_close(raw, scale * bare[0] @ bare[2].T, rtol=1e-4, atol=1e-4)


def long_mean() -> UniMediModel:
    """A model as a training leaves it: the mean of its features is many times as long as what sets them apart."""
    made = tiny_model(**VARIANTS["the demo's"]).eval()
    with torch.no_grad():
        made.vision.norm.bias += 10 * torch.randn(
            made.vision.norm.bias.shape, generator=torch.Generator().manual_seed(0)
        )
        for kind, images in ((SequenceKind.RADIOGRAPH, RADIOGRAPHS), (made.volume_sequence, BATCH.hires_volumes)):
            projected = made.image_projection.project(made.encode_images(images).cls)
            made.image_projection.centre[kind.place].mean.copy_(projected.mean(0))
            made.image_projection.centre[kind.place].weight.fill_(1)
            assert projected.norm(dim=-1).mean() > 5 * (projected - projected.mean(0)).norm(dim=-1).mean()
    return made


@pytest.mark.parametrize("way", ["weights in bf16", "from_pretrained", "autocast"])
def test_a_long_mean_is_taken_off_in_fp32(way: str, tmp_path: Path) -> None:
    made = long_mean()
    expected = features(made)[:2]
    means = {name: buffer.clone() for name, buffer in made.named_buffers() if ".centre." in name}
    made.save_pretrained(tmp_path)
    if way == "weights in bf16":
        made = made.bfloat16()
    elif way == "from_pretrained":
        made = UniMediModel.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        found = features(made)[:2]
    for name, mean in means.items():
        assert torch.equal(made.get_buffer(name), mean), name  # fp32, to the last bit
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.nn.functional.cosine_similarity(ours, theirs).min() > 0.99
