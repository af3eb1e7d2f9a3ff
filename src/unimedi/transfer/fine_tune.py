"""Fine-tuning: which findings a study shows, learnt from labelled studies, beside the same from random weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from unimedi.cohort.study import Split
from unimedi.inputs.store import Store
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder
from unimedi.transfer.classifier import Classifier
from unimedi.transfer.metrics import (
    Figure,
    MacroAuroc,
    NotComputable,
    PatientBootstrap,
    difference,
    macro_auroc,
    mean_of,
)
from unimedi.transfer.task import known_classes, label_columns, labelled, percent, spread
from unimedi.transfer.tuning import Problem, Say, TuningSettings, compare, rows, studies_of

ROW = "fine_tune"


@dataclass(frozen=True)
class FineTuneSettings(TuningSettings):
    """:class:`~unimedi.transfer.tuning.TuningSettings` of classification; ``frozen`` trains the reader alone."""


def fine_tune(run: Path, data: Path, settings: FineTuneSettings | None = None, say: Say = print) -> dict[str, Figure]:
    """Fine-tune a run's model (a run folder, or a ``pretrained`` folder itself) on the labels of a store.

    Returns ``{fine_tune,fine_tune_random_init}/<kind>/<fraction>/auroc`` (macro), ``…/auroc/<finding>`` and
    ``fine_tune/<kind>/<fraction>/gain_over_random_init``; a volume and a radiograph take the same path.

    Raises:
        FileNotFoundError: no model there.
        StoreError: the store was prepared for another model.
        NotComputable: no kind of image has labels in all three splits.
        ValueError: none of the classes is a label column.
    """
    settings = settings or FineTuneSettings()
    embedder = Embedder.from_pretrained(run)
    store = Store.open(data, expect=embedder.processor.preprocess)
    for sentence in known_classes(store, settings.classes)[1]:
        say(f"fine-tuning: {sentence}")
    figures: dict[str, Figure] = {}
    lacking = []
    for kind in settings.kinds:
        try:
            figures |= _kind_figures(kind, store, embedder.model, settings, say)
        except NotComputable as reason:
            lacking.append(f"fine-tuning, {kind}: {reason}")
            say(lacking[-1])
    if not figures:
        raise NotComputable("; ".join(lacking))
    return figures


class FindingLearner:
    """A classifier with the studies that it is chosen and measured on."""

    def __init__(
        self, classifier: Classifier, store: Store, validation: Sequence[int], test: Sequence[int], resamples: int
    ) -> None:
        self.classifier, self.store, self.module = classifier, store, classifier.module
        self.validation, self.held_out, self.resamples = validation, test, resamples

    def loss(self, batch: Sequence[int], draws: np.random.Generator) -> Tensor:
        return self.classifier.loss(self.store, batch, draws)

    def validate(self) -> float:
        """Macro AUROC of the validation studies."""
        return self._measure(self.validation, resamples=1).figure.value

    def test(self) -> MacroAuroc:
        return self._measure(self.held_out, self.resamples)

    def _measure(self, indices: Sequence[int], resamples: int) -> MacroAuroc:
        columns = label_columns(self.store, indices)
        labels = {name: columns[name] for name in self.classifier.findings}
        bootstrap = PatientBootstrap([self.store.studies[i].patient_id for i in indices], resamples)
        return macro_auroc(self.classifier.scores(self.store, indices), labels, bootstrap)


def _kind_figures(
    kind: str, store: Store, model: UniMediModel, settings: FineTuneSettings, say: Say
) -> dict[str, Figure]:
    problem = finding_problem(kind, store, settings, say)
    figures = {}
    for fraction, results in compare(problem, rows(ROW, model), settings, say).items():
        ours, other = (mean_of(results[name]) for name in (ROW, f"{ROW}_random_init"))
        where = f"{kind}/{percent(fraction)}"
        for name, result in ((ROW, ours), (f"{ROW}_random_init", other)):
            figures[f"{name}/{where}/auroc"] = result.figure
            figures |= {f"{name}/{where}/auroc/{finding}": one for finding, one in result.by_finding.items()}
        figures[f"{ROW}/{where}/gain_over_random_init"] = difference(ours, other)
        count = studies_of(fraction, problem)
        figures[f"{ROW}/{where}/training_studies"] = Figure(float(count), n=count)
    return figures


def finding_problem(kind: str, store: Store, settings: FineTuneSettings, say: Say = print) -> Problem[MacroAuroc]:
    """The findings that are labelled in all three splits, validation as capped; ``say`` hears of the others.

    NotComputable, with the counts, where there is none, or none with both classes in validation.
    """
    wanted = settings.classes or store.findings
    train, validation, test = (
        labelled(store, split, kind, wanted) for split in ("train", "validation", Split(settings.split))
    )
    counts = f"{len(train)} labelled training, {len(validation)} validation and {len(test)} {settings.split} studies"
    validation = spread(validation, settings.validation_cap, seed=0)  # first: what it loses cannot be chosen by
    columns = [label_columns(store, part) for part in (train, validation, test)]
    findings = [name for name in wanted if all(name in part for part in columns)]
    if not findings:
        raise NotComputable(counts)
    if lost := [name for name in wanted if name not in findings and any(name in part for part in columns)]:
        say(f"fine-tuning, {kind}: {', '.join(lost)} left out, without a label in one of the splits ({counts})")
    if not any({0.0, 1.0} <= {*columns[1][name]} for name in findings):
        raise NotComputable(f"no finding has both classes in the {len(validation)} validation studies")
    return Problem(
        title=f"fine-tuning, {kind}",
        train=train,
        labels={name: columns[0][name] for name in findings},
        learner=lambda model: FindingLearner(
            Classifier(model, findings, settings.frozen, precision=settings.precision),
            store,
            validation,
            test,
            settings.resamples,
        ),
    )
