"""The range of every number of a recipe."""

from typing import TYPE_CHECKING, Final

from unimedi.errors import InputError
from unimedi.optimization.schedule import amount_and_unit, check_duration
from unimedi.ranges import NOT_NEGATIVE, PART, POSITIVE, SEED, SHARE, SOME_SHARE, Range, at_least, check_ranges

if TYPE_CHECKING:
    from unimedi.pretraining.recipe import Recipe

_AUGMENTATION: Final = {"shift": PART, "gain": PART, "offset": NOT_NEGATIVE}

RANGES: Final[dict[str, Range]] = {
    "seed": SEED,
    "contrastive_weight": NOT_NEGATIVE,
    "model.hidden_size": at_least(1),
    "model.num_hidden_layers": at_least(1),
    "model.num_attention_heads": at_least(1),
    "model.intermediate_size": at_least(1),
    "model.patch_size": at_least(1),
    "model.slab_depth": at_least(1),
    "model.stem_channels": at_least(1),
    "model.slices": at_least(0),  # 0: none
    "model.embedding_size": at_least(1),
    "model.text_length": at_least(3),  # a word between [CLS] and [SEP]
    "model.initial_temperature": POSITIVE,
    "model.initializer_range": POSITIVE,
    "text.vocab_size": at_least(6),  # five special tokens, and a word
    "text.hidden_size": at_least(1),
    "text.num_hidden_layers": at_least(1),
    "text.num_attention_heads": at_least(1),
    "batch.radiographs": at_least(0),
    "batch.volumes": at_least(0),
    "batch.grad_accum_steps": at_least(1),
    "batch.sentence_keep_prob": SHARE,
    "batch.full_report_fraction": SHARE,
    **{f"batch.radiograph_augmentation.{name}": allowed for name, allowed in _AUGMENTATION.items()},
    **{f"batch.volume_augmentation.{name}": allowed for name, allowed in _AUGMENTATION.items()},
    "selection.volume_fraction": SOME_SHARE,
    "distillation.icl_weight": NOT_NEGATIVE,
    "distillation.pcl_weight": NOT_NEGATIVE,
    "distillation.mask_ratio": PART,
    "distillation.prototypes": at_least(2),
    "distillation.head_hidden_size": at_least(1),
    "distillation.head_bottleneck_size": at_least(1),
    "distillation.teacher_temperature": POSITIVE,
    "distillation.image_fraction": SOME_SHARE,
    "teacher.momentum": SHARE,
    "teacher.final_momentum": SHARE,
    "optimization.learning_rate": POSITIVE,
    "optimization.weight_decay": NOT_NEGATIVE,
    "optimization.beta1": PART,
    "optimization.beta2": PART,
    "optimization.max_grad_norm": POSITIVE,
    "optimization.min_lr_ratio": SHARE,
}


def check_numbers(recipe: "Recipe") -> None:
    """ValueError, naming the field and what it may be, where a number of ``recipe`` cannot be meant."""
    check_ranges(recipe, RANGES)
    check_duration("duration", recipe.duration, may_be_none=False)
    check_duration("checkpoint_every", recipe.checkpoint_every, may_be_none=False)
    check_duration("optimization.warmup", recipe.optimization.warmup)
    check_duration("selection.warmup", recipe.selection.warmup)
    check_duration("distillation.ramp_start", recipe.distillation.ramp_start)
    check_duration("distillation.ramp_end", recipe.distillation.ramp_end)
    (start, unit), (end, other) = map(amount_and_unit, (recipe.distillation.ramp_start, recipe.distillation.ramp_end))
    if unit == other and end < start:
        raise InputError(f"distillation.ramp_end: expected {start:g} {unit} (ramp_start) or later, got {end:g} {other}")
    if amount_and_unit(recipe.duration)[1] == "percent":
        raise InputError(f"duration: expected steps, epochs or examples, got {recipe.duration!r}")
    if recipe.batch.radiographs + recipe.batch.volumes == 0:
        raise InputError("batch: expected radiographs or volumes in a step, got 0 of both")
    slabs = recipe.preprocess.volume_shape[0] // recipe.model.slab_depth
    if recipe.method == "unimedi" and recipe.batch.volumes and recipe.model.slices > slabs:
        raise InputError(
            f"model.slices: expected up to {slabs}, one a slab of {recipe.model.slab_depth} planes, got "
            f"{recipe.model.slices}"
        )
    for name, width, heads in (
        ("model: hidden_size", recipe.model.hidden_size, recipe.model.num_attention_heads),
        ("text: hidden_size", recipe.text.hidden_size, recipe.text.num_attention_heads),
    ):
        if width % heads:
            raise InputError(f"{name} {width} is not a multiple of its {heads} heads")
