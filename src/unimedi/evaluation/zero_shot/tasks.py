"""Zero-shot: a finding is read off an image by comparing it with sentences; no label is learnt from.

p(finding | image) = softmax over (present, absent) of scale * cosine(image, mean sentence embedding): the prompt
ensemble of CLIP in the pairs of CheXzero.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit

from unimedi.errors import nearest
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.result import TaskResult, ZeroShotPredictions
from unimedi.evaluation.split import EvalSplit, probe_validation
from unimedi.evaluation.zero_shot.prompts import PromptVectors, embed_prompts, read_prompts, shipped_prompts
from unimedi.inputs.labels import label_columns
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import MacroAuroc, column_aurocs, macro_auroc, resampled_auroc
from unimedi.metrics.bootstrap import Estimate, average_estimates, interval
from unimedi.metrics.checks import NotComputable, known_and_positive
from unimedi.metrics.classification import NO_CHOICE, best_threshold, decision_measurements
from unimedi.metrics.measurement import Measurement, Measurements, named, with_findings
from unimedi.metrics.multiclass import multiclass_measurements
from unimedi.representation.embedder import Embedder

DETAIL_AUROC = "detail_auroc"
Scores = Mapping[str, Float[ndarray, "studies"]]


def log_odds(
    images: Float[ndarray, "studies dim"], prompts: Mapping[str, PromptVectors], scale: float
) -> dict[str, Float[ndarray, "studies"]]:
    """Log-odds of each finding for every image.

    Args:
        images: L2-normalised embeddings.
        scale: the model's exp(logit scale), that is 1 / temperature.

    Returns:
        Finding → log-odds. Their ``expit`` is the probability; it is 1 for all above 37, so rank by the log-odds.
    """
    return {
        name: scale * (images @ (_ensemble(sides.present) - _ensemble(sides.absent))).astype(np.float64)
        for name, sides in prompts.items()
    }


def _ensemble(sentences: Float[ndarray, "sentences dim"]) -> Float[ndarray, "dim"]:
    mean = sentences.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def single_pair_scores(images: Float[ndarray, "studies dim"], prompt: PromptVectors) -> Float[ndarray, "studies pairs"]:
    """What each single (present, absent) pair of sentences says: the difference of cosines, before scale and softmax.

    Pairs in the order of the present sentences, within one of them that of the absent ones.
    """
    present, absent = (
        images.astype(np.float64) @ side.astype(np.float64).T for side in (prompt.present, prompt.absent)
    )
    return (present[:, :, None] - absent[:, None, :]).reshape(len(images), present.shape[1] * absent.shape[1])


def zero_shot(split: EvalSplit, store: Store, embedder: Embedder, options: EvaluationOptions) -> TaskResult:
    """Zero-shot of every finding that has prompts and both classes in the split, and the mean over these findings.

    Args:
        store: its validation studies choose the threshold of each finding.
        embedder: embeds the sentences of ``options.prompt_file``.

    Returns:
        ``auroc``, ``ap``, ``acc``, ``balanced_acc``, ``f1``, ``ece``, ``prevalence``; ``threshold`` (of each finding
        only); ``auroc_prompt_sd`` and ``auroc_prompt_worst`` (over single pairs of a present and an absent sentence);
        with ``options.multiclass`` the accuracy of choosing one class. And the predictions.

    Raises:
        NotComputable: no labels, no prompts for any labelled finding, or no finding with both classes.
    """
    if not split.labels:
        raise NotComputable("no labels")
    prompts = read_prompts(options.prompt_file)
    vectors = embed_prompts(embedder.texts, prompts, list(split.labels))
    if not vectors:
        raise NotComputable(f"no prompts in {prompts.name} for any of {', '.join(split.labels)}")
    every = log_odds(split.table.embedding, vectors, embedder.scale)
    unknown = [f"{name}{nearest(name, prompts.findings)}" for name in sorted(set(split.labels) - set(vectors))]
    no_prompts = [f"no prompts in {prompts.name} for {', '.join(unknown)}"] * bool(unknown)
    try:
        areas = macro_auroc(every, split.labels, split.bootstrap)
    except NotComputable as reason:
        raise NotComputable("; ".join([str(reason), *no_prompts])) from None
    scores = {name: every[name] for name in areas.by_finding}
    chosen = chosen_thresholds(split, store, embedder, vectors, options)
    thresholds = {name: chosen.get(name, Estimate(NO_CHOICE)) for name in scores}
    predictions = ZeroShotPredictions(split.kind, scores, {name: one.value for name, one in thresholds.items()})
    found = (
        with_findings("auroc", areas.mean, areas.by_finding)
        | decision_measurements(
            scores, predictions.probabilities, split.labels, predictions.thresholds, split.bootstrap
        )
        | Measurements(named(one, metric="threshold", finding=name) for name, one in thresholds.items())
        | prompt_spread(split, {name: vectors[name] for name in scores})
    )
    notes = no_prompts + [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("only one class in this split for", sorted(set(every) - set(scores))),
            (
                f"threshold {NO_CHOICE}, not chosen, for lack of validation studies of both classes:",
                sorted(set(scores) - set(chosen)),
            ),
        )
        if names
    ]
    if options.multiclass:
        try:
            found |= _multiclass(split, every, options.classes)
        except NotComputable as reason:
            notes.append(f"the choice is not measured: {reason}")
    found = found.named(task="zero_shot", modality=split.kind)
    return TaskResult(found, [f"zero-shot, {split.kind}: {note}" for note in notes], predictions)


def detail_zero_shot(split: EvalSplit, embedder: Embedder, options: EvaluationOptions) -> TaskResult:
    """Zero-shot of the details of lesions: each detail's ``auroc``, and their mean, ``detail_auroc``.

    Raises:
        NotComputable: no prompts for any detail of the split, or none with both classes.
    """
    prompts = read_prompts(options.prompt_file)
    vectors = embed_prompts(embedder.texts, prompts, list(split.details))
    if not vectors:
        raise NotComputable(f"no prompts in {prompts.name} for any of {', '.join(split.details)}")
    areas = macro_auroc(log_odds(split.table.embedding, vectors, embedder.scale), split.details, split.bootstrap)
    found = detail_measurements(areas).named(task="zero_shot", modality=split.kind)
    notes = [
        f"zero-shot of details, {split.kind}: {what} {', '.join(sorted(names))}"
        for what, names in (
            (f"no prompts in {prompts.name} for", split.details.keys() - vectors.keys()),
            ("only one class in this split for", vectors.keys() - areas.by_finding.keys()),
        )
        if names
    ]
    return TaskResult(found, notes)


def detail_measurements(areas: MacroAuroc) -> Measurements:
    """``detail_auroc``, the mean over details, and each detail's own ``auroc``."""
    each = [named(one, metric="auroc", finding=name) for name, one in areas.by_finding.items()]
    return Measurements([named(areas.mean, metric=DETAIL_AUROC), *each])


