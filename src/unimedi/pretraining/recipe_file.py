"""A recipe from YAML and ``--a.b value``: typed, nothing instantiated from a name, unknown keys refused."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from unimedi.errors import InputError, nearest
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_names import find_recipe, shipped

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
    "batch.accumulate": "batch.grad_accum_steps",
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


class RecipeError(InputError):
    """A recipe that cannot be used; the sentence names the key."""


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read ``path`` (a file, or the name of a shipped recipe: ``tiny``) and apply ``overrides``, words as on a command
    line: ``["--model.slices", "3", "--seed=1"]``.

    A recipe may begin with ``base: other.yaml`` (relative to itself, or a shipped one's name) and say only what differs
    from it.

    Raises:
        RecipeError: no such file, not YAML, an unknown key (the nearest known one is suggested), a value of another
            type, or values that do not go together.
    """
    known = _keys(Recipe)
    try:
        path = find_recipe(path)
    except FileNotFoundError as error:
        raise RecipeError(str(error)) from error
    values = _read(path)
    given = _given(values)
    _refuse_unknown(list(given), known, f"recipe {path}")
    for key, value in given.items():
        if not isinstance(value, dict) and any(name.startswith(f"{key}.") for name in known):
            raise RecipeError(f"recipe {path}: {key} is a section: expected keys and values, got {value!r}")
        if value is None:
            raise RecipeError(f"recipe {path}: {key}: expected a value, got none; without the line it has its default")
    _refuse_unknown([m[1] for word in overrides if (m := re.match(r"--([^=\s]+)", word))], known, "command line")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe, None, as_group=False)
    try:
        settings = parser.parse_args([*overrides], namespace=parser.parse_object(values))
        recipe = parser.instantiate_classes(settings)
        return Recipe(**{field.name: recipe[field.name] for field in fields(Recipe)})
    except (ArgumentError, ValueError, TypeError) as error:
        raise RecipeError(f"recipe {path}: {_shortened(str(error))}") from error


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


def _keys(kind: type, prefix: str = "") -> set[str]:
    """Every key of a dataclass of dataclasses, sections included: ``model``, ``model.slices``."""
    found = set()
    for field in fields(kind):
        found.add(prefix + field.name)
        if isinstance(field.type, type) and is_dataclass(field.type):
            found |= _keys(field.type, f"{prefix}{field.name}.")
    return found


def _given(values: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        found[f"{prefix}{key}"] = value
        if isinstance(value, dict):
            found |= _given(value, f"{prefix}{key}.")
    return found


def _refuse_unknown(given: Sequence[str], known: set[str], where: str) -> None:
    names = sorted(known)
    for key in given:
        if key in RENAMED:
            raise RecipeError(f"{where}: {key} has been renamed: it is {RENAMED[key]} now")
        if key not in known:
            meant = nearest(key, names, 0.7) or nearest(key, names, 0.7, _last_name)
            raise RecipeError(f"{where}: unknown key {key}{meant or '; known are ' + ', '.join(names)}")


def _last_name(key: str) -> str:
    return key.rpartition(".")[2]


def _shortened(message: str) -> str:
    """The parser's message in our words."""
    message = re.sub(r'Parser key "([^"]+)":', r"\1:", " ".join(message.split()))
    return re.sub(r"<class '(\w+)'>", r"\1", message)
