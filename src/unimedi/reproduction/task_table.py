"""A Markdown table for each downstream task: a row a method, a column an answer, published figures below it."""

import math
from collections.abc import Sequence
from statistics import mean, stdev

from unimedi.evaluation.task_file import TaskFile, TaskFileError, find_task
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.reporting.task import described
from unimedi.reproduction.downstream import task_key
from unimedi.reproduction.results import Name, Result

REFERENCE_ROWS = {"random_init": "never trained", "pca": "PCA of the pixels", "trivial": "marks nothing"}  # by method


def task_tables(results: Sequence[Result]) -> list[str]:
    """Of the results of one budget and store: a table for each task and store that it was asked on."""
    asked = sorted({(said.name, said.task, said.store) for result in results for said in result.tasks})
    return [_table(name, task, store, results) for name, task, store in asked]


def _table(name: str, task: str, store: str, results: Sequence[Result]) -> str:
    there = [
        (result, said.measurements)
        for result in results
        for said in result.tasks
        if (said.name, said.task, said.store) == (name, task, store)
    ]
    columns = list({key: row for _, found in there for key, row in found.select(method="").items()}.values())
    by = f", task {task}" if task else ""
    lines = [
        f"**{name}**, {there[0][0].terms.budget} a run (measured on store {store[:12]}{by}):",
        "",
        "| method | seeds | " + " | ".join(described(row) for row in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    rows = dict.fromkeys((result.terms.name, result.terms.recipe_key) for result, _ in there)
    names = [method for method, _ in rows]
    for method, recipe in rows:
        said = [found for result, found in there if (result.terms.name, result.terms.recipe_key) == (method, recipe)]
        lines.append(_row(label(method, recipe, names), said, [row.name for row in columns]))
    for method, title in REFERENCE_ROWS.items():
        if there[0][1].select(method=method):
            lines.append(_row(title, [there[0][1]], [_reference(row, method) for row in columns]))
    return "\n".join([*lines, *_published(name, task)])


def label(name: str, recipe_key: str, names: Sequence[str]) -> str:
    """A row's name, with its recipe where the table has another row of that name."""
    return name if names.count(name) == 1 else f"{name} (recipe {recipe_key or 'not recorded'})"


def _reference(column: Measurement, method: str) -> Name:
    """The name of a reference under a column; what marks nothing is the same for all shares and decoders."""
    return named(column, method=method, **({"variant": "", "share": None} if method == "trivial" else {})).name


def _row(title: str, runs: Sequence[Measurements], names: Sequence[Name]) -> str:
    cells = [title, str(len(runs))]
    for name in names:
        values = [one.value for found in runs if (one := found.one(**name)) and math.isfinite(one.value)]
        sd = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3f}{sd}" if values else "–")
    return "| " + " | ".join(cells) + " |"


def _published(name: str, key: str) -> list[str]:
    """What others have published, with its source; what nobody has checked says so. Nothing of a task of one's own,
    whatever its name."""
    try:
        task = find_task(name)
    except TaskFileError:
        return []
    if not task.published or key not in ("", task_key(task)):
        return []
    return ["", "Published, not ours, and not always by the same protocol:", *_quotes(task)]


def _quotes(task: TaskFile) -> list[str]:
    lines = []
    for one in task.published:
        figures = ", ".join(f"{share} {value:.3f}" for share, value in one["figures"].items())
        unverified = "" if one.get("verified") else ", UNVERIFIED"
        lines.append(f"- {one['method']}: {task.metric} {figures} ({one['source']}{unverified})")
    return lines
