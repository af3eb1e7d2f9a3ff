"""What a run leaves on disk, and the guard in front of it.

``recipe.yaml`` (resolved), ``environment.json``, ``log.jsonl`` (one line a step), ``tensorboard/``, ``checkpoints/``,
``pretrained/`` (what ships), later ``metrics.json`` and ``report.html``.
"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch
import yaml

_PACKAGES: Final = ("unimedi", "torch", "lightning", "transformers", "tokenizers", "safetensors", "numpy")
_FIXED: Final = ("store", "devices")  # facts of environment.json that resuming must not change


class RunFolderError(RuntimeError):
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

    def begin(self, recipe: Mapping[str, Any], facts: Mapping[str, Any], resume: bool) -> None:
        """Claim the folder for ``recipe`` (resolved, plain), or check that it is the run to go on with.

        ``facts`` go into ``environment.json``: at least the store's fingerprint and the number of devices.

        Raises:
            RunFolderError: a run is there and ``resume`` was not asked for, or it has another recipe or store; the
                difference is named.
        """
        begun = self.recipe.exists() and self.environment.exists()
        worth_keeping = self.pretrained.exists() or any(self.checkpoints.glob("step-*"))
        if begun and worth_keeping and not resume:
            raise RunFolderError(f"{self.path} already holds a run; continue it with --resume or choose another --out")
        if begun and resume:
            environment = json.loads(self.environment.read_bytes())
            lines = difference(yaml.safe_load(self.recipe.read_text(encoding="utf-8")), recipe)
            lines += difference({k: environment[k] for k in _FIXED}, {k: facts[k] for k in _FIXED})
            if lines:
                raise RunFolderError(f"{self.path} is another run and cannot be resumed with this: {'; '.join(lines)}")
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.recipe, yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True))
        write_atomically(self.environment, json.dumps({**_machine(), **facts}, indent=1))

    def begun(self) -> dict[str, Any]:
        """What ``environment.json`` says of the run that began here; nothing where none did."""
        return dict(json.loads(self.environment.read_bytes())) if self.environment.exists() else {}

    def export(self, *savers: Callable[[Path], object]) -> None:
        """Let each of ``savers`` write into a new folder and put it in the place of ``pretrained/``."""
        partial, old = self.path / ".pretrained.partial", self.path / ".pretrained.old"
        for path in (partial, old):
            shutil.rmtree(path, ignore_errors=True)
        partial.mkdir()
        for save in savers:
            save(partial)
        if self.pretrained.exists():
            self.pretrained.rename(old)
        partial.rename(self.pretrained)
        shutil.rmtree(old, ignore_errors=True)


def difference(saved: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nested mappings, one phrase a key."""
    lines = []
    for key in [*saved, *(k for k in given if k not in saved)]:
        old, new = saved.get(key), given.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += difference(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key} was {old!r}, now {new!r}")
    return lines


def plain(recipe: Any) -> dict[str, Any]:
    """A recipe (dataclass) as what YAML and JSON can hold: tuples become lists."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return values


def write_atomically(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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
