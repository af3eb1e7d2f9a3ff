"""Examples of a record as tiles of a page: their picture, and what is known of them in words."""

from collections.abc import Sequence

from unimedi.evaluation.record import Example, Queries
from unimedi.reporting.plots import grey_png
from unimedi.reporting.schema import NAMES, Panel, Panels, Tile, data_uri


def in_words(names: Sequence[str]) -> str:
    """Findings as they are read: ``pleural effusion, mass``."""
    return ", ".join(name.replace("_", " ") for name in names)


def tile(study: Example, caption: str, right: bool | None = None) -> Tile:
    """A study's picture, or its report where it has none."""
    return Tile(caption, "" if study.image is None else data_uri(grey_png(study.image)), study.report, right)


def panels(queries: Queries) -> Panels:
    """A row for each query: itself, then its first answers."""
    return Panels(
        f"{NAMES[queries.query]} → {NAMES[queries.answer]}",
        [
            Panel(
                tile(query.study, f"truth: {in_words(query.study.findings)}"),
                [
                    tile(study, f"{place}. {in_words(study.findings)}", right)
                    for place, (study, right) in enumerate(zip(query.answers, query.right, strict=True), 1)
                ],
            )
            for query in queries.queries
        ],
        text_query=queries.query == "report",
        text_answers=queries.answer == "report",
    )