def _multiclass(split: EvalSplit, scores: Scores, classes: Sequence[str]) -> Measurements:
    """The accuracy of choosing one of all classes; NotComputable where one has no score."""
    if lacking := sorted(set(classes) - set(scores)):
        raise NotComputable(f"no label or no prompt for {', '.join(lacking)}")
    return multiclass_measurements(scores, split.labels, split.bootstrap)


def chosen_thresholds(
    split: EvalSplit,
    store: Store,
    embedder: Embedder,
    vectors: Mapping[str, PromptVectors],
    options: EvaluationOptions,
) -> dict[str, Estimate]:
    """Finding → the probability from which on to call it present, of the highest balanced accuracy in validation.

    A finding is left out where the validation studies have one class of it only; all are where the validation split is
    itself evaluated. The studies are those that the linear probe takes, so no more images are encoded.
    """
    part = probe_validation(store, split.kind, options) if split.name != "validation" else []
    if not part:
        return {}
    scores = log_odds(embedder.images(store, part).embedding, vectors, embedder.scale)
    labels = label_columns(store, part, options.classes)
    chosen = {}
    for name in scores.keys() & labels.keys():
        known, positive = known_and_positive(labels[name], name)
        threshold = best_threshold(expit(scores[name][known]), positive[known])
        if not math.isnan(threshold):
            chosen[name] = Estimate(threshold, n=int(known.sum()))
    return chosen


def prompt_spread(split: EvalSplit, vectors: Mapping[str, PromptVectors]) -> Measurements:
    """How much the wording matters: SD and minimum of the AUROC over single pairs of sentences.

    ``auroc_prompt_sd`` (n: pairs; not of findings with one pair) and ``auroc_prompt_worst``. The interval of the worst
    is that of the pair which is worst on all studies.
    """
    deviations: dict[str, Estimate] = {}
    worst: dict[str, Estimate] = {}
    for name, sides in vectors.items():
        known, positive = known_and_positive(split.labels[name], name)
        present = positive[known]
        scores = single_pair_scores(split.table.embedding[known], sides)
        areas = column_aurocs(scores, present)
        least = int(areas.argmin())
        resampled = resampled_auroc(split.bootstrap.of(known), scores[:, least], present)
        worst[name] = Estimate(float(areas[least]), *interval(resampled), n=len(present), resampled=resampled)
        if len(areas) > 1:
            deviations[name] = Estimate(float(areas.std(ddof=1)), n=len(areas))
    found = with_findings("auroc_prompt_worst", average_estimates([*worst.values()], len(split)), worst)
    if not deviations:
        return found
    mean = float(np.mean([one.value for one in deviations.values()]))
    pairs = sum(one.n for one in deviations.values())
    return found | with_findings("auroc_prompt_sd", Estimate(mean, n=pairs), deviations)


def other_prompts(split: EvalSplit, store: Store, embedder: Embedder, options: EvaluationOptions) -> TaskResult:
    """Macro AUROC by prompt file: the shipped files in a language of the cohort's reports, and the one that is used.

    The one that is used stands for a shipped one of the same name.
    """
    if not split.labels:
        raise NotComputable("no labels")
    languages = {study.language for study in store.studies}
    rows: list[Measurement] = []
    notes = []
    for path in dict(sorted((shipped_prompts() | {options.prompt_file.stem: options.prompt_file}).items())).values():
        prompts = read_prompts(path)
        about = f"prompts {prompts.name}, {split.kind}"
        if prompts.language not in languages:
            notes.append(f"{about}: no report of this cohort is in {prompts.language!r}")
            continue
        vectors = embed_prompts(embedder.texts, prompts, list(split.labels))
        if not vectors:
            notes.append(f"{about}: none for any of {', '.join(split.labels)}")
            continue
        scores = log_odds(split.table.embedding, vectors, embedder.scale)
        try:
            mean = macro_auroc(scores, split.labels, split.bootstrap).mean
        except NotComputable as reason:  # of this file's findings: another's may have both classes
            notes.append(f"{about}: {reason}")
        else:
            rows.append(named(mean, variant=prompts.name, metric="auroc"))
    return TaskResult(Measurements(rows).named(task="zero_shot_by_prompts", modality=split.kind), notes)
