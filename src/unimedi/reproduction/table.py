"""From results to the paper-shaped table in Markdown: a row a method, mean and SD over its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from unimedi.reproduction.results import COLUMNS, UNTRAINED, Result
from unimedi.reproduction.task_table import task_tables

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
REFERENCE = "unimedi"  # first in every table; the others follow by name


def tables(results: Sequence[Result]) -> str:
    """A table for each budget and store, and one for each task: different data or budgets never share one."""
    groups = sorted({(result.budget, result.store) for result in results})
    shown = []
    for budget, store in groups:
        group = [r for r in results if (r.budget, r.store) == (budget, store)]
        shown += [_table(budget, group), *task_tables(group)]
    return "\n\n".join(shown)


def write_tables(results: Sequence[Result], page: Path) -> None:
    """Replace what stands between the markers of a Markdown page. ValueError if it has none."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page}: expected the markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    behind = rest.split(END, 1)[1]
    page.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{behind}", encoding="utf-8")


def _table(budget: str, results: Sequence[Result]) -> str:
    names = sorted({result.name for result in results}, key=lambda name: (name != REFERENCE, name))
    studies = sorted(
        {int(figure["n"]) for result in results for key, figure in result.figures.items() if "zero" in key}
    )
    machines = ", ".join(sorted({result.machine for result in results}))
    head = ["method", "seeds", "steps", "minutes", *COLUMNS]
    lines = [
        f"**{budget} a run** (store {results[0].store[:12]}, test studies a kind: "
        f"{', '.join(map(str, studies)) or 'none'}; {machines}):",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for name in names:
        lines.append(_row(name, [result for result in results if result.name == name], COLUMNS))
    lines.append(_row("never trained", [r for r in results if r.name == names[0]], UNTRAINED, trained=False))
    return "\n".join(lines)


def _row(name: str, results: Sequence[Result], keys: Mapping[str, str], trained: bool = True) -> str:
    cells = [name, str(len(results)), "0", "0"]
    if trained:
        cells[2:] = [_over([float(r.steps) for r in results], 0), _over([r.seconds / 60 for r in results], 1)]
    for column in COLUMNS:
        found = [r.figures.get(keys.get(column, ""), {}).get("value") for r in results]
        values = [float(value) for value in found if value is not None]
        cells.append(_over(values, 3) if values else "–")
    return "| " + " | ".join(cells) + " |"


def _over(values: Sequence[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 and digits == 3 else ""
    return f"{mean(values):.{digits}f}{spread}"
