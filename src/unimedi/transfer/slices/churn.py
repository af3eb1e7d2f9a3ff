"""Do two checkpoints of a run choose the same slices? The Jaccard index of the selected sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import safe_open
from scipy.stats import hypergeom

from unimedi.model.config import UniMediConfig
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import pretrained_folder
from unimedi.transfer.metrics import Figure, PatientBootstrap, mean_figure
from unimedi.transfer.slices.outcome import slabs_by_score

_TENSORS, _TEACHER = "tensors.safetensors", "module/teacher."  # of a checkpoint; the teacher chooses the slices


def jaccard(ours: Int[ndarray, "volumes k"], theirs: Int[ndarray, "volumes k"]) -> Float[ndarray, "volumes"]:
    """Slabs that both chose among those that either chose, in each volume."""
    shared = (ours[:, :, None] == theirs[:, None, :]).sum(axis=(1, 2))
    return np.asarray(shared / (ours.shape[1] + theirs.shape[1] - shared))


def chance_jaccard(slabs: int, k: int) -> float:
    """Its expectation for two independent draws of k of the slabs: what no memory at all would give."""
    shared = np.arange(k + 1)
    return float((hypergeom(slabs, k, k).pmf(shared) * shared / (2 * k - shared)).sum())


def churn_figures(
    ours: Float[ndarray, "volumes slabs"],
    others: Mapping[str, Float[ndarray, "volumes slabs"]],
    budgets: Sequence[int],
    bootstrap: PatientBootstrap,
) -> dict[str, Figure]:
    """``slice_selection/churn/<other>/jaccard@k``: 1 where both choose the same; beside it that of ``chance``."""
    figures = {}
    for k in (k for k in budgets if k < ours.shape[1]):
        chosen = slabs_by_score(ours, k)
        for name, scores in others.items():
            figures[f"slice_selection/churn/{name}/jaccard@{k}"] = mean_figure(
                jaccard(chosen, slabs_by_score(scores, k)), bootstrap
            )
        figures["slice_selection/churn/chance/jaccard@" + str(k)] = Figure(chance_jaccard(ours.shape[1], k))
    return figures


def read_others(paths: Sequence[Path], like: UniMediModel) -> dict[str, UniMediModel]:
    """Models by name: run folders, pretrained folders, or checkpoints (``RUN/checkpoints/step-000100``).

    Raises ValueError where two have one name, or one was trained for other inputs or other slabs than ``like``.
    """
    models: dict[str, UniMediModel] = {}
    for path in paths:
        name = path.resolve().parent.name if path.resolve().name == "pretrained" else path.resolve().name
        if name in models:
            raise ValueError(f"expected models of different names, got {name} twice; rename a folder")
        model = _model(path).to(like.device).eval()
        if (model.preprocess, model.vision.volume_grid) != (like.preprocess, like.vision.volume_grid):
            raise ValueError(f"{path}: its volumes or slabs differ from the run's, so choices cannot be compared")
        models[name] = model
    return models


def _model(path: Path) -> UniMediModel:
    if not (path / _TENSORS).is_file():
        shipped: UniMediModel = UniMediModel.from_pretrained(pretrained_folder(path), local_files_only=True)
        return shipped
    model = UniMediModel(UniMediConfig.from_pretrained(pretrained_folder(path.resolve().parents[1])))
    with safe_open(path / _TENSORS, "pt") as tensors:
        names = [name for name in tensors.keys() if name.startswith(_TEACHER)]  # noqa: SIM118 (not a dictionary)
        weights = {name.removeprefix(_TEACHER): tensors.get_tensor(name) for name in names}
    if weights.keys() != model.state_dict().keys():
        raise ValueError(f"{path}: expected the weights of the model in the run's pretrained folder, got others")
    model.load_state_dict(weights)
    return model
