"""The section of the page that answers a task file, and says what was asked and who says so."""

from unimedi.evaluation.record import EvaluationRecord, TaskAnswer
from unimedi.metrics.formatting import columns
from unimedi.reporting.schema import Section, Table

WORDS = {
    "linear_probe": "linear probe",
    "linear_probe_sgd": "linear probe, MGCA's protocol",
    "random_init": "untrained encoder, linear probe",
    "random_init_sgd": "untrained encoder, MGCA's protocol",
    "pca": "PCA of the pixels, linear probe",
    "pca_sgd": "PCA of the pixels, MGCA's protocol",
    "zero_shot": "zero-shot",
}


def task_section(record: EvaluationRecord) -> Section:
    """Empty where no task file was given."""
    task = record.task
    if task is None:
        return Section("task", "The task")
    section = Section("task", f"The task: {task.name}", task.about)
    rows = [(named(key), *columns(figure)) for key, figure in task.answers.items()]
    if rows:
        section.tables.append(Table("", (task.metric, "value", "95 % interval", "n"), rows))
    else:
        section.text += f" It could not be answered here: no {task.sought} could be computed."
    section.tables.append(Table("What was asked", (), _facts(task), prose=True))
    return section


def named(key: str) -> str:
    """A key of metrics.json in words: the row, the share of the labels, and accuracy where it stands beside another."""
    row, _, *rest = key.split("/")
    share = next((part for part in rest if part.endswith("%")), "")
    beside = ", accuracy" if rest[-1:] == ["acc"] else ""
    return WORDS.get(row, row.replace("_", " ")) + (f", {share} of the labels" if share else "") + beside


def _facts(task: TaskAnswer) -> list[tuple[str, str]]:
    return [
        ("protocol", task.protocol.replace("_", " ")),
        *((f"class {column}", meaning) for column, meaning in task.classes.items()),
        *((f"official {part} split", said) for part, said in task.official_split.items()),
        *(("note", note) for note in task.notes),
        *(("source", source) for source in task.source),
    ]
