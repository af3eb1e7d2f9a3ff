"""The one description of a UniMedI model: saved as ``config.json`` beside the weights."""

from dataclasses import fields
from typing import Any, Final

from transformers import PreTrainedConfig

from unimedi.errors import InputError
from unimedi.model.schema import RENAMED, SCHEMA_VERSION, migrated_config
from unimedi.model.settings import ModelSettings
from unimedi.ranges import check_settings


class UniMediConfig(ModelSettings, PreTrainedConfig):  # type: ignore[misc]
    """Sizes and choices of a :class:`~unimedi.model.unimedi.UniMediModel`.

    Args:
        layer_norm_eps: added to variances in E_v.
        report_languages: ISO 639-1 codes of the reports that the model was trained with.
        preprocess: :meth:`unimedi.inputs.preprocess.Preprocess.to_dict`.
        text: the configuration of a BERT-like model: its ``model_type`` and fields.
        schema_version: of the file; a folder of an earlier one is read under the names of today.
        **others: the fields of :class:`~unimedi.model.settings.ModelSettings`, and transformers' own.

    Raises:
        InputError: a choice that is none, a number out of its range, or a former name (the sentence says what it is
            called now).
    """

    model_type = "unimedi"

    layer_norm_eps: float = 1e-6
    report_languages: tuple[str, ...] | list[str] = ()
    preprocess: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As transformers reads a ``config.json``, of any schema version (:mod:`unimedi.model.schema`)."""
        return super().from_dict(migrated_config(config_dict), **kwargs)

    def __post_init__(self, **kwargs: Any) -> None:
        if old := [f"{name} has been renamed: it is {new} now" for name, new in RENAMED.items() if name in kwargs]:
            raise InputError("; ".join(old))
        super().__post_init__(**kwargs)
        check_settings(self, of=ModelSettings)
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )


FIELDS: Final = (
    *(field.name for field in fields(ModelSettings)),
    *(name for name in UniMediConfig.__annotations__ if name != "schema_version"),
)  # what the model is: without transformers' fields, and without the file's version
