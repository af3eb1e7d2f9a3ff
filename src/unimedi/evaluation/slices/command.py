"""``unimedi slice-eval``: every selector and every way of scoring on the masked volumes of a split, with controls.

And on all volumes of the split, what the slices bring: the figures without them, with others, with slices alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from unimedi.cohort.study import Split
from unimedi.errors import InputError
from unimedi.evaluation.options import EvaluationOptions, with_prompts
from unimedi.evaluation.slices.churn import churn_figures, read_others
from unimedi.evaluation.slices.controls import depth_orders, position_removed, shuffled, shuffled_tokens
from unimedi.evaluation.slices.figures import Asked, slice_figures
from unimedi.evaluation.slices.lesions import connected_lesions
from unimedi.evaluation.slices.modelless import brightest, modelless_scores
from unimedi.evaluation.slices.scores import (
    Scoring,
    own,
    poolings,
    poolings_and_layers,
    score_volumes,
    tell_apart,
    variants,
)
from unimedi.evaluation.slices.table import as_text
from unimedi.evaluation.slices.tasks import with_lesions
from unimedi.evaluation.slices.worth import worth_of_slices
from unimedi.files.destination import file_to_write
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import write_metrics
from unimedi.model.slice_selection import SLAB_POOLINGS
from unimedi.model.untrained import untrained
from unimedi.representation.embedder import Embedder, pretrained_folder

ASKED = Asked(
    budgets=(1, 2, 4, 8),
    measures=("hit", "slab_hit", "precision", "coverage", "depth_error_mm", "centre_error_mm"),
    compared=("hit", "coverage", "depth_error_mm"),
    by_group=(1, 2, 4, 8),
    planes=True,
)

Scored = dict[str, Float[ndarray, "volumes slabs"]]


def slice_eval(
    run: Path,
    data: Path,
    selection_picture: Callable[[dict[str, Estimate]], bytes],
    out: Path | None = None,
    split: str = "test",
    others: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Estimate]:
    """Measure how a run (or a ``pretrained`` folder) selects slices, on the volumes of a split with a focal lesion, and
    what these slices bring, on all of them (``slice_inputs/…``).

    Writes ``out`` (default: ``slice_eval.json`` in the run folder; keys as in ``metrics.json``) and a picture of the
    same name, and returns the figures. ``others`` are models or checkpoints whose choices are compared with this one's.

    Raises FileNotFoundError where there is no model, ValueError where the store was prepared for another model, a split
    has no volume, the store knows none of ``options.focal`` or another model has other slabs, NotComputable where no
    volume has a mask of a focal finding.
    """
    options = options or EvaluationOptions()
    started = time.monotonic()
    pretrained_folder(run)  # a run that is not there is not made
    out = file_to_write(out or run / "slice_eval.json", (".json",), beside=(".png",))
    embedder = Embedder.from_pretrained(run, options.batch_size)
    options, unspoken = with_prompts(options, embedder.model.config.report_languages)
    named = {f"with_{name}": model for name, model in read_others(others, embedder.model).items()}
    store = Store.open(data, expect=embedder.processor.preprocess)
    volumes = store.select(split=Split(split), image_kind="ct")
    if not volumes:
        raise InputError(f"{data}: expected volumes in the {split} split, found none")
    focal, lacking = known_classes(store, options.focal)
    options, notes = replace(options, focal=focal), lacking + unspoken
    all_lesions = connected_lesions(store, volumes, options.focal)
    rows, lesions = with_lesions(all_lesions, options.focal)
    indices = [volumes[row] for row in rows]
    say(f"{len(indices)} of {len(volumes)} volumes of the {split} split have a focal lesion")
    asked = [own(model, name) for name, model in named.items()]
    scored = _scores(embedder, store, indices, asked, options, notes)
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], options.resamples, options.seed)
    figures = slice_figures(scored, lesions, bootstrap, ASKED)
    compared = {name.removeprefix("with_"): scored[name] for name in named if name in scored}
    figures |= churn_figures(scored["attentive"], compared, ASKED.budgets, bootstrap)
    try:
        figures |= worth_of_slices(embedder, store, volumes, all_lesions, options, notes)
    except NotComputable as reason:
        notes.append(f"slice inputs: {reason}")
    write_metrics(figures, out)
    picture = out.with_suffix(".png")
    temporary = picture.with_name(picture.name + ".part")
    temporary.write_bytes(selection_picture(figures))
    temporary.replace(picture)
    say(as_text(figures, notes))
    say(f"measured in {time.monotonic() - started:.0f} s: {out}, {picture}")
    return figures


def _scores(
    embedder: Embedder,
    store: Store,
    indices: Sequence[int],
    asked: Sequence[Scoring],
    options: EvaluationOptions,
    notes: list[str],
) -> Scored:
    model = embedder.model
    grid = model.vision.volume_grid
    orders = depth_orders(len(indices), grid[0], options.seed)
    reports = embedder.texts([store.studies[i].report for i in indices])
    scorings = [poolings_and_layers(model), shuffled_tokens(model, orders), *variants(model, reports), *asked]
    scorings += [own(untrained(model, options.seed), "untrained"), brightest(store.preprocess, grid[0])]
    if store.preprocess.fine_shape[0] % grid[0]:
        notes.append("depth shuffled: the stored planes do not divide into slabs of equal thickness")
    else:
        scorings.append(shuffled(poolings(model), orders))
    scored = score_volumes(store, indices, scorings, model.device, options.batch_size)
    try:
        for name in ("attentive", *(f"volume_{pooling}" for pooling in SLAB_POOLINGS)):
            scored[f"{name}_position_removed"] = position_removed(scored[name])
    except NotComputable as reason:
        notes.append(f"position removed: {reason}")
    alike = [name for name, scores in scored.items() if name != "attentive" and not tell_apart(scores)]
    for name in alike:
        del scored[name]
        notes.append(f"{name}: left out, because it gives all slabs of a volume the same score")
    if not tell_apart(scored["attentive"]):
        notes.append("attentive: the model gives all slabs of a volume the same score, so it takes the lowest of them")
    return scored | modelless_scores(store, indices, grid, options, notes)
