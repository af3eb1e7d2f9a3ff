"""Linear probes on one run: the frozen encoder beside an untrained encoder and principal components."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unimedi.adaptation.subset import Labels
from unimedi.evaluation.probes.gradient import fit_and_score_by_gradient
from unimedi.evaluation.probes.linear import Features, Fit, fit_and_score, probe_scores
from unimedi.evaluation.probes.pixels import pixel_features
from unimedi.evaluation.task import EvaluationOptions, View, probe_validation
from unimedi.inputs.labels import label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate, average_estimates, mean_by_key, paired_difference, seed_spread
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import percent
from unimedi.metrics.multiclass import choice_figures
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable

PROTOCOLS: dict[str, Fit] = {"": fit_and_score, "_sgd": fit_and_score_by_gradient}  # end of the row's name → protocol


@dataclass(frozen=True)
class ProbeSplits:
    """Which studies a probe learns from and chooses its strength on, and how many the training split holds in all."""

    train: list[int]
    validation: list[int]
    available: int


def probe_splits(store: Store, kind: str, options: EvaluationOptions) -> ProbeSplits:
    """Labelled training and validation studies of a kind, capped; NotComputable where either is empty."""
    train, validation = labelled(store, "train", kind, options.classes), probe_validation(store, kind, options)
    if not train or not validation:
        raise NotComputable(f"{len(train)} labelled training and {len(validation)} labelled validation studies")
    return ProbeSplits(subsample(train, options.probe_cap, options.seed), validation, len(train))


def probe_figures(
    view: View,
    store: Store,
    encoders: dict[str, tuple[Embedder, EmbeddingTable]],
    options: EvaluationOptions,
    notes: list[str],
) -> dict[str, Estimate]:
    """``{linear_probe,random_init,pca}/<kind>/<fraction>/auroc``, ``…/auroc_seed_sd`` of several seeds, and the gains
    of the first over the others.

    ``encoders`` maps a row's name to the embedder and its table of ``view``'s studies; ``linear_probe`` is among them.
    A fraction is of the *whole* training split, drawn among the encoded studies; n is what it came to. Rows whose name
    ends in ``_sgd`` read the same features by MGCA's protocol. Of exclusive classes also ``…/choice_acc`` and
    ``…/choice_balanced_acc``, each class against the rest.
    """
    if not view.labels:
        raise NotComputable("no labels")
    splits = probe_splits(store, view.kind, options)
    if cut := [percent(share) for share in options.fractions if round(share * splits.available) > len(splits.train)]:
        notes.append(
            f"linear probe, {view.kind}: {', '.join(cut)} stands for {len(splits.train)} of {splits.available} "
            "training studies"
        )
    labels = [label_columns(store, part) for part in (splits.train, splits.validation)]
    names = [name for name in view.labels if all(name in part for part in labels)]
    if not names:
        raise NotComputable("no finding is known in training, validation and test studies alike")
    notes += _lacking(view, names, labels[0])
    exclusive = options.exclusive and set(names) == set(options.classes)
    if options.exclusive and not exclusive:
        notes.append(f"linear probe, {view.kind}: the choice is not measured, as only {', '.join(names)} are known")
    features = {
        name: [*(_cls(embedder.images(store, part)) for part in (splits.train, splits.validation)), _cls(table)]
        for name, (embedder, table) in encoders.items()
    }
    features["pca"] = pixel_features(store, [splits.train, splits.validation, view.indices], options.seed)
    figures: dict[str, Estimate] = {}
    for share in options.fractions:
        fraction = percent(share)
        count = min(max(round(share * splits.available), 2), len(splits.train))
        for ending, fit in PROTOCOLS.items():
            results: dict[str, Estimate] = {}
            for name, parts in features.items():
                columns = [{n: part[n] for n in names} for part in (*labels, view.labels)]
                train, validation, test = (Features(x, y) for x, y in zip(parts, columns, strict=True))
                scores = probe_scores(train, validation, test, count, options.probe_seeds, fit)
                areas = [macro_auroc(one, test.labels, view.bootstrap) for one in scores]
                results[name] = average_estimates([area.mean for area in areas])
                where = f"{name}{ending}/{view.kind}/{fraction}"
                figures[f"{where}/auroc"] = results[name]
                figures |= seed_spread(f"{where}/auroc", [area.mean for area in areas])
                if exclusive:
                    try:
                        each = [choice_figures(where, one, test.labels, view.bootstrap) for one in scores]
                    except NotComputable as reason:  # the labels' fault, so the same for every row
                        notes.append(f"linear probe, {view.kind}: the choice is not measured: {reason}")
                        exclusive = False
                    else:
                        figures |= mean_by_key(each)
            for name in (name for name in results if name != "linear_probe"):
                key = f"linear_probe{ending}/{view.kind}/{fraction}/gain_over_{name}"
                figures[key] = paired_difference(results["linear_probe"], results[name])
        figures[f"linear_probe/{view.kind}/{fraction}/training_studies"] = Estimate(float(count), n=count)
    return figures


def _lacking(view: View, names: Sequence[str], training: Labels) -> list[str]:
    """A sentence of the findings that no probe is asked for, and of those that it cannot learn."""
    unknown = [name for name in view.labels if name not in names]
    single = [name for name in names if len({*training[name][~np.isnan(training[name])].tolist()}) < 2]
    return [
        f"linear probe, {view.kind}: {what} {', '.join(found)}"
        for what, found in (
            ("no label in the training or the validation studies of", unknown),
            ("one class only in the training studies, so every score is the same, of", single),
        )
        if found
    ]


def _cls(table: EmbeddingTable) -> np.ndarray:
    if table.cls is None:
        raise NotComputable("no study to encode")
    return table.cls.astype(np.float64)
