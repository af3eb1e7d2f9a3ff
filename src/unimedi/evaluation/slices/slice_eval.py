"""``unimedi slice-eval``: every selector and every way of scoring on the masked volumes of a split, with controls.

And on all volumes of the split, what the slices bring: the figures without them, with others, with slices alone.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from unimedi.cohort.study import Split
from unimedi.errors import InputError
from unimedi.evaluation.options import EvaluationOptions, with_prompts
from unimedi.evaluation.slices.baselines import baseline_scores, brightest
from unimedi.evaluation.slices.distractors import distractor_measurements
from unimedi.evaluation.slices.input_ablation import input_ablation
from unimedi.evaluation.slices.lesions import affected_volumes, connected_lesions
from unimedi.evaluation.slices.measurements import EvalSpec, slice_measurements
from unimedi.evaluation.slices.scores import (
    depth_orders,
    depth_shuffled,
    model_scores,
    other_scorers,
    poolings,
    position_removed,
    score_volumes,
    scores_differ,
    tokens_shuffled,
)
from unimedi.evaluation.slices.selection_stability import read_other_models, stability_measurements
from unimedi.evaluation.slices.table import as_text
from unimedi.files.destination import file_to_write
from unimedi.files.store_address import StorePlace
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements
from unimedi.model.slice_selection import SLAB_POOLINGS
from unimedi.model.unimedi import UniMediModel
from unimedi.model.untrained import untrained
from unimedi.representation.embedder import Embedder, pretrained_folder

SPEC = EvalSpec(
    budgets=(1, 2, 4, 8),
    measures=("hit", "slab_hit", "precision", "coverage", "depth_error_mm", "centre_error_mm"),
    compared=("hit", "coverage", "depth_error_mm"),
    by_group=(1, 2, 4, 8),
    planes=True,
)


def slice_eval(
    run: Path,
    data: StorePlace,
    out: Path | None = None,
    split: str = "test",
    others: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    say: Callable[[str], None] = print,
) -> Measurements:
    """Measure how a model selects slices on the volumes of a split with a focal lesion, and what these slices bring.

    Args:
        run: a run folder, or a ``pretrained`` folder itself.
        data: the prepared store, a folder or a URI.
        out: the JSON file to write (default: ``slice_eval.json`` in the run folder), with rows as in ``metrics.json``.
        split: train, validation or test.
        others: models, runs or checkpoints whose choices are compared with this one's.
        options: focal findings, resamples, seed, prompts, batch size.
        say: hears one line at a time.

    Returns:
        Measurements of the tasks ``slice_selection`` and ``selection_stability``, on the volumes with a focal lesion,
        and ``input_ablation``, on all volumes.

    Raises:
        MissingError: there is no model.
        InputError: the store was prepared for another model, the split has no volume, the store knows none of
            ``options.focal``, or another model has other slabs.
        NotComputable: no volume has a mask of a focal finding.
    """
    options = options or EvaluationOptions()
    started = time.monotonic()
    pretrained_folder(run)  # a run that is not there is not made
    out = file_to_write(out or run / "slice_eval.json", (".json",), beside=(".png",))
    embedder = Embedder.from_pretrained(run, options.batch_size)
    options, unspoken = with_prompts(options, embedder.model.config.report_languages)
    other_models = read_other_models(others, embedder.model)
    store = Store.open(data, expect=embedder.processor.preprocess)
    volumes = store.select(split=Split(split), image_kind="ct")
    if not volumes:
        raise InputError(f"{data}: expected volumes in the {split} split, found none")
    focal, notes = known_classes(store, options.focal)
    options, notes = replace(options, focal=focal), notes + unspoken
    all_lesions = connected_lesions(store, volumes, options.focal)
    rows, lesions = affected_volumes(all_lesions, options.focal)
    indices = [volumes[row] for row in rows]
    say(f"{len(indices)} of {len(volumes)} volumes of the {split} split have a focal lesion")
    scored, left_out = all_scores(embedder, store, indices, other_models, options)
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], options.resamples, options.seed)
    compared = {name: scored[f"with_{name}"] for name in other_models if f"with_{name}" in scored}
    ablated, not_ablated = input_ablation(embedder, store, volumes, all_lesions, options)
    found = slice_measurements(scored, lesions, bootstrap, SPEC)
    found |= distractor_measurements(store, indices, scored, lesions, bootstrap)
    found |= stability_measurements(scored["attentive"], compared, SPEC.budgets, bootstrap) | ablated
    found.write(out)
    say(as_text(found, notes + left_out + not_ablated))
    say(f"measured in {time.monotonic() - started:.0f} s: {out}")
    return found


def all_scores(
    embedder: Embedder,
    store: Store,
    indices: Sequence[int],
    other_models: Mapping[str, UniMediModel],
    options: EvaluationOptions,
) -> tuple[dict[str, Float[ndarray, "volumes slabs"]], list[str]]:
    """Every way to score the slabs of stored volumes, and a note for each that is left out.

    ``attentive`` is always there, though it may score all slabs alike.
    """
    model, notes = embedder.model, list[str]()
    grid = model.vision.volume_grid
    orders = depth_orders(len(indices), grid[0], options.seed)
    reports = embedder.texts([store.studies[i].report for i in indices])
    scorings = [poolings(model, layers=True), tokens_shuffled(model, orders), *other_scorers(model, reports)]
    scorings += [model_scores(other, f"with_{name}") for name, other in other_models.items()]
    scorings += [model_scores(untrained(model, options.seed), "untrained"), brightest(store.preprocess, grid[0])]
    if store.preprocess.hires_shape[0] % grid[0]:
        notes.append("depth shuffled: the stored planes do not divide into slabs of equal thickness")
    else:
        scorings.append(depth_shuffled(poolings(model), orders))
    scored = score_volumes(store, indices, scorings, model.device, options.batch_size)
    try:
        for name in ("attentive", *(f"volume_{pooling}" for pooling in SLAB_POOLINGS)):
            scored[f"{name}_position_removed"] = position_removed(scored[name])
    except NotComputable as reason:
        notes.append(f"position removed: {reason}")
    for name in [name for name, scores in scored.items() if name != "attentive" and not scores_differ(scores)]:
        del scored[name]
        notes.append(f"{name}: left out, because it gives all slabs of a volume the same score")
    if not scores_differ(scored["attentive"]):
        notes.append("attentive: the model gives all slabs of a volume the same score, so it takes the lowest of them")
    baselines, lacking = baseline_scores(store, indices, grid, options.focal, options.seed)
    return scored | baselines, notes + lacking
