"""What an option is besides its type: positional, a list that is repeated, the word that stands for its value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from unimedi.files.store_address import CACHE_GB, StoreAddress, find_place
from unimedi.ranges import NOT_NEGATIVE, at_least


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


@dataclass(frozen=True, kw_only=True)
class FromStore:
    """What the subcommands have that read a store wherever it lies."""

    data: str
    """the store: a folder, or s3://bucket/path, gs://, az://, https:// (keys come from the environment)"""
    cache: Annotated[Path | None, Argument(metavar="FOLDER")] = None
    """where what was read of a store at such an address is kept (default: unimedi/stores in the user's cache)"""
    cache_gb: Annotated[float, NOT_NEGATIVE] = CACHE_GB
    """GB that may be kept there, of all stores; 0 keeps nothing"""

    @property
    def store(self) -> Path | StoreAddress:
        return find_place(self.data, self.cache, self.cache_gb)
