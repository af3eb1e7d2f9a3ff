"""The section of the page on a task file: its answers, what it asks for, and its sources."""

from unimedi.evaluation.record import EvaluationRecord, TaskAnswer
from unimedi.metrics.formatting import columns
from unimedi.metrics.measurement import Measurement, percent
from unimedi.reporting.schema import Section, Table

TITLES = {  # of (task, method, variant)
    ("linear_probe", "", ""): "linear probe",
    ("linear_probe", "", "sgd"): "linear probe, MGCA's protocol",
    ("linear_probe", "random_init", ""): "untrained encoder, linear probe",
    ("linear_probe", "random_init", "sgd"): "untrained encoder, MGCA's protocol",
    ("linear_probe", "pca", ""): "PCA of the pixels, linear probe",
    ("linear_probe", "pca", "sgd"): "PCA of the pixels, MGCA's protocol",
    ("zero_shot", "", ""): "zero-shot",
}


def task_section(record: EvaluationRecord) -> Section:
    """Empty where no task file was given."""
    task = record.task
    if task is None:
        return Section("task", "The task")
    section = Section("task", f"The task: {task.name}", task.about)
    rows = [(described(row), *columns(row)) for row in task.answers.values()]
    if rows:
        section.tables.append(Table("", (task.metric, "value", "95 % interval", "n"), rows))
    else:
        section.text += f" It could not be answered here: no {task.sought} could be computed."
    section.tables.append(Table("What was asked", (), _facts(task), prose=True))
    return section


def described(row: Measurement) -> str:
    """An answer in words: task, method, share of the labels, and ``accuracy`` where it stands beside another metric."""
    plain = " ".join(word for word in (row.task, row.method) if word).replace("_", " ")
    share = f", {percent(row.share)} of the labels" if row.share is not None else ""
    accuracy = ", accuracy" if row.metric == "acc" else ""
    return TITLES.get((row.task, row.method, row.variant), plain) + share + accuracy


def _facts(task: TaskAnswer) -> list[tuple[str, str]]:
    return [
        ("protocol", task.protocol.replace("_", " ")),
        *((f"class {column}", meaning) for column, meaning in task.classes.items()),
        *((f"official {part} split", said) for part, said in task.official_split.items()),
        *(("note", note) for note in task.notes),
        *(("source", source) for source in task.source),
    ]
