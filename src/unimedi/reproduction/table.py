"""From results to the paper-shaped table in Markdown: a row a method, mean and SD over its seeds."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from unimedi.errors import InputError
from unimedi.files.atomic import write_text
from unimedi.metrics.measurement import Measurement
from unimedi.reproduction.results import COLUMNS, REFERENCE, UNTRAINED, Name, Result
from unimedi.reproduction.task_table import label, task_tables

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
ABOVE, BELOW, LEVEL = " ▲", " ▼", " ≈"
LEGEND = (
    f"{ABOVE.strip()} {BELOW.strip()}: above or below `{REFERENCE}` with every seed (95 %, the same patients drawn for "
    f"both); {LEVEL.strip()}: not significant; no mark: not compared."
)


def tables(results: Sequence[Result]) -> str:
    """A table for each budget and store, and one for each task: different data or budgets never share one."""
    groups = sorted({(result.terms.budget, result.terms.store) for result in results})
    shown = []
    for budget, store in groups:
        group = [r for r in results if (r.terms.budget, r.terms.store) == (budget, store)]
        shown += [_table(budget, group), *task_tables(group)]
    return "\n\n".join(shown)


def show(results: Sequence[Result], page: Path | None) -> None:
    """Print the tables, and put them into a page where there is one; InputError where there is no row."""
    if not results:
        raise InputError("expected finished rows to show, found none")
    if page:
        write_tables(results, page)
    print(tables(results))


def write_tables(results: Sequence[Result], page: Path) -> None:
    """Replace what stands between the markers of a Markdown page. InputError if it has none."""
    write_between(page, tables(results), BEGIN, END)


def write_between(page: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between two markers of a Markdown page. InputError if it has none."""
    before, behind = around(page, begin, end)
    write_text(page, f"{before}{begin}\n{text}\n{end}{behind}")


def around(page: Path, begin: str = BEGIN, end: str = END) -> tuple[str, str]:
    """What stands before and behind two markers of a page; InputError if it has none."""
    text = page.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise InputError(f"{page}: expected the markers {begin} and {end}")
    before, rest = text.split(begin, 1)
    return before, rest.split(end, 1)[1]


def _table(budget: str, results: Sequence[Result]) -> str:
    rows = {(result.terms.name, result.terms.recipe_key) for result in results}
    ordered = sorted(rows, key=lambda row: (row[0] != REFERENCE, row))
    names = [name for name, _ in ordered]
    studies = sorted({row.n for result in results for row in result.measurements.select(task="zero_shot").values()})
    measured_by = ", ".join(
        sorted({result.machine for result in results} | {r.software for r in results if r.software})
    )
    head = ["method", "seeds", "steps", "minutes", *COLUMNS]
    lines = [
        f"**{budget} a run** (store {results[0].terms.store[:12]}, test studies a kind: "
        f"{', '.join(map(str, studies)) or 'none'}; {measured_by}):",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    references = {key for name, key in rows if name == REFERENCE}
    for name, key in ordered:
        lines.append(_row(label(name, key, names), _of(results, name, key), COLUMNS, references))
    # An untrained encoder is the same in every run.
    lines.append(_row("never trained", _of(results, *ordered[0])[:1], UNTRAINED))
    if any(result.minus_reference for result in results):
        lines += ["", LEGEND]
    return "\n".join(lines)


def _of(results: Sequence[Result], name: str, recipe_key: str) -> list[Result]:
    return [result for result in results if (result.terms.name, result.terms.recipe_key) == (name, recipe_key)]


def _row(
    name: str, results: Sequence[Result], names: Mapping[str, Name], references: Collection[str] | None = None
) -> str:
    """``names``: column → what it shows. ``references``: the recipes of the reference that are in the table; None for
    what was never trained."""
    cells = [name, str(len(results)), "0", "0"]
    if references is not None:
        cells[2:] = [over([float(r.steps) for r in results], 0), over([r.seconds / 60 for r in results], 1)]
    for column in COLUMNS:
        wanted = names.get(column)
        found = [result.measurements.one(**wanted) for result in results] if wanted else []
        values = [one.value for one in found if one and math.isfinite(one.value)]
        if not wanted or not values:
            cells.append("–")
            continue
        # A difference to a reference that is not the one of this table would mislead.
        gaps = [r.minus_reference.one(**wanted) if references == {r.reference} else None for r in results]
        cells.append(over(values, 3) + mark(gaps))
    return "| " + " | ".join(cells) + " |"


def mark(gaps: Sequence[Measurement | None]) -> str:
    """Whether the paired differences of all seeds lie on one side of 0 with their whole intervals."""
    known = [gap for gap in gaps if gap and math.isfinite(gap.low) and math.isfinite(gap.high)]
    if len(known) < len(gaps):
        return ""
    if all(gap.low > 0 for gap in known):
        return ABOVE
    return BELOW if all(gap.high < 0 for gap in known) else LEVEL


def over(values: Sequence[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 and digits == 3 else ""
    return f"{mean(values):.{digits}f}{spread}"
