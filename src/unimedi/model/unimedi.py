"""The model that ships: E_v and E_l into one space (UniMedI, figure 3)."""

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, Int, Int16, Shaped
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.config import UniMediConfig
from unimedi.model.positions import Positions
from unimedi.model.pretrained import refuse_unmatched
from unimedi.model.projection import Projection
from unimedi.model.schema import older_weights
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.slice_selection import (
    BLIND_SELECTORS,
    SLICE_CONTENTS,
    planes_within,
    select_slices,
    slab_centres,
    slice_scores,
)
from unimedi.model.text_encoder import TextEncoder
from unimedi.model.vision_encoder import Tokens, VisionEncoder

KIND: Final = "a UniMedI model"
MAX_LOGIT_SCALE = math.log(100.0)  # as CLIP: keeps the softmax from hardening without end


@dataclass(frozen=True, slots=True)
class CutSlices:
    """The slices of pseudo-pairs: pixels in [-1, 1], and how high each lies in its volume (0 feet, 1 head)."""

    pixels: Float[Tensor, "n k 1 height width"]
    depth: Float[Tensor, "n k"]

    def __getitem__(self, rows: slice) -> "CutSlices":
        return CutSlices(self.pixels[rows], self.depth[rows])


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """What an image becomes. The last two are None for radiographs; ``selected`` also for volumes without slices."""

    embedding: Float[Tensor, "n embedding"]  # unit length, the common space
    cls: Float[Tensor, "n hidden"]  # E_v's [CLS]: what a probe reads
    patches: Float[Tensor, "n tokens hidden"]  # T_3D's, then those of the slices
    cls_attention: Float[Tensor, "n layers heads patches"]  # over the T_2D tokens, or over the T_3D tokens
    slice_scores: Float[Tensor, "n slabs"] | None = None
    selected: Int[Tensor, "n k"] | None = None  # planes of the stored volume, feet to head


