"""A recipe from YAML and ``--a.b value``: typed, nothing instantiated from a name, unknown keys refused."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from unimedi.errors import InputError
from unimedi.pretraining.earlier_recipe import without_gone
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_names import find_recipe, shipped
from unimedi.settings import SettingsError, keys_of, options_in, read_settings, unknown

# Keys and values of recipes of before 2026-11-30, and what they are called now.
RENAMED: Final = {
    "language_weight": "contrastive_weight",
    "language_keep": "experiment (top_attended_tokens)",
    "alignment_weight": "experiment (alignment)",
    "reconstruction_weight": "experiment (reconstruction)",
    "preprocess.fine_shape": "preprocess.hires_shape",
    "model.cls_start": "model.cls_init (max_pool in place of strongest, learned in place of learnt)",
    "model.projection": "model.projection_norm",
    "text.vocabulary": "text.vocab_size",
    "text.layers": "text.num_hidden_layers",
    "text.heads": "text.num_attention_heads",
    "batch.accumulate": "batch.effective (the images of all micro-batches)",
    "batch.grad_accum_steps": "batch.effective (the images of all micro-batches)",
    "batch.sentences": "batch.sentence_keep_prob",
    "batch.whole_until": "batch.full_report_fraction",
    "selection.share": "selection.volume_fraction",
    "selection.slices_alone": "experiment (unpaired_slices)",
    "selection.scorer": "experiment (student_scorer)",
    "selection.scoring": "experiment (joint_scorer, coarse_to_fine_scorer or text_scorer)",
    "batch.shuffle_reports": "experiment (shuffled_reports)",
    "batch.depth_pieces": "experiment (shuffled_depth)",
    "distillation.width": "distillation.head_hidden_size",
    "distillation.bottleneck": "distillation.head_bottleneck_size",
    "distillation.share": "distillation.image_fraction",
    "teacher.final": "teacher.final_momentum",
    "optimization.clip": "optimization.max_grad_norm",
    "optimization.floor": "optimization.min_lr_ratio",
}

# Keys of before 2026-11-30 that no recipe set.
REMOVED: Final = ("model.slice_gap", "distillation.patches")


class RecipeError(InputError):
    """A recipe that cannot be used; the sentence names the key."""


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``overrides``.

    Args:
        path: a file, or the name of a shipped recipe: ``tiny``. A recipe may begin with ``base: other.yaml`` (relative
            to itself, or a shipped one's name) and say only what differs from it.
        overrides: words as on a command line: ``["--model.slices", "3", "--seed=1"]``; they come before the file.

    Returns:
        The recipe, checked; what neither says has its default.

    Raises:
        RecipeError: no such file, not YAML, an unknown key (the nearest known one is suggested; a renamed one is told
            its new name), a value of another type, or values that do not go together.
    """
    try:
        path = find_recipe(path)
    except FileNotFoundError as error:
        raise RecipeError(str(error)) from error
    values = _read(path)
    _check_keys(values, f"recipe {path}")
    for option in options_in(overrides):
        _refuse_unknown(option, "command line")
    try:
        return read_settings(Recipe, overrides, values)
    except SettingsError as error:
        raise RecipeError(f"recipe {path}: {error}") from error


def _check_keys(values: Mapping[Any, Any], where: str, prefix: str = "") -> None:
    """RecipeError where a key is not known, has no value, or is a section without keys."""
    for key, value in ((f"{prefix}{key}", value) for key, value in values.items()):
        _refuse_unknown(key, where)
        if any(name.startswith(f"{key}.") for name in keys_of(Recipe)):
            if not isinstance(value, dict):
                raise RecipeError(f"{where}: {key} is a section: expected keys and values, got {value!r}")
            _check_keys(value, where, f"{key}.")
        elif value is None:
            raise RecipeError(f"{where}: {key}: expected a value, got none; without the line it has its default")


def _refuse_unknown(key: str, where: str) -> None:
    if key in RENAMED:
        raise RecipeError(f"{where}: {key} has been renamed: it is {RENAMED[key]} now")
    if key in REMOVED:
        raise RecipeError(f"{where}: {key} has been taken out (docs/log.md, 2026-11-30)")
    if said := unknown(key, keys_of(Recipe)):
        raise RecipeError(f"{where}: unknown key {said}")


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The file's keys over those of its base."""
    try:
        text = path.read_text(encoding="utf-8")
        values, twice = yaml.safe_load(text) or {}, next(_twice(yaml.compose(text, Loader=yaml.SafeLoader)), None)
    except FileNotFoundError as error:
        named = f", the base of {above[-1]}" if above else ""
        raise RecipeError(f"no recipe {path}{named}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"recipe {path}: expected keys and values, got {type(values).__name__}")
    if twice:
        raise RecipeError(f"recipe {path}: {twice} is there twice, and the first would not count")
    values = without_gone(values)
    base = values.pop("base", None)
    if base is None:
        return values
    if path.resolve() in above:
        raise RecipeError(f"recipe {path} is its own base")
    beside = path.parent / str(base)
    below = beside if beside.is_file() else shipped(str(base)) or beside
    return _over(_read(below, (*above, path.resolve())), values)


def _twice(node: yaml.Node | None) -> Iterator[str]:
    """Keys that a section has more than once: YAML takes the last."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(str(key.value) for key, _ in node.value)
        yield from (key for key, count in counts.items() if count > 1)
        for _, value in node.value:
            yield from _twice(value)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged
