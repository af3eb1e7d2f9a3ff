"""2D weights into the shared encoder: any ViT that transformers can load, by local folder or cached name."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, ViTModel

from unimedi.errors import InputError
from unimedi.model.pretrained import PretrainedError, opened, refuse_architecture, refuse_missing
from unimedi.model.vision_encoder import VisionEncoder

KIND = "a ViT"
SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
FORMS = ("hidden_act", "qkv_bias")  # no choices here


@torch.no_grad()
def load_vit(encoder: VisionEncoder, name_or_folder: str | Path, *, download: bool = False) -> None:
    """Copy a pretrained ViT's layers, [CLS], patch kernel and positions; T_3D is inflated from T_2D.

    An RGB kernel is summed over its channels: a grey image repeated three times gives the same tokens. Raises
    ``PretrainedError`` where there is no whole ViT or its sizes differ, ``InputError`` where the encoder has no linear
    patch embedding.
    """
    with opened(name_or_folder, KIND):
        model_type = AutoConfig.from_pretrained(name_or_folder, local_files_only=not download).model_type
        if model_type != "vit":
            refuse_architecture(name_or_folder, KIND, model_type)
        vit, found = ViTModel.from_pretrained(
            name_or_folder,
            local_files_only=not download,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,  # kernels are summed and positions resized in it, however they were saved
        )
    refuse_missing(found["missing_keys"], name_or_folder, KIND)
    for name in SIZES:  # another number of heads fits every weight, and reads them wrongly
        if (theirs := getattr(vit.config, name)) != (ours := getattr(encoder.vit_config, name)):
            raise PretrainedError(f"{name_or_folder}: expected model.{name} {ours}, got {theirs}")
    for name in FORMS:
        if (theirs := getattr(vit.config, name)) != (ours := getattr(encoder.vit_config, name)):
            raise PretrainedError(f"{name_or_folder}: expected a ViT with {name} {ours}, got {theirs}")
    kernel = vit.embeddings.patch_embeddings.projection
    first = encoder.embed_2d.layers[0]
    if len(encoder.embed_2d.layers) > 1 or not isinstance(first, nn.Conv2d):
        raise InputError("pretrained ViT weights need patch_tokenizer: linear, the encoder has a stem")
    if first.weight.shape[2:] != kernel.weight.shape[2:] or first.weight.shape[0] != kernel.weight.shape[0]:
        raise InputError(f"expected a kernel of {tuple(first.weight.shape)}, got {tuple(kernel.weight.shape)}")
    first.weight.copy_(kernel.weight.sum(1, keepdim=True))
    assert first.bias is not None
    assert kernel.bias is not None
    first.bias.copy_(kernel.bias)
    encoder.embed_3d.inflate_from(encoder.embed_2d)
    encoder.layers.load_state_dict(vit.layers.state_dict())
    encoder.norm.load_state_dict(vit.layernorm.state_dict())
    encoder.cls_token.copy_(vit.embeddings.cls_token + vit.embeddings.position_embeddings[:, :1])
    if encoder.positions.enabled:
        table = vit.embeddings.position_embeddings[0, 1:]
        side = round(len(table) ** 0.5)
        if side**2 != len(table):
            raise PretrainedError(f"{name_or_folder}: expected a ViT for square images, got {len(table)} patches")
        square = table.T.reshape(1, -1, side, side)
        resized = nn.functional.interpolate(square, encoder.positions.plane_grid, mode="bicubic")
        encoder.positions.plane.copy_(resized[0].flatten(1).T)
