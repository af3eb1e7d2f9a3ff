"""Objects of an object store read, whole or in part: asked again where that can help, else a sentence that says why."""

import random
import time
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from unimedi.files.store_address import StoreAddress, without_secrets
from unimedi.inputs.store import StoreError

_KEYS: Final = (
    "keys and address of an object store come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
    "AWS_REGION, AWS_ENDPOINT; AWS_SKIP_SIGNATURE=true for a public one; other stores' in their own names)"
)
_METADATA: Final = "169.254.169.254"  # where a cloud's machines find keys: asked where the environment has none


class ObjectReader:
    """Reads the objects below an address. Threads may share it; a forked process may not.

    Raises:
        StoreError: the address is none that is known, or its settings in the environment are wrong.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address, self._patience = address, address.patience
        self._tags: dict[str, tuple[int, str | None]] = {}  # of each object, when it was read first
        wait = {"init_backoff": self._patience.first_wait, "max_backoff": self._patience.longest_wait}
        retry: dict[str, Any] = {
            "max_retries": self._patience.retries,
            "retry_timeout": timedelta(seconds=self._patience.in_all),
            "backoff": {name: timedelta(seconds=seconds) for name, seconds in wait.items()} | {"base": 2},
        }
        # Other options would replace those of the environment (AWS_ALLOW_HTTP, AWS_TIMEOUT …).
        plain = {"client_options": {"allow_http": True}} if address.uri.startswith("http://") else {}
        try:
            self._store = from_url(address.uri, retry_config=retry, **plain)
        except (BaseError, ValueError, OSError) as error:
            said = _short(error)
            raise StoreError(
                f"{address}: expected a folder, or an address at s3://, gs://, az:// or https:// : {said}"
            ) from None

    def read(self, name: str, what: str, span: tuple[int, int] | None = None, size: int | None = None) -> memoryview:
        """The bytes of an object.

        Args:
            name: below the address.
            what: it is, for the sentence of an error: ``study s1``.
            span: first byte, and the one behind the last; None: all.
            size: that the whole object must have.

        Raises:
            StoreError: it is not there, may not be read, is another than before, or cannot be had after all tries.
        """
        for left in reversed(range(self._patience.tries)):
            try:
                result = obstore.get(self._store, name, options={"range": span} if span else None)
                self._same_object(name, what, result.meta, size)
                data = memoryview(result.bytes())
            except FileNotFoundError:
                raise self._error(
                    what, f"{name} is not there", "copy the whole folder of the store, store.json last"
                ) from None
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise self._error(what, f"{name} may not be read: {_short(error)}", _KEYS) from None
            except (BaseError, OSError) as error:
                said = _short(error)
                if _METADATA in said:
                    raise self._error(what, "the environment has no keys", _KEYS) from None
            else:
                expected = size if span is None else span[1] - span[0]
                if expected is None or len(data) == expected:
                    return data
                said = f"{len(data)} bytes came, expected {expected}"
            if left:
                self.wait(self._patience.tries - left)
        todo = "look at the network and the server, then run the same again (pretrain: with --resume)"
        raise self._error(what, f"{name} cannot be had, asked again and again: {said}", todo)

    def wait(self, failures: int) -> None:
        """Before the next try: longer after each failure, and not at the same time as all others."""
        longest = min(self._patience.first_wait * 2**failures, self._patience.longest_wait)
        time.sleep(longest * random.uniform(0.5, 1))

    def _same_object(self, name: str, what: str, meta: Any, size: int | None) -> None:
        found = (meta["size"], meta["e_tag"])
        if (size is not None and found[0] != size) or self._tags.setdefault(name, found) != found:
            was = f"{size if size is not None else self._tags[name][0]} bytes expected, {found[0]} there"
            raise self._error(
                what, f"{name} is another object than this store's ({was})", "copy the store again, and start anew"
            )

    def _error(self, what: str, said: str, todo: str) -> StoreError:
        return StoreError(f"{self.address}: {what}: {said}; {todo}")


def _short(error: BaseException) -> str:
    """What the client says, in a line, without its own debugging and without secrets."""
    said = str(error).partition("\n\nDebug source")[0]
    return without_secrets(" ".join(said.split()))[:300]
