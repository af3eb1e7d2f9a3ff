"""A Markdown table for each downstream task: a row a method, a column a figure, published figures below it."""

from collections.abc import Sequence
from statistics import mean, stdev

from unimedi.evaluation.task_file import TaskFile, TaskFileError, find_task
from unimedi.reporting.task import named
from unimedi.reproduction.downstream import task_key
from unimedi.reproduction.results import JsonFigures, Result

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
    """Of the results of one budget and store: a table for each task and store that it was asked on."""
    asked = sorted({(said.name, said.task, said.store) for result in results for said in result.tasks})
    return [_table(name, task, store, results) for name, task, store in asked]


def _table(name: str, task: str, store: str, results: Sequence[Result]) -> str:
    there = [
        (result, said.figures)
        for result in results
        for said in result.tasks
        if (said.name, said.task, said.store) == (name, task, store)
    ]
    columns = _columns([figures for _, figures in there])
    by = f", task {task}" if task else ""
    lines = [
        f"**{name}**, {there[0][0].terms.budget} a run (measured on store {store[:12]}{by}):",
        "",
        "| method | seeds | " + " | ".join(named(key) for key in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    rows = dict.fromkeys((result.terms.name, result.terms.recipe_key) for result, _ in there)
    names = [method for method, _ in rows]
    for method, recipe in rows:
        said = [f for result, f in there if (result.terms.name, result.terms.recipe_key) == (method, recipe)]
        lines.append(_row(label(method, recipe, names), said, columns))
    for words, marks in REFERENCE_ROWS.items():
        mine = [_reference(key, marks, there[0][1]) for key in columns]
        if any(mine):
            lines.append(_row(words, [there[0][1]], [key or "" for key in mine]))
    return "\n".join([*lines, *_published(name, task)])


def label(name: str, recipe_key: str, names: Sequence[str]) -> str:
    """A row's name, with its recipe where the table has another row of that name."""
    return name if names.count(name) == 1 else f"{name} (recipe {recipe_key or 'not recorded'})"


def _columns(figures: Sequence[JsonFigures]) -> list[str]:
    """The keys of the trained model, in the order in which they were measured."""
    keys = dict.fromkeys(key for measured in figures for key in measured)
    return [key for key in keys if key.split("/")[0] not in REFERENCES]


def _reference(column: str, marks: Sequence[str], figures: JsonFigures) -> str | None:
    """The reference's key for a column, if it was measured."""
    first, *rest = column.split("/")
    for key in figures:
        start, *end = key.split("/")
        same = end == rest or (start.endswith("_trivial") and end[-1] == rest[-1])
        if REFERENCES.get(start) == first and same and any(mark in start for mark in marks):
            return key
    return None


def _row(method: str, said: Sequence[JsonFigures], keys: Sequence[str]) -> str:
    cells = [method, str(len(said))]
    for key in keys:
        found = [figures.get(key, {}).get("value") for figures in said]
        values = [float(value) for value in found if value is not None]
        spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3f}{spread}" if values else "–")
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