class UniMediModel(PreTrainedModel):  # type: ignore[misc]
    """One vision transformer for 2D and 3D, one reader of reports, one space.

    ``get_image_features`` and ``get_text_features`` behave as CLIP's; :meth:`encode_images` gives all the insides.
    """

    config_class = UniMediConfig
    base_model_prefix = "unimedi"
    main_input_name = "pixel_values"
    supports_gradient_checkpointing = True
    _keep_in_fp32_modules_strict = frozenset({"centre"})  # the running means, whatever dtype is asked for

    def __init__(self, config: UniMediConfig) -> None:
        super().__init__(config)
        if config.text is None:
            raise InputError("config.text: expected the configuration of a BERT-like model, got none")
        self.preprocess = Preprocess.from_dict(config.preprocess or {})
        self.vision = VisionEncoder(config, self.preprocess)
        self.text = TextEncoder(config.text, config.text_pooling)
        self.image_projection = Projection(
            config.hidden_size, config.embedding_size, config.projection_norm, len(SequenceKind)
        )
        self.text_projection = Projection(self.text.hidden_size, config.embedding_size, config.projection_norm)
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *args: Any, **kwargs: Any) -> Any:
        """As transformers loads a model, from a folder of any schema version (:mod:`unimedi.model.schema`).

        Args:
            pretrained_model_name_or_path: a pretrained folder.
            *args, **kwargs: as of transformers; ``dtype``, ``local_files_only``, ``output_loading_info`` …

        Raises:
            PretrainedError: its weights are not those that its configuration asks for; the sentence lists names.
        """
        told = kwargs.pop("output_loading_info", False)
        name: str | Path | None = pretrained_model_name_or_path
        if (older := older_weights(pretrained_model_name_or_path)) is not None:
            kwargs |= {"state_dict": older, "config": kwargs.get("config") or UniMediConfig.from_pretrained(name)}
            name = None  # transformers takes weights or a name
        kwargs |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # it tells, and we refuse
        model, found = super().from_pretrained(name, *args, **kwargs)
        refuse_unmatched(found, pretrained_model_name_or_path, KIND)
        return (model, found) if told else model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=std)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.Conv3d):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, Positions):
            module.reset_parameters()
        elif isinstance(module, VisionEncoder):
            init.trunc_normal_(module.cls_token, std=std)
            init.trunc_normal_(module.mask_token, std=std)
            if module.centre_inputs:
                init.zeros_(module.mean_radiograph)
                init.zeros_(module.mean_volume)
        elif isinstance(module, UniMediModel):
            init.constant_(module.logit_scale, -math.log(self.config.initial_temperature))

    # -- from stored pixels to tokens: the one path, in training and in use ---------------------------------------

    def normalise(self, stored: Shaped[Tensor, "n *size"]) -> Float[Tensor, "n 1 *grid"]:
        """What T_2D or T_3D sees, in [-1, 1], of images as the store keeps them.

        Args:
            stored: radiographs ``(n, height, width)`` in 0..4095, or volumes ``(n, depth, height, width)`` in HU at
                ``preprocess.hires_shape``; int16.
        """
        if stored.dtype != torch.int16:
            raise InputError(f"expected int16 pixels as the processor gives them, got {stored.dtype}")
        return self.preprocess.normalise(stored)

    def tokens(self, pixels: Float[Tensor, "n 1 *grid"], slices: CutSlices | None = None) -> Tokens:
        """T_2D's tokens of normalised radiographs, T_3D's of volumes, or a pseudo-pair's (section 3.2)."""
        if slices is not None and not self.config.volume_tokens:
            return self.vision.slices(slices.pixels, slices.depth)
        tokens = self.vision.radiographs(pixels) if pixels.ndim == 4 else self.vision.volumes(pixels)
        return tokens if slices is None else self.with_slices(tokens, slices)

    def with_slices(self, volume: Tokens, slices: CutSlices) -> Tokens:
        """A pseudo-pair: T_3D's tokens of a volume and T_2D's of its slices behind them; without
        ``config.volume_tokens`` the slices' alone."""
        tokens = self.vision.slices(slices.pixels, slices.depth)
        return volume + tokens if self.config.volume_tokens else tokens

    @property
    def volume_sequence(self) -> SequenceKind:
        """What E_v reads of a volume as the model is configured."""
        if not self.config.slices:
            return SequenceKind.VOLUME
        return SequenceKind.PAIR if self.config.volume_tokens else SequenceKind.SLICES

    def with_config(self, **changes: object) -> "UniMediModel":
        """The same weights (shared, not copied) with other values in the configuration, such as ``slab_pooling``."""
        variant = copy.copy(self)
        variant.config = copy.copy(self.config)
        for name, value in changes.items():
            setattr(variant.config, name, value)
        return variant

    # -- which slices ---------------------------------------------------------------------------------------------

    def score_slabs(self, volume: Tokens) -> tuple[Float[Tensor, "n slabs"], Float[Tensor, "n layers heads patches"]]:
        """One pass of E_v over T_3D's tokens: each slab's score s_i (section 3.2), and the attention it comes from."""
        attention = self.vision(volume, attention_rows=True).cls_attention
        return slice_scores(attention, self.vision.volume_grid, self.config.slab_pooling), attention

    def select_planes(
        self, scores: Float[Tensor, "n slabs"], generator: torch.Generator | None = None, selector: str | None = None
    ) -> Int[Tensor, "n k"]:
        """The k planes of the stored volume that the selector takes, ordered from the feet to the head.

        Args:
            scores: of the slabs, higher is better; other selectors than ``attentive`` do not look at them.
            generator: draws a plane within each slab, as in training; without it the slab's middle plane is taken.
            selector: in place of the model's own.
        """
        config, planes, slab_count = self.config, self.preprocess.hires_shape[0], self.vision.volume_grid[0]
        selector = selector or config.selector
        if selector == "attentive":
            slabs = select_slices(scores, config.slices)
        else:
            fixed = generator or torch.Generator().manual_seed(0)  # in use nothing is left to chance
            slabs = BLIND_SELECTORS[selector](len(scores), slab_count, config.slices, fixed).to(scores.device)
        if generator is None:
            return slab_centres(slabs, slab_count, planes)
        offset = torch.rand(slabs.shape, generator=generator).to(slabs.device)
        return planes_within(slabs, slab_count, planes, offset)

    def cut_slices(self, hires: Int16[Tensor, "n depth height width"], planes: Int[Tensor, "n k"]) -> CutSlices:
        """The selected planes of stored volumes, or what stands for their slabs, as T_2D sees them."""
        shown, index = SLICE_CONTENTS[self.config.slice_content](hires, planes, self.vision.volume_grid[0])
        return CutSlices(self.preprocess.slices(shown, index), (planes + 0.5) / hires.shape[1])

    # -- features -------------------------------------------------------------------------------------------------

    def encode_images(
        self, pixel_values: Shaped[Tensor, "n *size"], scores: Float[Tensor, "n slabs"] | None = None
    ) -> ImageOutput:
        """Encode images of one kind, as :class:`~unimedi.model.processor.UniMediProcessor` gives them.

        Args:
            pixel_values: stored pixels, int16: radiographs ``(n, height, width)`` or volumes ``(n, depth, height,
                width)`` in HU.
            scores: of the volumes' slabs (any of :mod:`unimedi.model.scoring`), in place of the model's own.

        Raises:
            InputError: the pixels are not int16.
        """
        tokens = self.tokens(self.normalise(pixel_values))
        if ImageKind.of(pixel_values.ndim - 1) is ImageKind.XRAY:
            output = self.vision(tokens, attention_rows=True)
            embedding = self.image_projection(output.cls, SequenceKind.RADIOGRAPH)
            return ImageOutput(embedding, output.cls, output.patches, output.cls_attention)
        own_scores, attention = self.score_slabs(tokens)
        scores, planes = own_scores if scores is None else scores, None
        if self.config.slices:
            planes = self.select_planes(scores)
            tokens = self.with_slices(tokens, self.cut_slices(pixel_values, planes))
        output = self.vision(tokens)
        embedding = self.image_projection(output.cls, self.volume_sequence)
        return ImageOutput(embedding, output.cls, output.patches, attention, scores, planes)

    def get_image_features(self, pixel_values: Shaped[Tensor, "n *size"], **_: Any) -> Float[Tensor, "n embedding"]:
        """Unit vectors in the common space; see :meth:`encode_images`. Tokens of texts may come with them."""
        return self.encode_images(pixel_values).embedding

    def get_text_features(
        self, input_ids: Int[Tensor, "n words"], attention_mask: Int[Tensor, "n words"], **_: Any
    ) -> Float[Tensor, "n embedding"]:
        """Unit vectors of reports or prompts in the common space."""
        embedding: Tensor = self.text_projection(self.text(input_ids, attention_mask))
        return embedding

    def scale(self) -> Float[Tensor, ""]:
        """The learnt inverse temperature, at most 100: what cosines are multiplied with before a softmax."""
        return self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()

    def forward(
        self,
        input_ids: Int[Tensor, "reports words"],
        attention_mask: Int[Tensor, "reports words"],
        pixel_values: Int16[Tensor, "images *size"],
    ) -> Float[Tensor, "images reports"]:
        """Similarity of every image with every report: cosine times the learnt scale."""
        images = self.get_image_features(pixel_values)
        reports = self.get_text_features(input_ids, attention_mask)
        return self.scale() * images @ reports.T
