"""Zero-shot on one run: every figure of every finding, how much the wording matters, what other prompt files say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit

from unimedi.errors import nearest
from unimedi.evaluation.task import EvaluationOptions, View, probe_validation
from unimedi.evaluation.zero_shot.files import shipped_prompts
from unimedi.evaluation.zero_shot.scoring import (
    PromptVectors,
    embed_prompts,
    log_odds,
    read_prompts,
    single_pair_scores,
)
from unimedi.inputs.labels import label_columns
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import column_aurocs, macro_auroc, resampled_auroc
from unimedi.metrics.bootstrap import Estimate, average_estimates, interval
from unimedi.metrics.checks import NotComputable, known_and_positive
from unimedi.metrics.classification import NO_CHOICE, best_threshold, decision_figures
from unimedi.metrics.multiclass import choice_figures
from unimedi.representation.embedder import Embedder


@dataclass(frozen=True)
class Verdicts:
    """Zero-shot log-odds of one kind's studies, and the probability from which on a finding is called present."""

    log_odds: dict[str, Float[ndarray, "studies"]]
    thresholds: dict[str, float]

    @property
    def probabilities(self) -> dict[str, Float[ndarray, "studies"]]:
        """Of each finding; far apart log-odds may be equal here."""
        return {name: expit(odds) for name, odds in self.log_odds.items()}


def zero_shot(
    view: View,
    store: Store,
    embedder: Embedder,
    split: str,
    options: EvaluationOptions,
    verdicts: dict[str, Verdicts],
    notes: list[str],
) -> dict[str, Estimate]:
    """``zero_shot/<kind>/<metric>`` over all findings with prompts and both classes, and ``…/<finding>`` of each.

    Metrics: auroc, ap, acc, balanced_acc, f1, ece, prevalence, auroc_prompt_sd and auroc_prompt_worst (spread over
    single pairs of a present and an absent sentence), threshold. What was said of each study is left in ``verdicts``.
    """
    if not view.labels:
        raise NotComputable("no labels")
    prompts = read_prompts(options.prompt_file)
    vectors = embed_prompts(embedder.texts, prompts, list(view.labels))
    scores = log_odds(view.table.embedding, vectors, embedder.scale)
    if missing := sorted(set(view.labels) - set(scores)):
        named = ", ".join(f"{name}{nearest(name, prompts.findings)}" for name in missing)
        notes.append(f"zero-shot, {view.kind}: no prompts in {prompts.name} for {named}")
    if not scores:
        raise NotComputable(f"no prompts in {prompts.name} for any of {', '.join(view.labels)}")
    choice = _choice(view, scores, options, notes) if options.exclusive else {}
    result = macro_auroc(scores, view.labels, view.bootstrap)
    if single := sorted(set(scores) - set(result.by_finding)):
        notes.append(f"zero-shot, {view.kind}: only one class in this split for {', '.join(single)}")
    scores = {name: scores[name] for name in result.by_finding}
    chosen = chosen_thresholds(view.kind, store, embedder, vectors, split, options)
    verdict = Verdicts(scores, {name: chosen[name].value if name in chosen else NO_CHOICE for name in scores})
    if unchosen := sorted(set(scores) - set(chosen)):
        notes.append(
            f"zero-shot, {view.kind}: threshold {NO_CHOICE}, not chosen, for lack of validation studies of both "
            f"classes: {', '.join(unchosen)}"
        )
    prefix = f"zero_shot/{view.kind}"
    figures = {f"{prefix}/auroc": result.mean}
    figures |= {f"{prefix}/auroc/{name}": figure for name, figure in result.by_finding.items()}
    figures |= decision_figures(prefix, scores, verdict.probabilities, view.labels, verdict.thresholds, view.bootstrap)
    figures |= {f"{prefix}/threshold/{name}": chosen.get(name, Estimate(NO_CHOICE)) for name in scores}
    figures |= prompt_spread(prefix, view, {name: vectors[name] for name in scores})
    verdicts[view.kind] = verdict
    return figures | choice


