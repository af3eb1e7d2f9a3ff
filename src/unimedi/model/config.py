"""The one description of a UniMedI model: saved as ``config.json`` beside the weights."""

from typing import Any

from transformers import PreTrainedConfig

from unimedi.errors import InputError
from unimedi.model.slice_selection import SELECTORS, SLAB_POOLINGS, SLICE_CONTENTS

TOKENIZERS = ("linear", "stem")
POSITIONS = ("factorised", "none")
PROJECTIONS = ("running_mean", "none")
POOLINGS = ("cls", "mean")
# Fields of a config.json of before 2026-11-30, and what they are called now.
RENAMED = {
    "cls_start": "cls_init (max_pool in place of strongest, learned in place of learnt)",
    "projection": "projection_norm",
}
CLS_INITS = ("learned", "max_pool")


class UniMediConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes and choices of a :class:`~unimedi.model.unimedi.UniMediModel`.

    The defaults are the paper's where the paper speaks (ViT-B/16, Bio_ClinicalBERT's sizes) and ours, argued in
    ``docs/paper.md``, where it is silent.

    ``preprocess`` is :meth:`unimedi.inputs.preprocess.Preprocess.to_dict`; ``text`` is the configuration of a
    BERT-like model (``model_type`` and its fields).
    """

    model_type = "unimedi"

    # E_v, the shared vision transformer
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    # [CLS] enters as a learned vector, the paper's; ``max_pool`` adds each channel's maximum over the tokens' contents.
    cls_init: str = "learned"

    # T_2D and T_3D
    patch_tokenizer: str = "linear"
    patch_size: int = 16
    slab_depth: int = 4  # planes of the volume input that one T_3D token covers
    stem_channels: int = 24  # width of the first convolution of the ``stem``; it doubles with each halving
    positions: str = "factorised"
    centre_inputs: bool = False  # subtract the training set's mean image from every input

    # attentive slice selection
    slices: int = 4  # k; 0 leaves the volume alone with its T_3D tokens
    volume_tokens: bool = True  # false: a pseudo-pair is its slices alone, a control
    selector: str = "attentive"
    slab_pooling: str = "mean"
    slice_content: str = "plane"  # what a slice shows: one plane of its slab, or the slab_maximum (a thin MIP)

    # the common space
    embedding_size: int = 512
    projection_norm: str = "running_mean"
    text_pooling: str = "cls"
    text_length: int = 256
    initial_temperature: float = 0.07

    report_languages: tuple[str, ...] | list[str] = ()  # ISO 639-1, of the reports it was trained with
    preprocess: dict[str, Any] | None = None
    text: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        for name in RENAMED.keys() & kwargs.keys():
            raise InputError(f"config.json: {name} has been renamed: it is {RENAMED[name]} now")
        super().__post_init__(**kwargs)
        for field, allowed in (
            ("patch_tokenizer", TOKENIZERS),
            ("cls_init", CLS_INITS),
            ("positions", POSITIONS),
            ("projection_norm", PROJECTIONS),
            ("text_pooling", POOLINGS),
            ("selector", SELECTORS),
            ("slab_pooling", tuple(SLAB_POOLINGS)),
            ("slice_content", tuple(SLICE_CONTENTS)),
        ):
            if getattr(self, field) not in allowed:
                raise InputError(f"{field}: expected one of {', '.join(allowed)}, got {getattr(self, field)!r}")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
