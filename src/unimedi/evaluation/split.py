"""The studies that are evaluated: one kind of image of one split, embedded once, with labels, reports and resamples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.cohort.study import Split
from unimedi.evaluation.options import EvaluationOptions
from unimedi.inputs.labels import label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.recall import report_groups
from unimedi.model.processor import UniMediProcessor
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable


@dataclass(frozen=True)
class EvalSplit:
    """The studies of one kind of image in one split, with what was computed once for all tasks.

    Attributes:
        kind: ``xray`` or ``ct``.
        name: of the split, ``test`` or ``validation``.
        indices: the studies' numbers in the store; all other fields are in this order.
        table: embeddings of the images, and what else the encoder gave of them.
        reports: L2-normalised embeddings of the reports; of an empty report the row means nothing.
        report_texts: '' where a study has no report.
        groups: equal numbers where two reports are the same.
        labels: 1, 0 or NaN (unknown) by finding; findings that are unknown for all are left out.
        details: the same of ``options.details``, which are no findings but what lesions look like.
        normal: True where every finding that the store labels is known to be absent.
        bootstrap: resamples of the patients, the same for every task.
    """

    kind: str
    name: str
    indices: list[int]
    table: EmbeddingTable
    reports: Float[ndarray, "studies dim"]
    report_texts: list[str]
    groups: Int[ndarray, "studies"]
    patients: list[str]
    labels: dict[str, Float[ndarray, "studies"]]
    details: dict[str, Float[ndarray, "studies"]]
    normal: Bool[ndarray, "studies"]
    bootstrap: PatientBootstrap

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def reported(self) -> "EvalSplit":
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
            details={name: values[rows] for name, values in self.details.items()},
            normal=self.normal[rows],
            bootstrap=self.bootstrap.of(rows),
        )

    def positives(self, row: int) -> list[str]:
        """The findings that are known to be present in the study of this row."""
        return [name for name, values in self.labels.items() if values[row] == 1]


def eval_split(kind: str, name: str, store: Store, embedder: Embedder, options: EvaluationOptions) -> EvalSplit:
    """Embed the studies of a kind in the split ``name``, and their reports, each once."""
    indices = store.select(split=Split(name), image_kind=kind)
    studies = [store.studies[i] for i in indices]
    texts = [study.report for study in studies]
    patients = [study.patient_id for study in studies]
    columns = label_columns(store, indices, options.classes)
    return EvalSplit(
        kind=kind,
        name=name,
        indices=indices,
        table=embedder.images(store, indices),
        reports=embedder.texts(texts),
        report_texts=texts,
        groups=report_groups(texts),
        patients=patients,
        labels={name: values for name, values in columns.items() if name not in options.details},
        details={name: values for name, values in columns.items() if name in options.details},
        normal=_normal(store, indices, options.details),
        bootstrap=PatientBootstrap(patients, options.resamples, options.seed),
    )


def _normal(store: Store, indices: Sequence[int], details: Sequence[str]) -> Bool[ndarray, "studies"]:
    """Where each finding that any study of the store has a label of is known to be absent."""
    names = [name for name in label_columns(store, range(len(store))) if name not in details]
    known = [[store.studies[i].labels.get(name) for name in names] for i in indices]
    return np.array([set(values) == {False} for values in known], dtype=bool)


def findings_without_labels(split: EvalSplit, wanted: Sequence[str]) -> list[str]:
    """A sentence that names the wanted findings of which no study of the split has a label.

    Nothing where no finding has any label: each task that needs labels says that itself.
    """
    lacking = [name for name in wanted if name not in split.labels and name not in split.details]
    sentence = f"no {split.kind} study of the {split.name} split has a label of {', '.join(lacking)}"
    return [sentence] if lacking and split.labels else []


def foreign_reports(store: Store, split: str, languages: Sequence[str]) -> list[str]:
    """A sentence where reports of the split are in none of the ``languages`` that the model was trained with.

    Nothing where these are not known (of older models).
    """
    reports = [store.studies[i] for i in store.select(split=split, reported=True)]
    unread = Counter(study.language for study in reports if languages and study.language not in languages)
    listed = ", ".join(f"{count} in {language!r}" for language, count in unread.most_common())
    trained = ", ".join(repr(language) for language in languages)
    sentence = f"{unread.total()} of {len(reports)} reports: {listed}, the model was trained with {trained}"
    return [sentence] if unread else []


def cut_reports(store: Store, split: str, processor: UniMediProcessor) -> list[str]:
    """A sentence where reports of the split are longer than the model reads; they lose their end."""
    reports = [store.studies[i].report for i in store.select(split=split, reported=True)]
    cut, tokens = processor.too_long(reports), f"the {processor.text_length} tokens that the model reads"
    return [f"{cut} of {len(reports)} reports are longer than {tokens}, and lose their end"] if cut else []


def probe_validation(store: Store, kind: str, options: EvaluationOptions) -> list[int]:
    """The labelled validation studies on which probes and thresholds are chosen."""
    cap = None if options.probe_cap is None else max(options.probe_cap // 3, 1)
    return subsample(labelled(store, "validation", kind, options.classes), cap, options.seed)
