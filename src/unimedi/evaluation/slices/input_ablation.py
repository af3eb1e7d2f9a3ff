"""What the slices bring to a trained model: the same figures without them, with other slices, with slices alone.

All inputs share one pass for the scores and one volume input; only the slices differ, or what stands beside them. The
model was trained with its own input alone: where a figure falls, the model used what is gone, which does not mean that
a model trained without it would be as bad (the rows of ``recipes/comparison/`` answer that).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.choices import oracle_scores
from unimedi.evaluation.slices.lesions import SIZE_BANDS_MM, Lesions
from unimedi.evaluation.slices.scores import VolumeFunction, apply_to_volumes, depth_orders, shuffle_slabs
from unimedi.evaluation.zero_shot.prompts import PromptVectors, embed_prompts, read_prompts
from unimedi.evaluation.zero_shot.tasks import detail_measurements, log_odds
from unimedi.inputs.labels import label_columns
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import PatientBootstrap, mean_estimate, paired_difference
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.metrics.recall import first_right_rank, report_groups, same_group
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens
from unimedi.representation.embedder import Embedder

MIN_POSITIVES = 10  # volumes with a lesion of a size; with fewer an AUROC is mostly chance
RANK = 10  # k of R@k
TASK = "input_ablation"
AS_SHIPPED, VOLUME_ALONE, DEPTH_SHUFFLED = "as_shipped", "volume_alone", "depth_shuffled"

Measure = Callable[[Float[ndarray, "volumes dim"]], list[Measurement]]  # of embeddings in the common space
Labels = Mapping[str, Float[ndarray, "volumes"]]  # 1, 0, or NaN: unknown, or left out


@dataclass(frozen=True)
class EvalContext:
    """The volumes ``indices`` of a store, their focal lesions and resamples, and the model that reads them."""

    embedder: Embedder
    store: Store
    indices: Sequence[int]
    lesions: Lesions
    bootstrap: PatientBootstrap
    options: EvaluationOptions


def input_ablation(
    embedder: Embedder, store: Store, indices: Sequence[int], lesions: Lesions, options: EvaluationOptions
) -> tuple[Measurements, list[str]]:
    """Zero-shot AUROC and image → report recall of volumes under every input of :func:`embed_inputs`.

    Args:
        embedder: the model with its processor.
        store: the store that holds the volumes.
        indices: their places in the store; those without a lesion count, too.
        lesions: all their focal lesions, from :func:`~unimedi.evaluation.slices.lesions.connected_lesions`.
        options: focal findings, classes, prompts, resamples, seed, batch size.

    Returns:
        Measurements of the task ``input_ablation`` (``method`` is the input), and a note for each that cannot be had
        of this model or cohort (perhaps all).
    """
    model = embedder.model
    if not model.config.slices:
        return Measurements(), ["input ablation: the model takes no slices"]
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], options.resamples, options.seed)
    context = EvalContext(embedder, store, indices, lesions, bootstrap, options)
    found = [zero_shot(context), recall(context)]
    measures = [measure for measure, _ in found if measure]
    notes = [f"input ablation: {note}" for _, said in found for note in said]
    if not measures:
        return Measurements(), [*notes, "input ablation: neither zero-shot nor retrieval can be measured"]
    shown = oracle_scores(lesions.planes(), model.vision.volume_grid[0])
    embedded = embed_inputs(model, store, indices, shown, options.seed, options.batch_size)
    if DEPTH_SHUFFLED not in embedded:
        notes.append("input ablation, depth shuffled: the stored planes do not divide into slabs of equal thickness")
    return measured_inputs(embedded, measures), notes


def measured_inputs(embedded: Mapping[str, Float[ndarray, "volumes dim"]], measures: Sequence[Measure]) -> Measurements:
    """Every measure of every input, and its difference to ``volume_alone`` and to ``as_shipped``, paired by patient."""
    each = {name: [row for measure in measures for row in measure(rows)] for name, rows in embedded.items()}
    found = [named(row, method=name) for name, rows in each.items() for row in rows]
    for name, rows in each.items():
        for base in (VOLUME_ALONE, AS_SHIPPED):
            if name != base:
                for ours, theirs in zip(rows, each[base], strict=True):
                    found.append(named(paired_difference(ours, theirs), **ours.name, method=name, minus=base))
    return Measurements(found).named(task=TASK)


# -- what is measured -------------------------------------------------------------------------------------------------


def zero_shot(context: EvalContext) -> tuple[Measure | None, list[str]]:
    """AUROC: the mean over all findings with prompts and both classes, each focal finding, and each by size of lesion.

    Where the cohort labels details of lesions, also their mean, ``detail_auroc``, and each detail.

    Returns:
        The function that measures embeddings (None where there is nothing to measure), and notes on what is left out.
    """
    vectors, labels, notes = _prompted(context)
    if not labels:
        return None, notes
    details = {name: values for name, values in labels.items() if name in context.options.details}
    findings = {name: values for name, values in labels.items() if name not in details}
    focal = [name for name in context.options.focal if name in findings]
    sized, few = by_size({name: findings[name] for name in focal}, context.lesions)

    def measure(rows: Float[ndarray, "volumes dim"]) -> list[Measurement]:
        scores, found = log_odds(rows, vectors, context.embedder.scale), list[Measurement]()
        if findings:
            result = macro_auroc({name: scores[name] for name in findings}, findings, context.bootstrap)
            found.append(named(result.mean, metric="auroc"))
            found += [named(result.by_finding[name], metric="auroc", finding=name) for name in focal]
        for (name, band), kept in sized.items():
            one = macro_auroc({name: scores[name]}, {name: kept}, context.bootstrap).by_finding[name]
            found.append(named(one, metric="auroc", finding=name, size=band))
        if details:
            areas = macro_auroc({name: scores[name] for name in details}, details, context.bootstrap)
            found += detail_measurements(areas).values()
        return found

    return measure, notes + few


def _prompted(context: EvalContext) -> tuple[dict[str, PromptVectors], Labels, list[str]]:
    """The findings and details that have prompts and both classes; notes name the others."""
    labels = label_columns(context.store, context.indices, context.options.classes)
    if not labels:
        return {}, {}, ["no labels, so no zero-shot"]
    notes, prompts = [], read_prompts(context.options.prompt_file)
    vectors = embed_prompts(context.embedder.texts, prompts, list(labels))
    if without := sorted(labels.keys() - vectors.keys()):
        notes.append(f"no prompts in {prompts.name} for {', '.join(without)}")
    both = {name: labels[name] for name in vectors if {0.0, 1.0} <= set(labels[name].tolist())}
    if single := sorted(vectors.keys() - both.keys()):
        notes.append(f"only one class in this split for {', '.join(single)}")
    if not both:
        notes.append("no finding has prompts and both classes, so no zero-shot")
    return {name: vectors[name] for name in both}, both, notes


def by_size(labels: Labels, lesions: Lesions) -> tuple[dict[tuple[str, str], Float[ndarray, "volumes"]], list[str]]:
    """(finding, band of sizes) → labels without (NaN) the positives whose largest lesion of it is not in the band.

    Negatives stay. A band with fewer than ``MIN_POSITIVES`` positives is left out, with their number in a note.
    """
    sized, few = {}, []
    for name, values in labels.items():
        largest = lesions.largest_mm(name)
        for band, (low, high) in SIZE_BANDS_MM.items():
            inside = (largest >= low) & (largest < high)
            positives = int((inside & (values == 1)).sum())
            if positives < MIN_POSITIVES:
                few.append(f"{name} {band} ({positives})")
            else:
                sized[name, band] = np.where((values == 1) & ~inside, np.nan, values)
    said = f"fewer than {MIN_POSITIVES} positives of a size, so no AUROC: {', '.join(few)}"
    return sized, [said] if few else []


def recall(context: EvalContext) -> tuple[Measure | None, list[str]]:
    """``r@10`` image → report among the volumes that have one; equal reports count as right. Returns as zero_shot."""
    texts = [context.store.studies[i].report for i in context.indices]
    reported = np.flatnonzero([bool(text) for text in texts])
    if len(reported) < 2:
        return None, ["fewer than two volumes have a report, so no retrieval"]
    queried = [texts[row] for row in reported]
    reports, groups = context.embedder.texts(queried), report_groups(queried)
    right, resamples = same_group(groups, groups), context.bootstrap.of(reported)

    def measure(rows: Float[ndarray, "volumes dim"]) -> list[Measurement]:
        ranks = first_right_rank(rows[reported] @ reports.T, right)
        return [named(mean_estimate((ranks <= RANK).astype(np.float64), resamples), metric=f"r@{RANK}")]

    return measure, []


# -- inputs -----------------------------------------------------------------------------------------------------------


def embed_inputs(
    model: UniMediModel,
    store: Store,
    indices: Sequence[int],
    shown: Float[ndarray, "volumes slabs"],
    seed: int,
    batch: int,
) -> dict[str, Float[ndarray, "volumes dim"]]:
    """Input → embeddings in the common space, float32; ``shown`` is 1 where a slab's middle plane shows a lesion.

    ``depth_shuffled`` is left out where the stored planes do not divide into slabs of equal thickness.
    """
    functions = [slice_inputs(model, shown, seed)]
    if store.preprocess.hires_shape[0] % shown.shape[1] == 0:
        functions.append(depth_shuffled_input(model, depth_orders(len(indices), shown.shape[1], seed)))
    embedded = apply_to_volumes(store, indices, functions, model.device, batch)
    return {name: rows.astype(np.float32) for name, rows in embedded.items()}


def slice_inputs(model: UniMediModel, shown: Float[ndarray, "volumes slabs"], seed: int) -> VolumeFunction:
    """Embeddings of volumes under every input of the same height order.

    ``as_shipped``: the model's selector and k. ``volume_alone``: T_3D's tokens. ``slices_alone``: its slices without
    them. ``random_slices`` and ``centre_slices``: k others. ``oracle_slices``: slabs that show a focal lesion first,
    the model's scores among them and where there is none; knows the mask, so it is a ceiling and no method.
    """
    slices_alone = model.with_config(volume_tokens=False)
    drawn, lesion = depth_orders(len(shown), shown.shape[1], seed + 1).double(), torch.from_numpy(shown)

    def embed(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        volume = model.tokens(model.normalise(hires))
        scores, _ = model.score_slabs(volume)

        def sliced(variant: UniMediModel, planes: Int[Tensor, "n k"]) -> Tensor:
            tokens = variant.with_slices(volume, variant.cut_slices(hires, planes))
            return embedding(variant, tokens, variant.volume_sequence)

        own = model.select_planes(scores)
        best = oracle(scores, lesion[rows].to(hires.device))
        return {
            AS_SHIPPED: sliced(model, own),
            VOLUME_ALONE: embedding(model, volume, SequenceKind.VOLUME),
            "slices_alone": sliced(slices_alone, own),
            "random_slices": sliced(model, model.select_planes(drawn[rows].to(hires.device), selector="attentive")),
            "centre_slices": sliced(model, model.select_planes(scores, selector="centre")),
            "oracle_slices": sliced(model, model.select_planes(best, selector="attentive")),
        }

    return embed


def depth_shuffled_input(model: UniMediModel, orders: Int[Tensor, "volumes slabs"]) -> VolumeFunction:
    """``depth_shuffled``: the slabs of the stored volume in another order; all else as shipped, scores too."""

    def embed(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        moved = shuffle_slabs(hires, orders[rows].to(hires.device))
        return {DEPTH_SHUFFLED: model.encode_images(moved).embedding}

    return embed


def embedding(model: UniMediModel, tokens: Tokens, kind: SequenceKind) -> Float[Tensor, "n dim"]:
    """Of a volume's tokens, which are a sequence of this kind, in the common space."""
    projected: Tensor = model.image_projection(model.vision(tokens).cls, kind)
    return projected


def oracle(scores: Float[Tensor, "n slabs"], shown: Float[Tensor, "n slabs"]) -> Float[Tensor, "n slabs"]:
    """Scores under which every slab that shows a lesion stands before every other; within both the model's own."""
    above = scores.double()
    return above + shown * (above.amax(1, keepdim=True) - above.amin(1, keepdim=True) + 1)
