"""DICOM's look-up tables, of the modality and of the display.

(pydicom 3.0 looks an 8-bit display table of more than 256 entries up by the lowest 8 bits, and refuses packed ones.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from unimedi.errors import InputError

WRAP = 1 << 16  # the descriptor has 16 bits, and its first value is often written without a sign


def has_table(header: Dataset, keyword: str) -> bool:
    """Whether a header holds a table under ``keyword``; an empty one is none."""
    items = header.get(keyword)
    return bool(items) and items[0].get("LUTDescriptor") is not None and items[0].get("LUTData") is not None


def look_up(values: NDArray[Any], header: Dataset, keyword: str) -> NDArray[Any]:
    """``values`` through the table under ``keyword``; below and above its ends they take its first and last entry.

    Raises:
        ValueError: the table has fewer entries than it promises.
    """
    item = header[keyword][0]
    entries, first, _ = (int(number) for number in item.LUTDescriptor)
    table = _entries(item.LUTData, entries or WRAP, header.file_meta.TransferSyntaxUID.is_little_endian)
    if first > values.max() and first >= WRAP // 2:
        first -= WRAP
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return np.asarray(table[index])


def _entries(data: Any, count: int, little: bool) -> NDArray[Any]:
    if not isinstance(data, bytes):
        table = np.atleast_1d(np.asarray(data))
    elif len(data) < 2 * count:  # two entries of 8 bits a word
        table = np.frombuffer(data, np.uint8)
    else:
        table = np.frombuffer(data, "<u2" if little else ">u2")
    if len(table) < count:
        raise InputError(f"a look-up table of {len(table)} entries where its descriptor promises {count}")
    return table[:count]
