"""Do two checkpoints of a run choose the same slices? The Jaccard index of the selected sets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import safe_open
from scipy.stats import hypergeom

from unimedi.errors import InputError
from unimedi.evaluation.slices.choices import slabs_by_score
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate
from unimedi.metrics.measurement import Measurements, named
from unimedi.model.config import UniMediConfig
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import load_model, pretrained_folder

TASK = "selection_stability"
_TENSORS, _TEACHER = "tensors.safetensors", "module/teacher."  # of a checkpoint; the teacher chooses the slices


def jaccard(ours: Int[ndarray, "volumes k"], theirs: Int[ndarray, "volumes k"]) -> Float[ndarray, "volumes"]:
    """Slabs that both chose among those that either chose, in each volume."""
    shared = (ours[:, :, None] == theirs[:, None, :]).sum(axis=(1, 2))
    return np.asarray(shared / (ours.shape[1] + theirs.shape[1] - shared))


def chance_jaccard(slabs: int, k: int) -> float:
    """The expected Jaccard index of two independent random choices of k of the slabs."""
    shared = np.arange(k + 1)
    return float((hypergeom(slabs, k, k).pmf(shared) * shared / (2 * k - shared)).sum())


def stability_measurements(
    ours: Float[ndarray, "volumes slabs"],
    others: Mapping[str, Float[ndarray, "volumes slabs"]],
    budgets: Sequence[int],
    bootstrap: PatientBootstrap,
) -> Measurements:
    """``jaccard@k`` of the slabs chosen by our scores and by each other model's; 1 where both choose the same.

    ``method`` is the other model's name, or ``chance``: two independent random choices.
    """
    found = []
    for k in (k for k in budgets if k < ours.shape[1]):
        chosen = slabs_by_score(ours, k)
        for name, scores in others.items():
            same = mean_estimate(jaccard(chosen, slabs_by_score(scores, k)), bootstrap)
            found.append(named(same, method=name, metric=f"jaccard@{k}"))
        found.append(named(Estimate(chance_jaccard(ours.shape[1], k)), method="chance", metric=f"jaccard@{k}"))
    return Measurements(found).named(task=TASK)


def read_other_models(paths: Sequence[Path], like: UniMediModel) -> dict[str, UniMediModel]:
    """Models by name: run folders, pretrained folders, or checkpoints (``RUN/checkpoints/step-000100``).

    A checkpoint is called by its own folder; where others have that name by the run's too, ``RUN-step-000100``.
    Raises:
        InputError: two have one name, or one was trained for other inputs or other slabs than ``like``.
    """
    names = Counter(_folder(path).name for path in paths)
    expected, models, found = _inputs(like), dict[str, UniMediModel](), dict[str, Path]()
    for path in paths:
        folder = _folder(path)
        shared = names[folder.name] > 1 and _is_checkpoint(path)
        name = f"{folder.parents[1].name}-{folder.name}" if shared else folder.name
        if name in models:
            raise InputError(
                f"expected models of different names, got {name} twice: {found[name]} and {path}; rename a run's folder"
            )
        model = _model(path).to(like.device).eval()
        got = _inputs(model)
        if got != expected:
            differing = [f"{key} {expected[key]}, got {got[key]}" for key in expected if got[key] != expected[key]]
            raise InputError(f"{path}: its slabs cannot be compared with the run's: expected {'; '.join(differing)}")
        models[name], found[name] = model, path
    return models


def _folder(path: Path) -> Path:
    """What a model is called by: its run's folder, or its checkpoint's."""
    whole = path.resolve()
    return whole.parent if whole.name == "pretrained" else whole


def _is_checkpoint(path: Path) -> bool:
    return (path / _TENSORS).is_file()


def _inputs(model: UniMediModel) -> dict[str, object]:
    """What two models must have in common for slab i to be the same piece of a volume."""
    return {**model.preprocess.to_dict(), "T_3D grid": model.vision.volume_grid}


def _model(path: Path) -> UniMediModel:
    if not _is_checkpoint(path):
        return load_model(pretrained_folder(path))
    model = UniMediModel(UniMediConfig.from_pretrained(pretrained_folder(path.resolve().parents[1])))
    with safe_open(path / _TENSORS, "pt") as tensors:
        names = [name for name in tensors.keys() if name.startswith(_TEACHER)]  # noqa: SIM118 (not a dictionary)
        weights = {name.removeprefix(_TEACHER): tensors.get_tensor(name) for name in names}
    if weights.keys() != model.state_dict().keys():
        raise InputError(f"{path}: expected the weights of the model in the run's pretrained folder, got others")
    model.load_state_dict(weights)
    return model
