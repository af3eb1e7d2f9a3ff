"""Linear probes on one run: the frozen encoder beside an untrained encoder and principal components of the pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unimedi.adaptation.subset import Labels, Scores
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.probes.gradient import fit_and_score_by_gradient
from unimedi.evaluation.probes.linear import Features, Fit, fit_and_score, probe_scores
from unimedi.evaluation.probes.pixels import pixel_features
from unimedi.evaluation.result import TaskResult
from unimedi.evaluation.split import EvalSplit, probe_validation
from unimedi.inputs.labels import label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate, average_estimates, paired_difference, seed_sd
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurement, Measurements, mean_over_seeds, named, percent
from unimedi.metrics.multiclass import multiclass_measurements
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable

VARIANTS: dict[str, Fit] = {"": fit_and_score, "sgd": fit_and_score_by_gradient}
RANDOM_INIT, PCA = "random_init", "pca"  # the references


@dataclass(frozen=True)
class ProbeSplits:
    """Which studies a probe learns from and chooses its C on, and how many the training split holds in all."""

    train: list[int]
    validation: list[int]
    available: int


def probe_splits(store: Store, kind: str, options: EvaluationOptions) -> ProbeSplits:
    """Labelled training and validation studies of a kind, capped; NotComputable where either is empty."""
    train, validation = labelled(store, "train", kind, options.classes), probe_validation(store, kind, options)
    if not train or not validation:
        raise NotComputable(f"{len(train)} labelled training and {len(validation)} labelled validation studies")
    return ProbeSplits(subsample(train, options.probe_cap, options.seed), validation, len(train))


def linear_probe(
    split: EvalSplit,
    store: Store,
    encoders: Mapping[str, tuple[Embedder, EmbeddingTable]],
    options: EvaluationOptions,
) -> TaskResult:
    """Linear probes on frozen [CLS] embeddings, by share of the labels, and the gain over each reference.

    Args:
        split: the studies that are scored.
        store: its training studies teach the probe, its validation studies choose its C.
        encoders: method → embedder, and its table of the studies of ``split``; '' is the model itself.

    Returns:
        ``auroc`` (macro) and, of several seeds, ``auroc_seed_sd``, with ``share`` and with ``method`` '',
        ``random_init`` or ``pca``; the first minus each other; ``training_studies``. ``variant`` is '' or ``sgd``, the
        same features by MGCA's protocol. With ``options.multiclass`` also the accuracy of choosing one class.
        A share is of the *whole* training split, drawn among the encoded studies.

    Raises:
        NotComputable: no labels, or no finding with labels in all three splits.
    """
    if not split.labels:
        raise NotComputable("no labels")
    parts = probe_splits(store, split.kind, options)
    notes = []
    if cut := [percent(share) for share in options.fractions if round(share * parts.available) > len(parts.train)]:
        notes.append(f"{', '.join(cut)} stands for {len(parts.train)} of {parts.available} training studies")
    labels = [label_columns(store, part) for part in (parts.train, parts.validation)]
    names = [name for name in split.labels if all(name in part for part in labels)]
    if not names:
        raise NotComputable("no finding is known in training, validation and test studies alike")
    notes += _lacking(split, names, labels[0])
    multiclass = options.multiclass and set(names) == set(options.classes)
    if options.multiclass and not multiclass:
        notes.append(f"the choice is not measured, as only {', '.join(names)} are known")
    columns = [{name: part[name] for name in names} for part in (*labels, split.labels)]
    inputs = {
        method: [_cls(embedder.images(store, part)) for part in (parts.train, parts.validation)] + [_cls(table)]
        for method, (embedder, table) in encoders.items()
    }
    inputs[PCA] = pixel_features(store, [parts.train, parts.validation, split.indices], options.seed)
    features = {
        method: [Features(x, y) for x, y in zip(three, columns, strict=True)] for method, three in inputs.items()
    }
    found = Measurements()
    for share in options.fractions:
        count = min(max(round(share * parts.available), 2), len(parts.train))
        for variant, fit in VARIANTS.items():
            scores = {
                method: probe_scores(train, validation, test, count, options.probe_seeds, fit)
                for method, (train, validation, test) in features.items()
            }
            found |= _measured(scores, columns[-1], split).named(share=share, variant=variant)
            if multiclass:
                try:
                    found |= _multiclass(scores, columns[-1], split).named(share=share, variant=variant)
                except NotComputable as reason:  # of the labels, so it is the same every time
                    notes.append(f"the choice is not measured: {reason}")
                    multiclass = False
        studies = named(Estimate(float(count), n=count), share=share, metric="training_studies")
        found |= Measurements([studies])
    found = found.named(task="linear_probe", modality=split.kind)
    return TaskResult(found, [f"linear probe, {split.kind}: {note}" for note in notes])


def detail_probe(
    split: EvalSplit,
    store: Store,
    encoders: Mapping[str, tuple[Embedder, EmbeddingTable]],
    options: EvaluationOptions,
) -> TaskResult:
    """:func:`linear_probe` of the details of lesions: ``detail_auroc``, their mean, and ``detail_auroc_seed_sd``.

    Arguments and errors as there.
    """
    found = linear_probe(replace(split, labels=split.details), store, encoders, replace(options, multiclass=False))
    rows = [row for row in found.measurements.values() if row.metric.startswith("auroc")]
    notes = [note.replace("linear probe,", "linear probe of details,", 1) for note in found.notes]
    return TaskResult(Measurements(named(row, metric=f"detail_{row.metric}") for row in rows), notes)


def _cls(table: EmbeddingTable) -> np.ndarray:
    if table.cls is None:
        raise NotComputable("no study to encode")
    return table.cls.astype(np.float64)


def _measured(scores: Mapping[str, list[Scores]], labels: Labels, split: EvalSplit) -> Measurements:
    """Macro AUROC of each method over its seeds, its SD, and the model's minus each reference's."""
    rows: list[Measurement] = []
    means: dict[str, Estimate] = {}
    for method, runs in scores.items():
        areas = [macro_auroc(one, labels, split.bootstrap).mean for one in runs]
        means[method] = average_estimates(areas)
        rows.append(named(means[method], method=method, metric="auroc"))
        if len(areas) > 1:
            rows.append(named(seed_sd(areas), method=method, metric="auroc_seed_sd"))
    gains = {method: paired_difference(means[""], means[method]) for method in means if method}
    return Measurements([*rows, *(named(gain, minus=method, metric="auroc") for method, gain in gains.items())])


def _multiclass(scores: Mapping[str, list[Scores]], labels: Labels, split: EvalSplit) -> Measurements:
    """How often each method scores the right class highest, the mean over its seeds."""
    found = Measurements()
    for method, runs in scores.items():
        each = [multiclass_measurements(one, labels, split.bootstrap) for one in runs]
        found |= mean_over_seeds(each).named(method=method)
    return found


def _lacking(split: EvalSplit, names: Sequence[str], training: Labels) -> list[str]:
    """Sentences on the findings for which there is no probe, and on those that it cannot learn."""
    unknown = [name for name in split.labels if name not in names]
    single = [name for name in names if len({*training[name][~np.isnan(training[name])].tolist()}) < 2]
    return [
        f"{what} {', '.join(found)}"
        for what, found in (
            ("no label in the training or the validation studies of", unknown),
            ("one class only in the training studies, so every score is the same, of", single),
        )
        if found
    ]
