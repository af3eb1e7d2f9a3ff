"""``report.html``: one file that needs nothing else, for whoever wants to know how good a run is and to see it."""

import os
import shlex
import sys
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from unimedi.transfer.headline import JUDGED_FROM, comparison, headline, printed
from unimedi.transfer.report_parts import MAKERS, NAMES, ReportInputs


def write_report(inputs: ReportInputs, path: Path) -> None:
    """Render and write the page, whole or not at all."""
    parts = [part for part in (maker(inputs) for maker in MAKERS) if part.filled]
    compare = comparison(inputs.figures, _run_name(inputs.run), inputs.compare)
    contents = [("figures", "Figures"), *([("compare", "Beside other runs")] if compare else [])]
    contents += [(part.id, part.name) for part in parts] + [("all", "All figures"), ("origin", "Where this comes from")]
    environment = Environment(
        loader=PackageLoader("unimedi.transfer"), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    counts = ", ".join(f"{len(seen)} {NAMES[kind]}" for kind, seen in inputs.views.items())
    patients = len({p for seen in inputs.views.values() for p in seen.patients})
    page = environment.get_template("report.html").render(
        title=f"How good is {_run_name(inputs.run)}?",
        subtitle=f"{inputs.split} split of the store: {counts}, {patients} patients.",
        figures_note=(
            "Grey rows are what the figure above them has to be compared with. Intervals: 95 %, patients drawn with "
            f"replacement. Bars are the project's own, for its phantom and {JUDGED_FROM} patients or more."
        ),
        contents=contents,
        headline=headline(inputs.figures, patients),
        notes=inputs.outcome.notes,
        compare=compare,
        parts=parts,
        everything=[printed(key, figure) for key, figure in inputs.figures.items()],
        origin=_origin(inputs),
    )
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)


def _run_name(run: Path) -> str:
    resolved = run.resolve()
    return resolved.parent.name if resolved.name == "pretrained" else resolved.name


def _origin(inputs: ReportInputs) -> list[tuple[str, str]]:
    return [
        ("command", shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        ("store", f"{inputs.store.fingerprint}, {len(inputs.store)} studies, {len(inputs.store.refused)} refused"),
        ("model (sha256 of the weights)", inputs.embedder.fingerprint),
        ("preprocessing", inputs.store.preprocess.fingerprint()),
        ("prompts", inputs.prompts),
        ("seed of the resamples", str(inputs.seed)),
    ]
