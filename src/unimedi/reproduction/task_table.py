"""A Markdown table for each downstream task: a row a method, a column a figure, published figures below it."""

from collections.abc import Sequence
from statistics import mean, stdev

from unimedi.reproduction.results import Result
from unimedi.transfer.report.task import named
from unimedi.transfer.task_file import TaskFile, TaskFileError, find_task

# First part of a key: a reference that a run brings along → the row of the trained model that it stands beside.
REFERENCES = {
    "random_init": "linear_probe",
    "random_init_sgd": "linear_probe_sgd",
    "pca": "linear_probe",
    "pca_sgd": "linear_probe_sgd",
    "fine_tune_random_init": "fine_tune",
    "segmentation_random_init": "segmentation",
    "segmentation_trivial": "segmentation",
}
REFERENCE_ROWS = {
    "never trained": ("random_init", "_random_init"),
    "PCA of the pixels": ("pca",),
    "marks nothing": ("_trivial",),
}


def task_tables(results: Sequence[Result]) -> list[str]:
    """Of the results of one budget and store: a table for each task and store that it was measured on."""
    asked = sorted({(name, answers.store) for result in results for name, answers in result.tasks.items()})
    return [_table(name, store, results) for name, store in asked]


def _table(name: str, store: str, results: Sequence[Result]) -> str:
    there = [r for r in results if name in r.tasks and r.tasks[name].store == store]
    columns = _columns(there, name)
    lines = [
        f"**{name}**, {there[0].budget} a run (measured on store {store[:12]}):",
        "",
        "| method | seeds | " + " | ".join(named(key) for key in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for method in dict.fromkeys(result.name for result in there):
        lines.append(_row(method, name, [r for r in there if r.name == method], columns))
    for words, marks in REFERENCE_ROWS.items():
        mine = [_reference(key, marks, there[:1], name) for key in columns]
        if any(mine):
            lines.append(_row(words, name, there[:1], [key or "" for key in mine]))
    return "\n".join([*lines, *_published(name)])


def _columns(results: Sequence[Result], name: str) -> list[str]:
    """The keys of the trained model, in the order in which they were measured."""
    keys = dict.fromkeys(key for result in results for key in result.tasks[name].figures)
    return [key for key in keys if key.split("/")[0] not in REFERENCES]


def _reference(column: str, marks: Sequence[str], results: Sequence[Result], name: str) -> str | None:
    """The reference's key for a column, if it was measured."""
    first, *rest = column.split("/")
    for key in (key for result in results for key in result.tasks[name].figures):
        start, *end = key.split("/")
        same = end == rest or (start.endswith("_trivial") and end[-1] == rest[-1])
        if REFERENCES.get(start) == first and same and any(mark in start for mark in marks):
            return key
    return None


def _row(method: str, name: str, results: Sequence[Result], keys: Sequence[str]) -> str:
    cells = [method, str(len(results))]
    for key in keys:
        found = [result.tasks[name].figures.get(key, {}).get("value") for result in results]
        values = [float(value) for value in found if value is not None]
        spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3f}{spread}" if values else "–")
    return "| " + " | ".join(cells) + " |"


def _published(name: str) -> list[str]:
    """What others have published, with its source; what nobody has checked says so. Nothing of a task of one's own."""
    try:
        task = find_task(name)
    except TaskFileError:
        return []
    return ["", "Published, not ours, and not always by the same protocol:", *_quotes(task)] if task.published else []


def _quotes(task: TaskFile) -> list[str]:
    lines = []
    for one in task.published:
        figures = ", ".join(f"{share} {value:.3f}" for share, value in one["figures"].items())
        unverified = "" if one.get("verified") else ", UNVERIFIED"
        lines.append(f"- {one['method']}: {task.metric} {figures} ({one['source']}{unverified})")
    return lines
