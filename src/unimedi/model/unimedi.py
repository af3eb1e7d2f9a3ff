"""The model that ships: E_v and E_l into one space (UniMedI, figure 3)."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Int16
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init

from unimedi.errors import InputError
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.config import UniMediConfig
from unimedi.model.positions import Positions
from unimedi.model.projection import Projection
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
    """What an image becomes. The last three are None for radiographs; ``selected`` also for volumes without slices."""

    embedding: Float[Tensor, "n embedding"]  # unit length, the common space
    cls: Float[Tensor, "n hidden"]  # E_v's [CLS]: what a probe reads
    patches: Float[Tensor, "n tokens hidden"]  # T_3D's, then those of the slices
    cls_attention: Float[Tensor, "n layers heads patches"]  # over the T_2D tokens, or over the T_3D tokens
    slice_scores: Float[Tensor, "n slabs"] | None = None
    selected: Int[Tensor, "n k"] | None = None  # planes of the finer array, feet to head


class UniMediModel(PreTrainedModel):  # type: ignore[misc]
    """One vision transformer for 2D and 3D, one reader of reports, one space.

    ``get_image_features`` and ``get_text_features`` behave as CLIP's; :meth:`encode_images` gives all the insides.
    """

    config_class = UniMediConfig
    base_model_prefix = "unimedi"
    main_input_name = "radiographs"
    _keep_in_fp32_modules_strict = frozenset({"centre"})  # the running means, whatever dtype is asked for

    def __init__(self, config: UniMediConfig) -> None:
        super().__init__(config)
        if config.text is None:
            raise InputError("config.text: expected the configuration of a BERT-like model, got none")
        self.preprocess = Preprocess.from_dict(config.preprocess or {})
        self.vision = VisionEncoder(config, self.preprocess)
        self.text = TextEncoder(config.text, config.text_pooling)
        self.image_projection = Projection(config.hidden_size, config.embedding_size, config.projection_norm, kinds=2)
        self.text_projection = Projection(self.text.hidden_size, config.embedding_size, config.projection_norm, kinds=1)
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.post_init()

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

    # -- tokens ---------------------------------------------------------------------------------------------------

    def radiograph_tokens(self, radiographs: Float[Tensor, "n 1 height width"]) -> Tokens:
        return self.vision.radiographs(radiographs)

    def volume_tokens(self, volumes: Float[Tensor, "n 1 d h w"], slices: CutSlices | None = None) -> Tokens:
        """T_3D's tokens of the volume and, for a pseudo-pair, T_2D's tokens of the chosen slices behind them (or alone,
        without ``config.volume_tokens``)."""
        if slices is None or self.config.volume_tokens:
            return self._with_slices(self.vision.volumes(volumes), slices)
        return self.vision.slices(slices.pixels, slices.depth)

    def _with_slices(self, tokens: Tokens, slices: CutSlices | None) -> Tokens:
        """As :meth:`volume_tokens`, of T_3D's tokens."""
        if slices is None:
            return tokens
        cut = self.vision.slices(slices.pixels, slices.depth)
        return tokens + cut if self.config.volume_tokens else cut

    # -- slices ---------------------------------------------------------------------------------------------------

    def score_slabs(
        self, volumes: Float[Tensor, "n 1 d h w"]
    ) -> tuple[Float[Tensor, "n slabs"], Float[Tensor, "n layers heads patches"]]:
        """One pass over the T_3D tokens: the score of each slab, and the attention it was read from."""
        return self._score(self.vision.volumes(volumes))

    def _score(self, tokens: Tokens) -> tuple[Float[Tensor, "n slabs"], Float[Tensor, "n layers heads patches"]]:
        rows = self.vision(tokens, attention_rows=True).cls_attention
        return slice_scores(rows, self.vision.volume_grid, self.config.slab_pooling), rows

    def choose_planes(
        self, scores: Float[Tensor, "n slabs"], generator: torch.Generator | None = None, selector: str | None = None
    ) -> Int[Tensor, "n k"]:
        """The k planes of the finer array that the selector takes; with a generator, at random within each slab."""
        config, fine_depth, slab_count = self.config, self.preprocess.hires_shape[0], self.vision.volume_grid[0]
        selector = selector or config.selector
        if selector == "attentive":
            slabs = select_slices(scores, config.slices, config.slice_gap)
        else:
            draws = generator or torch.Generator().manual_seed(0)  # in use nothing is left to chance
            slabs = BLIND_SELECTORS[selector](len(scores), slab_count, config.slices, draws).to(scores.device)
        if generator is None:
            return slab_centres(slabs, slab_count, fine_depth)
        offset = torch.rand(slabs.shape, generator=generator).to(slabs.device)
        return planes_within(slabs, slab_count, fine_depth, offset)

    def cut_slices(self, fine: Int16[Tensor, "n depth height width"], planes: Int[Tensor, "n k"]) -> CutSlices:
        """The chosen planes, or what stands for their slabs, as T_2D sees them, with the planes' true depth."""
        shown, index = SLICE_CONTENTS[self.config.slice_content](fine, planes, self.vision.volume_grid[0])
        return CutSlices(self.preprocess.slices(shown, index), (planes + 0.5) / fine.shape[1])

    # -- features -------------------------------------------------------------------------------------------------

    def encode_images(
        self,
        radiographs: Float[Tensor, "n 1 height width"] | None = None,
        fine: Int16[Tensor, "n depth height width"] | None = None,
        scores: Float[Tensor, "n slabs"] | None = None,
    ) -> ImageOutput:
        """Encode radiographs (values in [-1, 1]) or stored volumes (HU at ``preprocess.hires_shape``), not both.

        ``scores`` of the volumes' slabs (any of :mod:`unimedi.model.scoring`) take the place of the model's own.
        """
        if (radiographs is None) == (fine is None):
            raise InputError("expected either radiographs or fine volumes, got both or neither")
        if radiographs is not None:
            output = self.vision(self.radiograph_tokens(radiographs), attention_rows=True)
            return ImageOutput(
                self.image_projection(output.cls, kind=0), output.cls, output.patches, output.cls_attention
            )
        assert fine is not None
        tokens = self.vision.volumes(self.preprocess.volumes(fine))
        own_scores, attention = self._score(tokens)
        scores = own_scores if scores is None else scores
        planes = self.choose_planes(scores) if self.config.slices else None
        output = self.vision(self._with_slices(tokens, None if planes is None else self.cut_slices(fine, planes)))
        embedding = self.image_projection(output.cls, kind=1)
        return ImageOutput(embedding, output.cls, output.patches, attention, scores, planes)

    def get_image_features(
        self,
        radiographs: Float[Tensor, "n 1 height width"] | None = None,
        fine: Int16[Tensor, "n depth height width"] | None = None,
        **_: Any,
    ) -> Float[Tensor, "n embedding"]:
        """Unit vectors in the common space; see :meth:`encode_images`. Tokens of texts may come with them."""
        return self.encode_images(radiographs, fine).embedding

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
        radiographs: Float[Tensor, "images 1 height width"] | None = None,
        fine: Int16[Tensor, "images depth height width"] | None = None,
    ) -> Float[Tensor, "images reports"]:
        """Similarity of every image with every report: cosine times the learnt scale."""
        images = self.get_image_features(radiographs, fine)
        reports = self.get_text_features(input_ids, attention_mask)
        return self.scale() * images @ reports.T
