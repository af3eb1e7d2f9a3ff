"""Tokens to pixels: every decoder in 2D and 3D, the states it reads, and windows that are put together again."""

import pytest
import torch
from torch.nn import functional as F

from tests.tiny import tiny_batch, tiny_model
from unimedi.adaptation.segmentation.decoders import DECODERS, RARE, LinearDecoder, scales_of
from unimedi.adaptation.segmentation.segmenter import Segmenter, hidden_states

TOKENS = {2: (8, 8), 3: (2, 8, 8)}


def test_stages_of_a_token() -> None:
    assert scales_of((16, 16)) == [(2, 2)] * 4
    assert scales_of((4, 16, 16)) == [(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert scales_of((1, 1)) == [(1, 1)]
    with pytest.raises(ValueError, match=r"powers of two, got \(3, 16, 16\)"):
        scales_of((3, 16, 16))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_gives_a_logit_a_pixel_and_learns_everywhere(name: str, ndim: int) -> None:
    scales, grid = scales_of(TOKENS[ndim]), (2, 3, 4)[:ndim]
    size = tuple(g * t for g, t in zip(grid, TOKENS[ndim], strict=True))
    decoder = DECODERS[name](8, 5, scales)
    draws = torch.Generator().manual_seed(0)
    image = torch.randn(2, 1, *size, generator=draws)
    logits = decoder(image, [torch.randn(2, 8, *grid, generator=draws) for _ in scales])
    assert logits.shape == (2, 5, *size)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())


def test_linear_decoder_reads_each_token_alone() -> None:
    decoder, grid = LinearDecoder(4, 3, [(2, 2)]), torch.randn(1, 4, 2, 2)
    weight = decoder.read.weight[:, :, 0, 0]
    expected = torch.stack([torch.stack([weight @ grid[0, :, i, j] + RARE for j in range(2)], 1) for i in range(2)], 1)
    whole = F.interpolate(expected[None], (4, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(decoder(torch.zeros(1, 1, 4, 4), [grid]), whole)


def test_hidden_states_are_those_of_the_layers() -> None:
    model, fine = tiny_model(num_hidden_layers=3), tiny_batch().hires_volumes
    assert fine is not None
    tokens = model.tokens(model.normalise(fine))
    states = hidden_states(model.vision, tokens, [1, 2, 3])
    sequence = torch.cat([model.vision.cls_token.expand(len(fine), -1, -1), tokens.content + tokens.position], 1)
    for layer, state in zip(model.vision.layers[:2], states[:2], strict=True):
        sequence = layer(sequence)
        assert torch.equal(state, sequence[:, 1:])
    assert torch.equal(states[2], model.vision(tokens).patches)
    assert not any(layer._forward_hooks for layer in model.vision.layers)


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_window_is_the_input_of_pre_training_mean_image_included(ndim: int) -> None:
    model, batch = tiny_model(centre_inputs=True), tiny_batch()
    for mean in (model.vision.mean_radiograph, model.vision.mean_volume):
        torch.nn.init.normal_(mean)
    segmenter = Segmenter(model, ndim, "linear", 3).eval()
    stored = batch.radiographs if ndim == 2 else batch.hires_volumes
    assert stored is not None
    pixels = model.normalise(stored)
    expected = model.tokens(pixels)
    found = segmenter.tokens(segmenter.inputs(stored))
    torch.testing.assert_close(found.content, expected.content, atol=1e-5, rtol=1e-5)
    logits = segmenter(segmenter.inputs(stored)).detach()
    if ndim == 3:
        logits = F.interpolate(logits, tuple(stored.shape[1:]), mode="trilinear", align_corners=False)
    torch.nn.init.zeros_(segmenter.decoder.read.bias)  # type: ignore[union-attr, arg-type]
    predicted = segmenter.predict(stored)
    assert predicted.shape == (len(stored), 3, *stored.shape[1:])
    clear = (logits - RARE).abs() > 1e-4
    assert torch.equal(predicted[clear], (logits - RARE > 0)[clear])


def test_windows_at_the_finer_resolution() -> None:
    segmenter = Segmenter(tiny_model(), 3, "unetr", 2, resolution="hires").eval()
    fine = tiny_batch().hires_volumes
    assert fine is not None
    assert segmenter.inputs(fine).shape == (2, 1, *fine.shape[1:])
    assert segmenter.window == (8, 16, 16)
    assert segmenter.predict(fine).shape == (2, 2, *fine.shape[1:])
    whole, one = segmenter.predict(fine), segmenter.predict(fine[1:])
    assert torch.equal(whole[1:], one)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_gives_no_gradient_to_the_encoder(frozen: bool) -> None:
    model, batch = tiny_model(), tiny_batch()
    assert batch.radiographs is not None
    segmenter = Segmenter(model, 2, "setr_pup", 2, frozen)
    segmenter(segmenter.inputs(batch.radiographs)).square().mean().backward()
    assert (model.vision.layers[0].layernorm_before.weight.grad is None) == frozen
    assert all(p.grad is not None for p in segmenter.decoder.parameters())


def test_mixed_precision_answers_in_single() -> None:
    batch = tiny_batch()
    assert batch.radiographs is not None
    segmenter = Segmenter(tiny_model(), 2, "linear", 2, precision="bf16").eval()
    assert segmenter(segmenter.inputs(batch.radiographs)).dtype == torch.float32
