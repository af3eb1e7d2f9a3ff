"""One writer of an archive in an object store: a lease that it renews, and that runs out where it is gone.

A lease is an object ``.lease/<term>.json`` beside the table. Only a store's conditional PUT ("create, unless it is
there") makes a new term, so of several writers one gets it. A term is over when its object says so, or has not been
written for ``EXPIRY``, by the store's own clock; the next writer takes the next term. Terms are never used twice, so
whoever was stopped for long and wakes up finds a later one, and says so at the end of what it did. It cannot be held
back when it wakes in the middle of a write: then LanceDB's commits, conditional PUTs too, keep the table whole.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from unimedi.files.lock import LockedError

FOLDER: Final = ".lease"
CLOCK: Final = f"{FOLDER}/clock"  # an empty object, which is written to see the store's time
EXPIRY: Final = 120.0  # s after which a writer that has not renewed is taken for gone
RENEWAL: Final = 20.0  # s between two renewals
TRIES: Final = 5  # to get a term that others may want, too


class Lease:
    """A lease on an archive; held inside :meth:`held`.

    Args:
        uri: ``s3://bucket/archive`` and the like; keys and address come from the environment.
    """

    def __init__(self, uri: str) -> None:
        self.uri, self.store = uri, from_url(uri)
        self.term, self.lost = 0, False
        owner = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        self.content: dict[str, Any] = {"owner": owner, "token": uuid.uuid4().hex}

    def take(self) -> None:
        """Take the next term; LockedError that names the holder where the last one is not over."""
        for _ in range(TRIES):
            terms = self._terms()
            last = max(terms, default=0)
            if last and (owner := self._holder(last, terms[last])):
                told = "wait until it ends; a process that is gone is waited for"
                raise LockedError(f"{self.uri} is being written by {owner}: {told} for {EXPIRY:.0f} s at most")
            self.term = last + 1
            try:
                self._put(mode="create")
            except AlreadyExistsError:
                if self._read(self.term).get("token") != self.content["token"]:  # else: our own, sent twice
                    continue
            for old in terms:
                with suppress(BaseError, OSError):  # they mean nothing any more
                    obstore.delete(self.store, _name(old))
            return
        raise LockedError(f"{self.uri}: other processes take turns at writing there; try again later")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renew the lease that was taken, and give it back; LockedError at the end where it was lost in between."""
        over = threading.Event()
        renewing = threading.Thread(target=self._renew_until, args=(over,), daemon=True, name="lease")
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            if not self.lost:
                with suppress(BaseError, OSError):  # else it runs out
                    self._put(over=True)
        if self.lost:
            told = "another process may have written, too: look whether what this one did is there"
            raise LockedError(f"{self.uri}: the lease of {self.content['owner']} ran out while it wrote; {told}")

    def renew(self) -> None:
        """Write the object again; or find that a later term has begun."""
        if max(self._terms(), default=0) != self.term:
            self.lost = True
        else:
            self._put()

    def _renew_until(self, over: threading.Event) -> None:
        renewed = time.monotonic()
        while not self.lost and not over.wait(RENEWAL):
            try:
                self.renew()
                renewed = time.monotonic()
            except (BaseError, OSError):  # of the network, perhaps
                self.lost = time.monotonic() - renewed > EXPIRY

    def _holder(self, term: int, written: datetime) -> str:
        """Who holds a term; '' where it is over."""
        found = self._read(term)
        if found.get("over") or (self._now() - written).total_seconds() > EXPIRY:
            return ""
        return str(found.get("owner", "another process"))

    def _now(self) -> datetime:
        """By the store's clock, as it dates a new object."""
        obstore.put(self.store, CLOCK, b"", use_multipart=False)
        now: datetime = obstore.head(self.store, CLOCK)["last_modified"]
        return now

    def _terms(self) -> dict[int, datetime]:
        """The terms that are there, and when each was written last."""
        found = [one for block in obstore.list(self.store, FOLDER) for one in block]
        names = {one["path"].rpartition("/")[2]: one["last_modified"] for one in found}
        return {int(name.removesuffix(".json")): date for name, date in names.items() if name.endswith(".json")}

    def _read(self, term: int) -> dict[str, Any]:
        try:
            return dict(json.loads(bytes(obstore.get(self.store, _name(term)).bytes())))
        except FileNotFoundError:  # a later term has begun
            return {}

    def _put(self, mode: Any = "overwrite", **more: Any) -> None:
        content = json.dumps(self.content | more).encode()
        obstore.put(self.store, _name(self.term), content, mode=mode, use_multipart=False)


def _name(term: int) -> str:
    return f"{FOLDER}/{term:012d}.json"
