"""E_v: one transformer for the tokens of radiographs, slices and volumes (UniMedI, section 3.1)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ViTConfig
from transformers.models.vit.modeling_vit import ViTLayer

from unimedi.errors import InputError
from unimedi.inputs.preprocess import Preprocess
from unimedi.model import attention
from unimedi.model.config import UniMediConfig
from unimedi.model.patch_embed import build_tokenizers
from unimedi.model.positions import Positions


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a tokenizer saw, and where: kept apart so that a masked token loses its content and keeps its place."""

    content: Float[Tensor, "n patches hidden"]
    position: Float[Tensor, "n_or_1 patches hidden"]
    of_t2d: Bool[Tensor, "_ patches"]  # which of them T_2D made; a row for all images, or one for each

    def __add__(self, other: "Tokens") -> "Tokens":
        """One sequence of both: the volume's tokens, then its slices'."""
        place = other.position.expand(self.content.shape[0], -1, -1)
        mine = self.position.expand(self.content.shape[0], -1, -1)
        of_t2d = torch.cat([self.of_t2d, other.of_t2d], 1)
        return Tokens(torch.cat([self.content, other.content], 1), torch.cat([mine, place], 1), of_t2d)

    def at(self, places: Int[Tensor, "n kept"]) -> "Tokens":
        """Of each row the tokens at ``places``, the others dropped."""
        where = places.unsqueeze(-1).expand(-1, -1, self.content.shape[-1])
        position = self.position.expand(self.content.shape[0], -1, -1)
        of_t2d = self.of_t2d.expand(len(places), -1).gather(1, places)
        return Tokens(self.content.gather(1, where), position.gather(1, where), of_t2d)

    def __getitem__(self, rows: slice) -> "Tokens":
        position, of_t2d = (part if len(part) == 1 else part[rows] for part in (self.position, self.of_t2d))
        return Tokens(self.content[rows], position, of_t2d)


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """``cls_attention`` is softmax(q_lh([CLS]) K_lh([Patch]) / sqrt(C)) for every layer l and head h, if asked for."""

    cls: Float[Tensor, "n hidden"]
    patches: Float[Tensor, "n patches hidden"]
    cls_attention: Float[Tensor, "n layers heads patches"] | None


