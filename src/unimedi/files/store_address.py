"""Where a store lies: a folder, or an address, with a cache and the patience to read it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

GIGABYTE: Final = 10**9
CACHE_GB: Final = 50.0  # of what was read of remote stores, where nothing else is said
_QUERY: Final = re.compile(r"\?[^\s\"')]*")
_USER: Final = re.compile(r"(?<=://)[^/\s@]*@")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and for how long, an object store is asked again.

    The client asks again after 5xx, a connection refused, dropped (in mid-transfer, too) or too slow. What it gives up,
    and an answer that came whole but is wrong, is asked for ``tries`` times.
    """

    retries: int = 10  # of the client
    first_wait: float = 0.1  # s, doubled each time
    longest_wait: float = 15.0  # s
    in_all: float = 180.0  # s, after which the client does not ask again
    tries: int = 3


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store at a URI. It is printed without what may be secret in it: a user's name and password, a query.

    Args:
        uri: ``s3://bucket/path/store``, or at ``gs://``, ``az://``, ``https://``; keys come from the environment.
        cache: folder of what was read; None: :func:`user_cache`.
        cache_bytes: its limit; 0 keeps nothing.
        fingerprint: of the store that must lie there; '' any.
        patience: with a server that fails.
    """

    uri: str
    cache: Path | None = None
    cache_bytes: int = int(CACHE_GB * GIGABYTE)
    fingerprint: str = ""
    patience: Patience = Patience()

    def __str__(self) -> str:
        return without_secrets(self.uri)


StorePlace = str | Path | StoreAddress  # what ``Store.open`` takes


def find_place(place: StorePlace, cache: Path | None = None, cache_gb: float = CACHE_GB) -> Path | StoreAddress:
    """A folder as a path (``file://`` is one, too), anything else with ``://`` as an address with this cache."""
    if not isinstance(place, str) or "://" not in place:
        return place if isinstance(place, StoreAddress) else Path(place)
    if urlsplit(place).scheme == "file":
        return Path(url2pathname(urlsplit(place).path))
    return StoreAddress(place.rstrip("/"), cache, int(cache_gb * GIGABYTE))


def user_cache() -> Path:
    """``unimedi/stores`` in the user's folder for caches (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unimedi" / "stores"


def without_secrets(text: str) -> str:
    """A text without what addresses in it may hold of users and signatures."""
    return _QUERY.sub("?…", _USER.sub("…@", text))
