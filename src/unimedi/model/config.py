"""The one description of a UniMedI model: saved as ``config.json`` beside the weights."""

from dataclasses import fields
from typing import Any, Final

from transformers import PreTrainedConfig

from unimedi.errors import InputError
from unimedi.model.settings import ModelSettings
from unimedi.ranges import check_settings

# Fields of a config.json of before 2026-11-30, and what they are called now.
RENAMED: Final = {
    "cls_start": "cls_init (max_pool in place of strongest, learned in place of learnt)",
    "projection": "projection_norm",
}


class UniMediConfig(ModelSettings, PreTrainedConfig):  # type: ignore[misc]
    """Sizes and choices of a :class:`~unimedi.model.unimedi.UniMediModel`.

    Args:
        layer_norm_eps: added to variances in E_v.
        report_languages: ISO 639-1 codes of the reports that the model was trained with.
        preprocess: :meth:`unimedi.inputs.preprocess.Preprocess.to_dict`.
        text: the configuration of a BERT-like model: its ``model_type`` and fields.
        **others: the fields of :class:`~unimedi.model.settings.ModelSettings`, and transformers' own.

    Raises:
        InputError: a choice that is none, a number out of its range, or a field of an earlier version (the sentence
            says what it is called now).
    """

    model_type = "unimedi"

    layer_norm_eps: float = 1e-6
    report_languages: tuple[str, ...] | list[str] = ()
    preprocess: dict[str, Any] | None = None
    text: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if old := [f"{name} has been renamed: it is {new} now" for name, new in RENAMED.items() if name in kwargs]:
            raise InputError(f"config.json: {'; '.join(old)}")
        if kwargs.get("slice_gap", 1) != 1:
            raise InputError(f"config.json: slice_gap has been taken out, expected 1, got {kwargs['slice_gap']}")
        super().__post_init__(**kwargs)
        check_settings(self, of=ModelSettings)
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )


FIELDS: Final = (
    *(field.name for field in fields(ModelSettings)),
    *UniMediConfig.__annotations__,
)  # without transformers'
