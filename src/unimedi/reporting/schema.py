"""What a report is made of: all that was measured, and the sections, tables and names that show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from unimedi.cohort.image_kind import ImageKind
from unimedi.reporting.pictures import Tile

NAMES = {str(kind): kind.label for kind in ImageKind}


@dataclass(frozen=True)
class Table:
    """Cells as they are printed, a header above (if any), a name over it.

    ``strong`` rows are those that sum the others up. ``prose``: sentences that may be broken, not figures.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()
    prose: bool = False


@dataclass
class Section:
    """A section: a sentence, tables, full-width pictures, tiles, retrieval panels; any may be empty.

    Tiles come in named groups: ``wide`` ones three in a row, ``folded`` groups open when asked for.
    """

    id: str
    name: str
    text: str = ""
    tables: list[Table] = field(default_factory=list)
    pictures: list[Tile] = field(default_factory=list)
    tiles: list[tuple[str, list[Tile]]] = field(default_factory=list)
    panels: list[dict[str, object]] = field(default_factory=list)
    wide: bool = False
    folded: bool = False

    @property
    def filled(self) -> bool:
        return bool(self.tables or self.pictures or self.tiles or self.panels)
