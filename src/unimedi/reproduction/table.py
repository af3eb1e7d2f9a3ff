"""From results to the paper-shaped table in Markdown: a row a method, mean and SD over its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from unimedi.reproduction.results import COLUMNS, REFERENCE, UNTRAINED, Result
from unimedi.reproduction.task_table import task_tables

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
ABOVE, BELOW, LEVEL = " ▲", " ▼", " ≈"
LEGEND = (
    f"{ABOVE.strip()} {BELOW.strip()}: above or below `{REFERENCE}` with every seed (95 %, the same patients drawn for "
    f"both); {LEVEL.strip()}: not significant; no mark: not compared."
)


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
    before, behind = around(page)
    page.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{behind}", encoding="utf-8")


def around(page: Path) -> tuple[str, str]:
    """What stands before the markers of a Markdown page, and behind them. ValueError if it has none."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page}: expected the markers {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    return before, rest.split(END, 1)[1]


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
    # An untrained encoder is the same in every run.
    lines.append(_row("never trained", [r for r in results if r.name == names[0]][:1], UNTRAINED, trained=False))
    if any(result.minus_reference for result in results):
        lines += ["", LEGEND]
    return "\n".join(lines)


def _row(name: str, results: Sequence[Result], keys: Mapping[str, str], trained: bool = True) -> str:
    cells = [name, str(len(results)), "0", "0"]
    if trained:
        cells[2:] = [_over([float(r.steps) for r in results], 0), _over([r.seconds / 60 for r in results], 1)]
    for column in COLUMNS:
        found = [r.figures.get(keys.get(column, ""), {}).get("value") for r in results]
        values = [float(value) for value in found if value is not None]
        mark = _mark([r.minus_reference.get(keys.get(column, "")) for r in results]) if trained else ""
        cells.append(_over(values, 3) + mark if values else "–")
    return "| " + " | ".join(cells) + " |"


def _mark(gaps: Sequence[Mapping[str, float | None] | None]) -> str:
    """Whether the paired differences of all seeds lie on one side of 0 with their whole intervals."""
    if any(gap is None or gap["low"] is None or gap["high"] is None for gap in gaps):
        return ""
    if all(gap["low"] > 0 for gap in gaps):  # type: ignore[index, operator]
        return ABOVE
    return BELOW if all(gap["high"] < 0 for gap in gaps) else LEVEL  # type: ignore[index, operator]


def _over(values: Sequence[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 and digits == 3 else ""
    return f"{mean(values):.{digits}f}{spread}"
