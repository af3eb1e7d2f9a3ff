"""What an option is besides its type: positional, a list that is repeated, the word that stands for its value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from unimedi.ranges import at_least


@dataclass(frozen=True)
class Argument:
    """What the type of an option does not say: ``Annotated[Path, Argument(positional=True)]``.

    Args:
        positional: written without a name: ``unimedi prepare COHORT``.
        metavar: what stands for its value in the help.
        repeated: a list that grows each time the option is written; other lists take several words at once.
    """

    positional: bool = False
    metavar: str | None = None
    repeated: bool = False


POSITIONAL: Final = Argument(positional=True)
Root = Annotated[Path | None, Argument(metavar="FOLDER")]
Devices = Annotated[int | None, at_least(1)]
NameOrFile = Annotated[str | None, Argument(metavar="NAME|FILE")]