def _choice(
    view: View, scores: Mapping[str, Float[ndarray, "studies"]], options: EvaluationOptions, notes: list[str]
) -> dict[str, Estimate]:
    """The choice between all classes that were asked for; a note where it cannot be measured."""
    try:
        if lacking := sorted(set(options.classes) - set(scores)):
            raise NotComputable(f"no label or no prompt for {', '.join(lacking)}")
        return choice_figures(f"zero_shot/{view.kind}", scores, view.labels, view.bootstrap)
    except NotComputable as reason:
        notes.append(f"zero-shot, {view.kind}: the choice is not measured: {reason}")
        return {}


def chosen_thresholds(
    kind: str,
    store: Store,
    embedder: Embedder,
    vectors: Mapping[str, PromptVectors],
    split: str,
    options: EvaluationOptions,
) -> dict[str, Estimate]:
    """Per finding the threshold (a probability) of the highest balanced accuracy on validation studies, n of them.

    Findings of which they hold one class only are not in it; nothing is where the validation split is what is measured.
    The studies are the probes' (``probe_cap``), so that nothing more is encoded.
    """
    part = probe_validation(store, kind, options) if split != "validation" else []
    if not part:
        return {}
    scores = log_odds(embedder.images(store, part).embedding, vectors, embedder.scale)
    labels = label_columns(store, part, options.classes)
    figures = {}
    for name in scores.keys() & labels.keys():
        known, there = known_and_positive(labels[name], name)
        threshold = best_threshold(expit(scores[name][known]), there[known])
        if not math.isnan(threshold):
            figures[name] = Estimate(threshold, n=int(known.sum()))
    return figures


def prompt_spread(prefix: str, view: View, vectors: Mapping[str, PromptVectors]) -> dict[str, Estimate]:
    """``…/auroc_prompt_sd`` and ``…/auroc_prompt_worst``: AUROC of single pairs of sentences, SD and the least of them.

    The interval of the worst is that of the pair which is worst on all studies; findings with one pair have no SD.
    """
    deviations: dict[str, Estimate] = {}
    worst: dict[str, Estimate] = {}
    for name, sides in vectors.items():
        known, there = known_and_positive(view.labels[name], name)
        present = there[known]
        scores = single_pair_scores(view.table.embedding[known], sides)
        areas = column_aurocs(scores, present)
        least = int(areas.argmin())
        part = resampled_auroc(view.bootstrap.of(known), scores[:, least], present)
        worst[name] = Estimate(float(areas[least]), *interval(part), n=len(present), resampled=part)
        if len(areas) > 1:
            deviations[name] = Estimate(float(areas.std(ddof=1)), n=len(areas))
    figures = {f"{prefix}/auroc_prompt_worst": average_estimates([*worst.values()], len(view))}
    if deviations:
        mean = float(np.mean([figure.value for figure in deviations.values()]))
        figures[f"{prefix}/auroc_prompt_sd"] = Estimate(mean, n=sum(figure.n for figure in deviations.values()))
    figures |= {f"{prefix}/auroc_prompt_worst/{name}": figure for name, figure in worst.items()}
    return figures | {f"{prefix}/auroc_prompt_sd/{name}": figure for name, figure in deviations.items()}


def other_prompts(
    view: View, store: Store, embedder: Embedder, options: EvaluationOptions, notes: list[str]
) -> dict[str, Estimate]:
    """``zero_shot_by_prompts/<kind>/<file>/auroc`` of the shipped files in a language of the cohort's reports.

    And of the one that is asked, which stands for a shipped one of the same name.
    """
    if not view.labels:
        raise NotComputable("no labels")
    languages = {study.language for study in store.studies}
    figures = {}
    files = shipped_prompts() | {options.prompt_file.stem: options.prompt_file}
    for _, path in sorted(files.items()):
        prompts = read_prompts(path)
        if prompts.language not in languages:
            notes.append(f"prompts {prompts.name}, {view.kind}: no report of this cohort is in {prompts.language!r}")
            continue
        vectors = embed_prompts(embedder.texts, prompts, list(view.labels))
        if not vectors:
            notes.append(f"prompts {prompts.name}, {view.kind}: none for any of {', '.join(view.labels)}")
            continue
        scores = log_odds(view.table.embedding, vectors, embedder.scale)
        key = f"zero_shot_by_prompts/{view.kind}/{prompts.name}/auroc"
        try:
            figures[key] = macro_auroc(scores, view.labels, view.bootstrap).mean
        except NotComputable as reason:  # of this file's findings: another's may have both classes
            notes.append(f"prompts {prompts.name}, {view.kind}: {reason}")
    return figures
