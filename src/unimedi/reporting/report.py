"""``report.html``: one file that needs nothing else, that shows how good a run is.

It is drawn from files alone: ``metrics.json`` and ``evaluation/``, as :mod:`unimedi.evaluation.saved` writes them.
"""

from pathlib import Path

from unimedi.evaluation.record import EvaluationRecord
from unimedi.evaluation.saved import load
from unimedi.files.atomic import write_text
from unimedi.metrics.formatting import columns
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.failures import failures_section
from unimedi.reporting.headline import JUDGED_FROM, headline
from unimedi.reporting.other_runs import other_runs_section
from unimedi.reporting.page import render
from unimedi.reporting.schema import NAMES, Cell, Section, Table
from unimedi.reporting.sections import (
    cohort_section,
    cross_modal_section,
    radiograph_attention_section,
    retrieval_section,
    slices_section,
    space_section,
    training_section,
    volume_attention_section,
)
from unimedi.reporting.selection_over_time import selection_over_time_section
from unimedi.reporting.summary import summary
from unimedi.reporting.task import task_section
from unimedi.reporting.zero_shot import zero_shot_section

REPORT = "report.html"
TARGETS = f"Targets are the project's own, for its phantom and {JUDGED_FROM} patients or more."
NO_TARGETS = "No targets: the project has some for its phantom alone, and this store was not prepared as one."
COLUMNS = ("value", "95 % interval", "n")


def report(folder: Path) -> Path:
    """Draw the page of an evaluated run anew, without its model, its store or a GPU.

    Args:
        folder: where ``metrics.json`` and ``evaluation/`` lie: a run folder, or what ``--out`` named.

    Returns:
        ``report.html`` in the folder, written whole or not at all.

    Raises:
        MissingError: the folder has no evaluation.
        InputError: the evaluation is damaged or of another version.
    """
    record = load(folder)
    page = folder / REPORT
    write_text(page, draw(record, Measurements.read(folder / "metrics.json")))
    return page


def draw(record: EvaluationRecord, measurements: Measurements) -> str:
    """The page of an evaluation as HTML.

    Args:
        record: what :func:`unimedi.evaluation.saved.load` gives.
        measurements: what ``metrics.json`` holds.
    """
    middle = [
        other_runs_section(record.run, measurements, record.others),
        task_section(record),
        cohort_section(record),
        training_section(record, measurements),
        selection_over_time_section(record.training),
        zero_shot_section(record, measurements),
        failures_section(record),
        slices_section(record, measurements),
        radiograph_attention_section(record),
        volume_attention_section(record),
        space_section(record, measurements),
        retrieval_section(record, measurements),
        cross_modal_section(record),
        _lacking(record),
    ]
    sections = [
        Section("summary", "What is this model good for?", lists=summary(measurements)),
        _headline(record, measurements),
        *(section for section in middle if section.filled),
        _every_figure(measurements),
        _origin(record),
    ]
    counts = ", ".join(f"{count} {NAMES[kind]}" for kind, count in record.studies.items())
    subtitle = f"{record.split} split of the store: {counts}, {record.patients} patients."
    return render(f"How good is {record.run}?", subtitle, sections)


def _headline(record: EvaluationRecord, measurements: Measurements) -> Section:
    rows = headline(measurements, record.patients, record.phantom)
    cells = [(r.name, r.value, r.interval, r.n, Cell(r.target), Cell(r.verdict, r.verdict)) for r in rows]
    return Section(
        "figures",
        "Figures",
        "Grey rows are what the figure above them has to be compared with. Intervals: 95 %, patients drawn with "
        f"replacement. {TARGETS if record.phantom else NO_TARGETS}",
        tables=[Table("", ("figure", *COLUMNS, "target", ""), cells, [row.style for row in rows])],
    )


def _lacking(record: EvaluationRecord) -> Section:
    section = Section(
        "lacking",
        "What could not be computed, or only in part, and why",
        short="What could not be computed",
    )
    if record.notes:
        section.lists.append(("", list(record.notes)))
    return section


def _every_figure(measurements: Measurements) -> Section:
    rows = [(key, *columns(row)) for key, row in measurements.items()]
    table = Table("", ("key", *COLUMNS), rows, code=frozenset({0}), folded=f"{len(rows)} keys, as in metrics.json")
    return Section("all", "All figures", tables=[table])


def _origin(record: EvaluationRecord) -> Section:
    table = Table("", (), list(record.origin.items()), prose=True, code=frozenset({1}))
    files = [("recipe.yaml", record.recipe)] if record.recipe else []
    return Section("origin", "Where this comes from", tables=[table], files=files)
