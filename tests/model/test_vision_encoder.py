"""E_v: attention rows change nothing, equal eager attention's row 0, and no parameter is left uninitialised."""

import pytest
import torch
from transformers import ViTConfig, ViTModel

from tests.tiny import PREPROCESS, tiny_config, tiny_model
from unimedi.model.attention import cls_row_attention
from unimedi.model.patch_embed import CONVOLUTIONS, build_tokenizers, patchwise
from unimedi.model.pretrained_vit import load_vit
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import VisionEncoder


@pytest.mark.parametrize("tokenizer", ["linear", "stem"])
def test_rows_do_not_change_the_tokens(tokenizer: str) -> None:
    encoder = tiny_model(patch_tokenizer=tokenizer).vision
    tokens = encoder.radiographs(torch.randn(2, 1, 32, 32))
    plain, with_rows = encoder(tokens), encoder(tokens, attention_rows=True)
    assert torch.equal(plain.cls, with_rows.cls)
    assert torch.equal(plain.patches, with_rows.patches)
    assert plain.cls_attention is None
    assert with_rows.cls_attention.shape == (2, 2, 2, 16)
    torch.testing.assert_close(with_rows.cls_attention.sum(-1), torch.ones(2, 2, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_attention_and_its_row_equal_the_eager_map(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 4, dtype=dtype) for _ in range(3))
    rows: list[torch.Tensor] = []
    output, _ = cls_row_attention(torch.nn.Identity(), query, key, value, None, cls_rows=rows)
    eager = (query.double() @ key.double().transpose(2, 3) / 2).softmax(-1)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(rows[0].double(), eager[:, :, :1], rtol=tolerance, atol=tolerance)
    expected = (eager @ value.double()).transpose(1, 2)
    torch.testing.assert_close(output.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padding_is_not_looked_at(dtype: torch.dtype) -> None:
    """Whatever stands where the mask says no: the words before it get the same attention as without it."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 4, dtype=dtype) for _ in range(3))
    keep = (torch.arange(7) < 5).expand(2, 1, 7, 7)
    padded, _ = cls_row_attention(torch.nn.Identity(), query, key, value, keep)
    short, _ = cls_row_attention(torch.nn.Identity(), query[:, :, :5], key[:, :, :5], value[:, :, :5], None)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(padded[:, :5], short, rtol=tolerance, atol=tolerance)


def test_no_parameter_is_left_uninitialised() -> None:
    """Fill every tensor with NaN, initialise as ``from_pretrained`` would, and look for survivors."""
    for changes in ({}, {"patch_tokenizer": "stem"}, {"centre_inputs": True}, {"projection_norm": "none"}):
        model = UniMediModel(tiny_config(**changes))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(torch.nan)
        for module in model.modules():
            for attribute in ("_is_hf_initialized",):
                if hasattr(module, attribute):
                    delattr(module, attribute)
        for parameter in model.parameters():
            if hasattr(parameter, "_is_hf_initialized"):
                del parameter._is_hf_initialized
        model.init_weights()
        survivors = [name for name, value in model.named_parameters() if value.isnan().any()]
        assert survivors == [], changes


def test_an_inflated_t3d_sees_the_mean_plane_of_a_slab_as_t2d_does() -> None:
    flat, deep = build_tokenizers(tiny_config())
    deep.inflate_from(flat)
    volume = torch.randn(2, 1, 8, 16, 16)
    means = volume.unflatten(2, (4, 2)).mean(3).transpose(1, 2)  # slabs of two planes
    expected = flat(means.flatten(0, 1)).reshape(2, -1, flat.layers[0].out_channels)
    torch.testing.assert_close(deep(volume), expected, rtol=1e-4, atol=1e-5)


def test_an_inflated_stem_starts_as_t2d_does() -> None:
    """Away from the first and the last plane, whose neighbours are padding."""
    flat, deep = build_tokenizers(tiny_config(patch_tokenizer="stem"))
    deep.inflate_from(flat)
    plane = torch.randn(2, 1, 16, 16)
    first = deep.layers[0](plane[:, :, None].expand(-1, -1, 12, -1, -1))
    for depth in (1, 2, 3, 4):
        torch.testing.assert_close(first[:, :, depth], flat.layers[0](plane), rtol=1e-4, atol=1e-5)
    for mine, other in zip(deep.layers, flat.layers, strict=True):
        for name, weight in other.named_parameters():
            inflated = mine.get_parameter(name)
            torch.testing.assert_close(inflated.sum(2) if inflated.ndim > weight.ndim else inflated, weight)


@pytest.mark.parametrize("slab", [1, 2, 4])
def test_a_stem_has_one_token_for_each_slab_and_patch(slab: int) -> None:
    _, deep = build_tokenizers(tiny_config(patch_tokenizer="stem", patch_size=8, slab_depth=slab))
    assert deep(torch.randn(1, 1, 8, 16, 16)).shape == (1, 8 // slab * 2 * 2, deep.layers[-1].out_channels)


@pytest.mark.parametrize(("tokenizer", "beyond"), [("linear", False), ("stem", True)])
def test_a_stem_reaches_beyond_its_slab_and_a_linear_tokenizer_does_not(tokenizer: str, beyond: bool) -> None:
    """Tokens of slab 0, where one plane of slab 1 is another; they come slab by slab from the feet up."""
    _, deep = build_tokenizers(tiny_config(patch_tokenizer=tokenizer, patch_size=8, slab_depth=2))
    volume = torch.randn(1, 1, 8, 16, 16)
    other = volume.clone()
    other[:, :, 2] += 1
    moved = (deep(volume) - deep(other)).abs().amax((0, 2)).unflatten(0, (4, 4)).amax(1) > 1e-4
    assert moved[1]
    assert bool(moved[0]) == beyond


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patch_size": 12}, "a patch_size of 4, 8, 16"),
        ({"patch_size": 8, "stem_channels": 6}, "stem_channels in fours, got 8 and 6"),
        ({"patch_size": 8, "slab_depth": 3}, "a slab_depth of 1, 2, 4 … below the patch_size 8, got 3"),
        ({"patch_size": 8, "slab_depth": 8}, "below the patch_size 8, got 8"),
    ],
)
def test_a_stem_says_which_sizes_it_takes(changes: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_tokenizers(tiny_config(patch_tokenizer="stem", **changes))


def test_cls_may_start_from_the_strongest_tokens() -> None:
    """One odd token is in [CLS] before any attention, wherever it lies; a learnt start sees it by attention alone."""

    def without_layers(start: str) -> VisionEncoder:
        encoder = tiny_model(cls_init=start).vision
        encoder.layers = torch.nn.ModuleList()
        return encoder

    encoder = without_layers("max_pool")
    tokens = encoder.radiographs(torch.randn(2, 1, 32, 32))
    expected = encoder.norm(encoder.cls_token[:, 0] + torch.stack([row.max(0).values for row in tokens.content]))
    torch.testing.assert_close(encoder(tokens).cls, expected)
    plain = without_layers("learned")
    torch.testing.assert_close(plain(tokens).cls, plain.norm(plain.cls_token[:, 0]).expand(2, -1))


@pytest.mark.parametrize("masked", [False, True])
def test_cls_may_start_from_the_strongest_tokens_of_t2d_alone(masked: bool) -> None:
    """Before any attention [CLS] holds the slices' strongest tokens of a pair, and nothing of a volume."""
    model = tiny_model(cls_init="max_pool_2d")
    encoder = model.vision
    encoder.layers = torch.nn.ModuleList()
    volume = encoder.volumes(torch.randn(3, 1, *model.preprocess.volume_shape))
    slices = encoder.slices(torch.randn(3, 2, 1, *model.preprocess.slice_size), torch.rand(3, 2))
    learned, mask = encoder.cls_token[:, 0], torch.rand(3, volume.content.shape[1] + slices.content.shape[1]) < 0.5
    seen = torch.where(mask[..., None], encoder.mask_token, torch.cat([volume.content, slices.content], 1))
    ours = (seen if masked else slices.content)[:, -slices.content.shape[1] :]
    expected = encoder.norm(learned + torch.stack([row.max(0).values for row in ours]))
    pair = volume + slices
    torch.testing.assert_close(encoder(pair, mask if masked else None).cls, expected)
    torch.testing.assert_close(encoder(pair[1:], mask[1:] if masked else None).cls, expected[1:])
    torch.testing.assert_close(encoder(volume).cls, encoder.norm(learned).expand(3, -1))
    alone = encoder(slices).cls
    torch.testing.assert_close(alone, encoder.norm(learned + slices.content.amax(1)))
    places = torch.tensor([[0, volume.content.shape[1]]] * 3)  # one token of each tokenizer
    torch.testing.assert_close(encoder(pair.at(places)).cls, encoder.norm(learned + slices.content[:, 0]))
    model.zero_grad()
    encoder(volume).cls.sum().backward()
    assert not any(parameter.grad.isnan().any() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("start", ["learned", "max_pool", "max_pool_2d"])
def test_a_masked_token_loses_its_content_and_keeps_its_place(start: str) -> None:
    encoder = tiny_model(cls_init=start).vision
    tokens = encoder.radiographs(torch.randn(2, 1, 32, 32))
    other = encoder.radiographs(torch.randn(2, 1, 32, 32))
    everything = torch.ones(2, 16, dtype=torch.bool)
    torch.testing.assert_close(encoder(tokens, everything).cls, encoder(other, everything).cls)
    patches = encoder(tokens, everything).patches
    assert not torch.allclose(patches[:, 0], patches[:, 1])  # the same content, two places
    without = tiny_model(positions="none").vision
    blind = without(without.radiographs(torch.randn(1, 1, 32, 32)), everything[:1]).patches
    torch.testing.assert_close(blind[:, 0], blind[:, 1])


def test_a_slice_carries_its_true_depth() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.vision.positions.depth.normal_()
    positions = model.vision.positions
    at = positions.slices((2, 2), torch.tensor([[0.125, 0.375]]))[0].reshape(2, 4, -1)
    expected = positions.depth[0] - positions.depth[1]
    torch.testing.assert_close((at[0] - at[1])[0], expected)  # centres of slabs 0 and 1 of 4
    assert torch.equal(positions.slices((2, 2), torch.tensor([[0.0]])), positions.slices((2, 2), torch.tensor([[0.1]])))


def test_pretrained_vit_weights_give_the_same_patches(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A ViT saved to a folder and loaded into E_v encodes a grey radiograph as the ViT does."""
    torch.manual_seed(0)
    vit = ViTModel(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=32,
            patch_size=8,
            layer_norm_eps=1e-6,
        ),
        add_pooling_layer=False,
    ).eval()
    vit.save_pretrained(tmp_path)
    encoder = tiny_model().vision
    load_vit(encoder, tmp_path)
    grey = torch.randn(2, 1, 32, 32)
    expected = vit(grey.expand(-1, 3, -1, -1)).last_hidden_state
    output = encoder(encoder.radiographs(grey))
    torch.testing.assert_close(output.cls, expected[:, 0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.patches, expected[:, 1:], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="stem"):
        load_vit(tiny_model(patch_tokenizer="stem").vision, tmp_path)


def test_sizes_that_are_not_multiples_are_refused() -> None:
    odd = PREPROCESS.to_dict() | {"slice_size": [15, 16]}
    with pytest.raises(ValueError, match="slice_size 15 is not a multiple of 8"):
        UniMediModel(tiny_config(preprocess=odd))


@pytest.mark.parametrize(
    ("ndim", "kernel", "size"), [(2, (4, 8), (16, 24)), (3, (2, 4, 4), (6, 8, 12)), (2, (4, 4), (19, 9))]
)
def test_patches_as_one_product_are_the_convolution(ndim: int, kernel: tuple[int, ...], size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = CONVOLUTIONS[ndim](1, 5, kernel, kernel)
    pixels = torch.randn(3, 1, *size)
    torch.testing.assert_close(patchwise(layer, pixels), layer(pixels))
    torch.testing.assert_close(
        torch.autograd.grad(patchwise(layer, pixels).square().sum(), layer.weight)[0],
        torch.autograd.grad(layer(pixels).square().sum(), layer.weight)[0],
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip
