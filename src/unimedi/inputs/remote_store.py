"""A store at an address, read over a network.

Its index is read when it is opened, each study when it is wanted, or ahead of that.
"""

import json
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar, Final

import pyarrow as pa

from unimedi.files.store_address import StoreAddress, user_cache
from unimedi.inputs.object_reader import ObjectReader
from unimedi.inputs.prefetch import Prefetch
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.inputs.store import Store, StoreError, check_header
from unimedi.inputs.study_cache import StudyCache
from unimedi.inputs.study_index import read_index

THREADS: Final = 32  # requests at the same time, of a process
AHEAD: Final = 256 << 20  # bytes of a process that are on their way or wait to be used


class RemoteStore(Store):
    """A :class:`Store` whose arrays are fetched. It pickles as its address, with the fingerprint that it had.

    It must not be used in a forked process: the client's threads are not there.
    """

    remote: ClassVar[bool] = True

    def __init__(
        self,
        address: StoreAddress,
        reader: ObjectReader,
        header: dict[str, Any],
        refused: list[dict[str, str]],
        table: pa.Table,
        cache: StudyCache | None,
    ) -> None:
        super().__init__(replace(address, fingerprint=header["fingerprint"]), header, refused, table)
        self._reader, self._cache, self._parts = reader, cache, header["parts"]
        pool = ThreadPoolExecutor(2 * THREADS, thread_name_prefix="fetch")
        # What trains waits while something else is measured, which must not wait behind it.
        self._coming = {
            trains: Prefetch(lambda index: self._fetch("pixels", index), self._size, AHEAD // 2, pool, THREADS)
            for trains in (True, False)
        }

    def ahead(self, indices: Iterable[int], trains: bool = False) -> None:
        self._coming[trains].ahead(indices)

    def not_ahead(self, trains: bool = False) -> None:
        self._coming[trains].clear()

    def _packed(self, kind: str, index: int) -> memoryview:
        for coming in self._coming.values() if kind == "pixels" else ():
            if (future := coming.take(index)) is not None:
                return future.result()
        return self._fetch(kind, index)

    def _size(self, index: int) -> int:
        return int(self._bytes["pixels"][index]["bytes"].as_py())

    def _fetch(self, kind: str, index: int) -> memoryview:
        """The compressed array of one study, from the cache or over the network, its checksum verified."""
        place, crc = self._bytes[kind][index].as_py(), self._crc[kind][index]
        part, what = self._parts[place["part"]], f"the {kind} of study {self.studies[index].study_id}"
        span = (place["offset"], place["offset"] + place["bytes"])
        return _checked(
            self._reader, self._cache, f"{kind}/{index // 1000}/{index}", crc, part["file"], what, span, part["bytes"]
        )


def open_remote(address: StoreAddress, expect: PreprocessSettings | None = None) -> RemoteStore:
    """Open the store at an address: three small requests.

    Raises:
        StoreError: as :meth:`Store.open`; it has no index, or another fingerprint than ``address`` asks for.
    """
    reader = ObjectReader(address)
    header = read_header(reader)
    check_header(address, header, expect)
    if address.fingerprint not in ("", header["fingerprint"]):
        raise StoreError(f"{address}: another store lies there now than when this began; start anew")
    if (about := header.get("index")) is None:
        raise StoreError(
            f"{address} has no index of its studies, which a store must have to be read where it lies: run the same "
            "`unimedi prepare` again on its folder (finished parts are kept), and copy studies.arrow and store.json"
        )
    cache = None
    if address.cache_bytes:
        cache = StudyCache(address.cache or user_cache(), address.cache_bytes, header["fingerprint"])
    index = _checked(reader, cache, f"index-{about['crc32']:08x}", about["crc32"], about["file"], "its index",
                     None, about["bytes"])  # fmt: skip
    table = read_index(index) if about["bytes"] else pa.table({})
    return RemoteStore(address, reader, header, read_refused(reader), table, cache)


def read_header(reader: ObjectReader) -> dict[str, Any]:
    """``store.json`` of the store there."""
    return dict(json.loads(bytes(reader.read("store.json", "no store can be read there"))))


def read_refused(reader: ObjectReader) -> list[dict[str, str]]:
    """``refused.json`` of the store there."""
    return list(json.loads(bytes(reader.read("refused.json", "its list of refusals"))))


def _checked(
    reader: ObjectReader,
    cache: StudyCache | None,
    name: str,
    crc: int,
    file: str,
    what: str,
    span: tuple[int, int] | None,
    size: int,
) -> memoryview:
    """Bytes with this CRC-32: those that the cache keeps as ``name``, or ``span`` of the object ``file``."""
    if cache and (kept := cache.get(name)) is not None:
        if zlib.crc32(kept) == crc:
            return memoryview(kept)
        cache.drop(name)
    for failures in range(1, reader.address.patience.tries + 1):
        data = reader.read(file, what, span, size)
        if zlib.crc32(data) == crc:
            if cache:
                cache.put(name, data)
            return data
        reader.wait(failures)
    raise StoreError(f"{reader.address}: {what}: damaged there, or changed (checksum differs); copy the store again")
