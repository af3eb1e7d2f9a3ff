"""An archive's place, a folder or an object store, and LanceDB's errors as sentences."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import lancedb
from obstore.exceptions import BaseError

from unimedi.errors import MissingError, StateError, UnimediError
from unimedi.files.destination import DestinationError
from unimedi.files.lock import alone_in

TABLE: Final = "archive"
NOW: Final = timedelta(0)
T = TypeVar("T")


class ArchiveError(StateError):
    """An archive that is damaged, half written or not to be written; the sentence says which."""


class Place:
    """Where an archive lies: a folder, or ``s3://bucket/name``, ``gs://…``, ``az://…``.

    Keys and address of an object store come from the environment, as its own tools read them (``AWS_ACCESS_KEY_ID``,
    ``AWS_ENDPOINT`` …).
    """

    def __init__(self, uri: str | Path) -> None:
        self.name = str(uri)
        self.folder = None if "://" in self.name else Path(self.name)

    def __str__(self) -> str:
        return self.name

    def connect(self) -> Any:
        """Each read then sees the last write: a reader must not go on showing who was deleted."""
        return lancedb.connect(self.name, read_consistency_interval=NOW)

    def open(self) -> Any:
        """The table; MissingError where there is no archive, ArchiveError where it is damaged."""
        missing = f"expected an archive at {self}, found none; unimedi index makes one"
        if self.folder is not None and not (self.folder / f"{TABLE}.lance").is_dir():
            raise MissingError(missing)
        with explained(self):
            try:
                return self.connect().open_table(TABLE)
            except ValueError as error:
                if "not found" in str(error).lower() and self.folder is None:
                    raise MissingError(missing) from None
                raise

    def make(self, columns: Any) -> Any:
        """An empty table. DestinationError where the folder has other files: forgetting looks at all bytes in it."""
        if self.folder is not None and self.folder.is_dir():
            others = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
            if others:
                raise DestinationError(f"{self}: expected an archive or an empty folder, {min(others)} is there")
        with self.alone(), explained(self):
            return self.connect().create_table(TABLE, schema=columns, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the one writer's lock: of a folder the operating system's, in an object store a lease."""
        if self.folder is not None:
            with alone_in(self.folder):
                yield
            return
        from unimedi.archive.lease import Lease

        with explained(self):
            lease = Lease(self.name)
            lease.take()
        with lease.held():
            yield


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Inside, what LanceDB or an object store raises over files becomes an ArchiveError of this place."""
    try:
        yield
    except UnimediError:
        raise
    except (OSError, RuntimeError, ValueError, BaseError) as error:
        said = " ".join(str(error).split())[:300]
        raise ArchiveError(f"{place}: the archive cannot be read or written, or is damaged: {said}") from error


def twice(read: Callable[[], T]) -> T:
    """What ``read`` gives, asked again where it fails once: a writer may have pruned a file under it."""
    try:
        return read()
    except UnimediError:
        raise
    except (OSError, RuntimeError, ValueError):
        return read()


def prune(table: Any, older: timedelta) -> None:
    """Merge small files, bring indices up to date, and delete versions that are older."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that older readers fail: ours ask again
        table.optimize(cleanup_older_than=older, delete_unverified=older == NOW)
