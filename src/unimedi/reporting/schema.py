"""What a page is made of: sections of sentences, tables, pictures and tiles. A run's page and the doctor's share it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from unimedi.cohort.image_kind import ImageKind

NAMES = {**{str(kind): kind.label for kind in ImageKind}, "report": "report"}


@dataclass(frozen=True)
class Cell:
    """Text with a style, a class of the stylesheet; cells of plain text have ``number``.

    ``below``: lines under it, each with its style first.
    """

    text: str
    style: str = ""
    below: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header (if any) and a name (if any).

    ``styles``: a class of each row, where rows differ: ``ours`` is bold, ``reference`` is grey. ``prose``: cells are
    sentences whose lines may be broken. ``code``: of the columns with these numbers. ``folded``: opened by a click on
    these words.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    styles: Sequence[str] = ()
    prose: bool = False
    code: frozenset[int] = frozenset()
    folded: str = ""


@dataclass(frozen=True)
class Tile:
    """A picture or a text with a caption; ``right`` says whether it answers the query (None for a query)."""

    caption: str
    image: str = ""
    text: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Panel:
    """One query and its first answers."""

    query: Tile
    answers: Sequence[Tile]


@dataclass(frozen=True)
class Panels:
    """Queries of one direction, under a name."""

    name: str
    panels: Sequence[Panel]
    text_query: bool = False
    text_answers: bool = False


@dataclass
class Section:
    """One section; whatever is empty is left out.

    ``text`` comes first, then ``lists`` (a line above the points of each, may be empty), tables, pictures of full
    width, tiles in named groups, panels, and ``files``: (name, content), opened by a click. ``wide`` tiles stand three
    in a row; ``folded`` groups of tiles are opened by a click. ``short`` is the name in the contents.
    """

    id: str
    name: str
    text: str = ""
    lists: list[tuple[str, list[str]]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Tile] = field(default_factory=list)
    tiles: list[tuple[str, list[Tile]]] = field(default_factory=list)
    panels: list[Panels] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    wide: bool = False
    folded: bool = False
    short: str = ""

    @property
    def filled(self) -> bool:
        """Whether there is more in it than a sentence."""
        return bool(self.lists or self.tables or self.pictures or self.tiles or self.panels or self.files)


def data_uri(png: bytes) -> str:
    """The picture inside the page itself, so that opening it sends no request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
