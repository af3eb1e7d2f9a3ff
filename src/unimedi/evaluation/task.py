"""What every downstream task is given: one modality of one split, embedded once, with labels, reports and resamples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.slices.lesions import FOCAL
from unimedi.evaluation.zero_shot.scoring import DEFAULT_PROMPTS
from unimedi.inputs.labels import label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.recall import report_groups
from unimedi.model.processor import UniMediProcessor
from unimedi.ranges import SEED, SOME_SHARE, at_least, check_ranges
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable

RANGES: Final = {
    **dict.fromkeys(("seed", "probe_seeds"), SEED),
    **dict.fromkeys(("resamples", "batch_size", "probe_cap"), at_least(1)),
    "fractions": SOME_SHARE,
    "supervised_steps": at_least(0),
}


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """The few choices that change what is measured.

    ``probe_cap`` bounds how many training studies of a modality are encoded for probes (it is what costs time; n says
    how many there were); a third of it bounds the validation studies; None takes all. ``fractions`` are shares of the
    labels that a probe learns from, drawn once for each of ``probe_seeds``. ``supervised_steps`` above 0 trains the
    same encoder with labels for that many steps, as a reference row. ``classes`` are label columns (all, where none is
    named); ``exclusive``: a study has one of them, and the accuracy of the choice is a figure too. ``prompts`` is
    a file of sentences; None becomes one in the model's language when a command starts.
    """

    seed: int = 0
    resamples: int = 1000
    batch_size: int = 16
    probe_cap: int | None = 400
    probe_seeds: tuple[int, ...] = (0, 1, 2)
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    kinds: tuple[str, ...] = tuple(map(str, ImageKind))
    classes: tuple[str, ...] = ()
    exclusive: bool = False
    supervised_steps: int = 0
    prompts: Path | None = None
    focal: tuple[str, ...] = FOCAL

    def __post_init__(self) -> None:
        check_ranges(self, RANGES)

    @property
    def prompt_file(self) -> Path:
        """The prompts that are asked; the English ones where no command has chosen any."""
        return self.prompts or DEFAULT_PROMPTS


@dataclass(frozen=True)
class View:
    """The studies of one kind (``xray`` or ``ct``) in the split under test, with what was computed once of them."""

    kind: str
    indices: list[int]
    table: EmbeddingTable
    reports: Float[ndarray, "studies dim"]
    report_texts: list[str]
    groups: Int[ndarray, "studies"]
    patients: list[str]
    labels: dict[str, Float[ndarray, "studies"]]
    normal: Bool[ndarray, "studies"]  # every finding that the store labels is known to be absent
    bootstrap: PatientBootstrap

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def reported(self) -> "View":
        """The studies that have a report, with the same resamples of patients."""
        rows = np.flatnonzero([bool(text) for text in self.report_texts])
        if len(rows) == len(self):
            return self
        return replace(
            self,
            indices=[self.indices[row] for row in rows],
            table=self.table.of(rows),
            reports=self.reports[rows],
            report_texts=[self.report_texts[row] for row in rows],
            groups=self.groups[rows],
            patients=[self.patients[row] for row in rows],
            labels={name: values[rows] for name, values in self.labels.items()},
            normal=self.normal[rows],
            bootstrap=self.bootstrap.of(rows),
        )

    def positives(self, row: int) -> list[str]:
        """The findings that are known to be present in the study of this row."""
        return [name for name, values in self.labels.items() if values[row] == 1]


@dataclass
class Outcome:
    """Beside the figures: why some are absent, and the per-study results that the report draws."""

    notes: list[str] = field(default_factory=list)
    lesion_rows: list[int] = field(default_factory=list)  # rows of the CT view with a focal lesion
    lesion_planes: Bool[ndarray, "volumes depth"] | None = None  # of those rows
    slab_scores: Float[ndarray, "volumes slabs"] | None = None  # the model's, of those rows


def view(kind: str, store: Store, indices: list[int], embedder: Embedder, options: EvaluationOptions) -> View:
    """Embed the studies and their reports, each once."""
    studies = [store.studies[i] for i in indices]
    texts = [study.report for study in studies]
    patients = [study.patient_id for study in studies]
    return View(
        kind=kind,
        indices=indices,
        table=embedder.images(store, indices),
        reports=embedder.texts(texts),
        report_texts=texts,
        groups=report_groups(texts),
        patients=patients,
        labels=label_columns(store, indices, options.classes),
        normal=_normal(store, indices),
        bootstrap=PatientBootstrap(patients, options.resamples, options.seed),
    )


def _normal(store: Store, indices: Sequence[int]) -> Bool[ndarray, "studies"]:
    """Where every finding is known to be absent that any study of the store is labelled with; a mask alone is none."""
    names = label_columns(store, range(len(store)))
    known = [[store.studies[i].labels.get(name) for name in names] for i in indices]
    return np.array([set(values) == {False} for values in known], dtype=bool)


def unlabelled(view: View, asked: Sequence[str], split: str) -> list[str]:
    """A sentence on the findings ``asked`` for that not one study of the view has a label of; nothing where none is
    labelled at all, which every task says for itself."""
    lacking = [name for name in asked if name not in view.labels]
    said = f"no {view.kind} study of the {split} split has a label of {', '.join(lacking)}"
    return [said] if lacking and view.labels else []


def foreign_reports(store: Store, split: str, languages: Sequence[str]) -> list[str]:
    """A sentence where reports of the split are in a language that the model was not trained with (``languages``; of
    older models it is not known)."""
    reports = [store.studies[i] for i in store.select(split=split, reported=True)]
    unread = Counter(study.language for study in reports if languages and study.language not in languages)
    listed = ", ".join(f"{count} in {language!r}" for language, count in unread.most_common())
    trained = ", ".join(repr(language) for language in languages)
    return [f"{unread.total()} of {len(reports)} reports: {listed}, the model was trained with {trained}"] * bool(
        unread
    )


def cut_reports(store: Store, split: str, processor: UniMediProcessor) -> list[str]:
    """A sentence where reports of the split are longer than the model reads."""
    reports = [store.studies[i].report for i in store.select(split=split, reported=True)]
    return [
        f"{cut} of {len(reports)} reports are longer than the {processor.text_length} tokens that the model reads, and "
        f"lose their end"
        for cut in [processor.too_long(reports)]
        if cut
    ]


def probe_validation(store: Store, kind: str, options: EvaluationOptions) -> list[int]:
    """The labelled validation studies on which probes and thresholds are chosen."""
    cap = None if options.probe_cap is None else max(options.probe_cap // 3, 1)
    return subsample(labelled(store, "validation", kind, options.classes), cap, options.seed)
