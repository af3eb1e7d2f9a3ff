"""The state to resume from: written whole or not at all, verified by hash when read, no pickle.

A checkpoint is a folder ``step-000123`` (123 steps are done) with ``tensors.safetensors`` (everything in the module's
``state_dict``, the optimiser's moments by parameter name, torch's random state), ``state.json`` (step and the
optimiser's hyperparameters) and ``manifest.json`` (sha256 of both). It is written under another name, flushed to the
disk and then renamed, so at any moment a folder with this name is complete.
"""

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimedi.errors import StateError
from unimedi.files.atomic import atomic_folder, flush, write_json
from unimedi.optimization.optimizer import names_of

KEEP: Final = 2  # the newest may turn out damaged; the one before it is the way back
_NAME: Final = re.compile(r"step-(\d+)")


class CheckpointError(StateError):
    """A checkpoint that cannot be written, read or continued from."""


def save(folder: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    """Write ``folder/step-NNNNNN`` and then forget all but the last two; return its path.

    Raises:
        CheckpointError: the disk is full or refuses; what was there before is intact.
    """
    final = folder / f"step-{step:06d}"
    try:
        tensors, hyperparameters = _optimizer_state(module, optimizer)
        tensors |= {f"module/{name}": value for name, value in module.state_dict().items()}
        tensors["random/torch"] = torch.get_rng_state()
        with atomic_folder(final, durable=True) as partial:  # in place of the same step where it was saved before
            _write_tensors(tensors, partial / "tensors.safetensors")
            write_json(partial / "state.json", {"step": step, "optimizer": hyperparameters}, durable=True)
            hashes = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
            write_json(partial / "manifest.json", hashes, durable=True)
    except (OSError, SafetensorError) as error:
        left = _all(folder)
        remains = (
            f"{left[-1].name} is intact; free some space and continue with --resume" if left else "there is none yet"
        )
        raise CheckpointError(
            f"cannot write checkpoint {final}: {error}. Last complete checkpoint: {remains}."
        ) from error
    for old in _all(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest(folder: Path) -> Path | None:
    """The newest checkpoint whose hashes hold; None where no checkpoint was ever completed.

    A damaged one is set aside under another name, with a warning, and the one before it is taken.

    Raises:
        CheckpointError: checkpoints exist and every one is damaged.
    """
    for partial in folder.glob(".step-*"):  # a process was killed while it wrote
        shutil.rmtree(partial, ignore_errors=True)
    found = _all(folder)
    for path in reversed(found):
        try:
            verify(path)
        except CheckpointError as error:
            aside = path.with_name(f"damaged-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            warnings.warn(f"{error}; set aside as {aside.name}, trying the one before", stacklevel=2)
        else:
            return path
    if found:
        raise CheckpointError(f"every checkpoint in {folder} is damaged ({len(found)}); start again in another folder")
    return None


def verify(path: Path) -> None:
    """Compare every file with the hash that was taken when it was written.

    Raises:
        CheckpointError: a file is missing or differs.
    """
    try:
        manifest: dict[str, str] = json.loads((path / "manifest.json").read_bytes())
        damaged = [name for name, digest in manifest.items() if _sha256(path / name) != digest]
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"checkpoint {path} is not complete: {error}") from error
    if damaged or not manifest:
        raise CheckpointError(
            f"checkpoint {path} is damaged: {', '.join(damaged) or 'its manifest'} changed on the disk"
        )


def load(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put a verified checkpoint back into ``module`` and ``optimizer``; return how many steps are done.

    Raises:
        CheckpointError: the module has other parameters or shapes than the one that was saved.
    """
    state: dict[str, Any] = json.loads((path / "state.json").read_bytes())
    tensors = load_file(path / "tensors.safetensors")
    try:
        module.load_state_dict(_under("module/", tensors), strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint {path} does not fit this model (a run that an earlier version began cannot be gone on with: "
            f"train anew in another folder): {error}"
        ) from error
    hyperparameters: list[dict[str, Any]] = state["optimizer"]
    names = [name for group in hyperparameters for name in group["params"]]
    mine = [n for group in optimizer.param_groups for n in names_of(module, group["params"])]
    if names != mine:
        raise CheckpointError(f"checkpoint {path}: the optimiser held other parameters: {sorted({*names} ^ {*mine})}")
    index = {name: i for i, name in enumerate(names)}
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimizer/", tensors).items():
        name, moment = key.rsplit("/", 1)
        moments.setdefault(index[name], {})[moment] = value
    groups = [{**group, "params": [index[name] for name in group["params"]]} for group in hyperparameters]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    torch.set_rng_state(tensors["random/torch"])
    return int(state["step"])


def _optimizer_state(
    module: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Moments as ``optimizer/<parameter>/<moment>`` and the groups' hyperparameters with names for parameters."""
    tensors: dict[str, Tensor] = {}
    groups = []
    for group in optimizer.param_groups:
        names = names_of(module, group["params"])
        groups.append({**group, "params": names})
        for name, parameter in zip(names, group["params"], strict=True):
            for moment, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{name}/{moment}"] = torch.as_tensor(value)
    return tensors, groups


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    seen: set[int] = set()
    plain: dict[str, Tensor] = {}
    for name, value in tensors.items():
        copy = value.detach().cpu().contiguous()
        address = copy.untyped_storage().data_ptr()
        plain[name] = copy.clone() if address in seen else copy  # safetensors refuses tied weights; a copy is the same
        seen.add(address)
    save_file(plain, path)
    flush(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _all(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = {int(m[1]): path for path in folder.glob("step-*") if (m := _NAME.fullmatch(path.name))}
    return [found[step] for step in sorted(found)]
