"""What a run leaves on disk, and the guard in front of it.

``recipe.yaml`` (resolved), ``environment.json``, ``log.jsonl`` (one line a step), ``tensorboard/``, ``checkpoints/``,
``pretrained/`` (what ships), later ``metrics.json`` and ``report.html``.
"""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
import yaml

from unimedi.errors import StateError
from unimedi.files.atomic import atomic_folder, write_json, write_text
from unimedi.pretraining.earlier_recipe import completed
from unimedi.pretraining.recipe import Recipe

_PACKAGES: Final = ("unimedi", "torch", "lightning", "transformers", "tokenizers", "safetensors", "numpy")
_FIXED: Final = ("store", "devices")  # facts that resuming must not change; devices may where the batch is fixed


class RunFolderError(StateError):
    """A folder that cannot hold this run: another run is in it."""


class RunFolder:
    """The paths of a run, and what is written once."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.environment = self.path / "environment.json"
        self.log = self.path / "log.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.pretrained = self.path / "pretrained"

    def begin(self, recipe: Mapping[str, Any], facts: Mapping[str, Any], resume: bool) -> list[str]:
        """Claim the folder for ``recipe`` (resolved, plain), or check that it is the run to go on with.

        ``facts`` go into ``environment.json``: at least the store's fingerprint and the number of devices. A key that
        the recipe of an earlier version did not have counts as its default; returns a sentence that names these.

        Raises:
            RunFolderError: a run is there and ``resume`` was not asked for, or it has another recipe or store; the
                difference is named. Or there are weights and nothing that says of what.
        """
        begun = self.recipe.exists() and self.environment.exists()
        worth_keeping = self.pretrained.exists() or any(self.checkpoints.glob("step-*"))
        if worth_keeping and not begun:
            lacking = " and ".join(path.name for path in (self.recipe, self.environment) if not path.exists())
            raise RunFolderError(f"{self.path} holds the weights of a run without its {lacking}; choose another --out")
        if begun and worth_keeping and not resume:
            raise RunFolderError(f"{self.path} already holds a run; continue it with --resume or choose another --out")
        if begun and resume:
            saved, missing = completed(_read_yaml(self.recipe), recipe, plain(Recipe()))
            environment = self.begun()
            lines = difference(saved, recipe)
            changed = difference({k: environment.get(k) for k in _FIXED}, {k: facts[k] for k in _FIXED})
            same_batch = recipe.get("batch", {}).get("effective")
            lines += [line for line in changed if not (same_batch and line.startswith("devices"))]
            if lines:
                advice = "" if same_batch else "; with batch.effective a run may go on with another number of devices"
                raise RunFolderError(
                    f"{self.path} is another run and cannot be resumed with this: {'; '.join(lines)}"
                    f"{advice if any(line.startswith('devices') for line in lines) else ''}"
                )
            told = f"{self.recipe} is of an earlier version: not in it, and so at its default, is"
            said = [f"{told} {', '.join(missing)}"] if missing else []
            if changed:
                said.append(f"{'; '.join(changed)}: the same studies and draws a step, sums equal but for rounding")
            return said
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe, yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True), durable=True)
        write_json(self.environment, {**_machine(), **facts}, durable=True)
        return []

    def begun(self) -> dict[str, Any]:
        """What ``environment.json`` says of the run that began here; nothing where none did."""
        if not self.environment.exists():
            return {}
        try:
            return dict(json.loads(self.environment.read_bytes()))
        except ValueError as error:
            raise RunFolderError(f"{self.environment} is damaged: expected JSON, got {error}") from error

    def export(self, *savers: Callable[[Path], object]) -> None:
        """Let each of ``savers`` write into a new folder and put it in the place of ``pretrained/``."""
        with atomic_folder(self.pretrained) as partial:
            for save in savers:
                save(partial)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged: expected keys and values, got {error}") from error


def difference(saved: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nested mappings, one phrase a key."""
    lines = []
    for key in [*saved, *(k for k in given if k not in saved)]:
        old, new = saved.get(key), given.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += difference(old, new, f"{prefix}{key}.")
        elif key not in given:
            lines.append(f"{prefix}{key} was {old!r}, now there is no such key")
        elif old != new:
            lines.append(f"{prefix}{key} was {old!r}, now {new!r}")
    return lines


def plain(recipe: Any) -> dict[str, Any]:
    """A recipe (dataclass) as what YAML and JSON can hold: tuples become lists."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return values


def _machine() -> dict[str, Any]:
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "malloc": {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")},
    }