class VisionEncoder(nn.Module):
    """E_v with T_2D and T_3D (section 3.1): tokenise, then encode with the call itself.

    Args:
        config: sizes, tokenizers, positions.
        preprocess: sizes of the images; each must be a multiple of a patch.

    Raises:
        InputError: a size is not a multiple of a patch or slab.
    """

    mean_radiograph: Tensor
    mean_volume: Tensor

    def __init__(self, config: UniMediConfig, preprocess: Preprocess) -> None:
        super().__init__()
        self.patch, self.slab = config.patch_size, config.slab_depth
        self.centre_inputs = config.centre_inputs
        self.cls_init = config.cls_init
        self.embed_2d, self.embed_3d = build_tokenizers(config)
        rows, columns = (size // self.patch for size in preprocess.radiograph_size)
        depth, height, width = preprocess.volume_shape
        for name, size, step in (
            *(("radiograph_size", size, self.patch) for size in preprocess.radiograph_size),
            *(("slice_size", size, self.patch) for size in preprocess.slice_size),
            ("volume_shape's height", height, self.patch),
            ("volume_shape's width", width, self.patch),
            ("volume_shape's depth", depth, self.slab),
        ):
            if size % step:
                raise InputError(f"{name} {size} is not a multiple of {step}")
        self.volume_grid = (depth // self.slab, height // self.patch, width // self.patch)
        self.slice_grid = (preprocess.slice_size[0] // self.patch, preprocess.slice_size[1] // self.patch)
        self.positions = Positions(
            (rows, columns), self.volume_grid[0], config.hidden_size, config.positions == "factorised"
        )
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.hidden_size))
        self.mask_token = nn.Parameter(torch.empty(1, 1, config.hidden_size))
        vit = ViTConfig(
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            layer_norm_eps=config.layer_norm_eps,
        )
        vit._attn_implementation = attention.NAME
        self.vit_config = vit
        self.layers = nn.ModuleList(ViTLayer(vit) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        if self.centre_inputs:
            # Means over the training set; a slice's mean is read from the volume's at its depth.
            self.register_buffer("mean_radiograph", torch.zeros(1, *preprocess.radiograph_size))
            self.register_buffer("mean_volume", torch.zeros(1, *preprocess.volume_shape))

    def radiographs(self, pixels: Float[Tensor, "n 1 height width"]) -> Tokens:
        """T_2D's tokens of radiographs, values in [-1, 1]."""
        if self.centre_inputs:
            pixels = pixels - self.mean_radiograph
        grid = (pixels.shape[2] // self.patch, pixels.shape[3] // self.patch)
        position = self.positions.radiograph(grid).to(pixels.device)
        return Tokens(self.embed_2d(self._typed(pixels)), position, _all(position, True))

    def volumes(self, voxels: Float[Tensor, "n 1 depth height width"]) -> Tokens:
        """T_3D's tokens of volumes, values in [-1, 1]."""
        if self.centre_inputs:
            voxels = voxels - self.mean_volume
        position = self.positions.volume(self.volume_grid).to(voxels.device)
        return Tokens(self.embed_3d(self._typed(voxels)), position, _all(position, False))

    def slices(self, pixels: Float[Tensor, "n k 1 height width"], depth: Float[Tensor, "n k"]) -> Tokens:
        """T_2D's tokens of the k slices of each volume, one slice behind the other: ``k * patches``.

        Args:
            pixels: in [-1, 1].
            depth: the height of each slice in its volume, from 0 (feet) to 1 (head).
        """
        n = pixels.shape[0]
        if self.centre_inputs:
            pixels = pixels - self._mean_slices(depth, pixels.shape[-2:])
        content = self.embed_2d(self._typed(pixels.flatten(0, 1)))
        position = self.positions.slices(self.slice_grid, depth)
        return Tokens(content.reshape(n, -1, content.shape[-1]), position, _all(position[:1], True))

    def reference(
        self, pixels: Float[Tensor, "n *axes height width"], depth: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "_ *shape"]:
        """The image that says nothing: the training set's mean where inputs are centred by it, else black (air).

        Args:
            pixels: normalised radiographs ``(n, 1, height, width)``, volumes ``(n, 1, depth, height, width)`` or, with
                their ``depth``, slices ``(n, k, 1, height, width)``; the answer goes with them.
            depth: of slices: their height in the volume.
        """
        if not self.centre_inputs:
            return torch.full_like(pixels, -1.0)
        if depth is not None:
            return self._mean_slices(depth, pixels.shape[-2:]).to(pixels.dtype)
        return (self.mean_radiograph if pixels.ndim == 4 else self.mean_volume)[None].to(pixels.dtype)

    def _typed(self, values: Tensor) -> Tensor:
        """In the type of the weights (fp32 under autocast): pixels, means and heights come in fp32."""
        return values.to(self.cls_token.dtype)

    def _mean_slices(self, depth: Tensor, size: torch.Size) -> Tensor:
        planes = self.mean_volume.shape[1]
        plane = (depth * planes).long().clamp(max=planes - 1)
        mean = nn.functional.interpolate(self.mean_volume.transpose(0, 1), tuple(size), mode="bilinear")
        return mean[plane]

    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "n patches"] | None = None,
        attention_rows: bool = False,
    ) -> EncoderOutput:
        """Encode ``[CLS] + tokens``.

        Args:
            tokens: of images of one kind.
            mask: true where a token's content is replaced by [MASK]; its position stays.
            attention_rows: whether the output has ``cls_attention``.
        """
        content, cls = tokens.content, self.cls_token.expand(tokens.content.shape[0], -1, -1)
        if mask is not None:
            content = torch.where(mask.unsqueeze(-1), self.mask_token.to(content.dtype), content)
        if self.cls_init == "max_pool":
            cls = cls + content.amax(1, keepdim=True)
        elif self.cls_init == "max_pool_2d":
            cls = cls + _strongest(content, tokens.of_t2d)
        sequence = self._typed(content + tokens.position)
        sequence = torch.cat([cls.to(sequence.dtype), sequence], dim=1)
        rows: list[Tensor] | None = [] if attention_rows else None
        for layer in self.layers:
            sequence = layer(sequence, cls_rows=rows)
        exact, sequence = self._exact_norm(sequence[:, 0]), self.norm(sequence)
        cls_attention = None
        if rows is not None:
            # The paper's softmax runs over the patches alone: drop the [CLS] column and renormalise, which is the same.
            cls_attention = torch.stack([row[:, :, 0, 1:] for row in rows], dim=1)
            cls_attention = cls_attention / cls_attention.sum(-1, keepdim=True)
        return EncoderOutput(sequence[:, 0] if exact is None else exact, sequence[:, 1:], cls_attention)

    def _exact_norm(self, cls: Tensor) -> Tensor | None:
        """[CLS] normalised in fp32, where the weights are in half precision: the centring leaves little of it."""
        if cls.dtype not in (torch.bfloat16, torch.float16):
            return None
        norm = self.norm
        return F.layer_norm(cls.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)


def _all(position: Float[Tensor, "_ patches hidden"], of_t2d: bool) -> Bool[Tensor, "_ patches"]:
    """The same answer for every token."""
    return torch.full(position.shape[:2], of_t2d, device=position.device)


def _strongest(
    content: Float[Tensor, "n patches hidden"], among: Bool[Tensor, "_ patches"]
) -> Float[Tensor, "n 1 hidden"]:
    """Each channel's maximum over the tokens of a row that are ``among``; 0 where none is."""
    strongest = content.masked_fill(~among.unsqueeze(-1), -torch.inf).amax(1, keepdim=True)
    return strongest.masked_fill(~among.any(1)[:, None, None], 0)
