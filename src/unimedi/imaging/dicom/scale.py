"""From stored values to physical ones: a slope and an intercept, or a table, for each slice; all of a series, or none.

A slice that lacks what its neighbours have would lie a thousand Hounsfield units above them, without a sign of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from unimedi.errors import InputError
from unimedi.imaging.image import ImagingError

WRAP = 1 << 16  # a table's descriptor has 16 bits, and its first value is often written without a sign
HOUNSFIELD = ("", "HU")  # RescaleType; a CT that does not say is in Hounsfield units (PS3.3 C.8.2.1)
NOTED = {"US": "units_unstated", "HU_MOD": "hu_modified"}  # unspecified; Hounsfield units of a virtual energy


@dataclass(frozen=True, slots=True)
class Scale:
    """What one slice says: slope and intercept, a ``table`` (its whole header), or nothing."""

    line: tuple[float, float] | None = None
    table: Dataset | None = None
    units: str = ""

    @property
    def stated(self) -> bool:
        return self.table is not None or self.line is not None

    def __call__(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.table is not None:
            return look_up(pixels, self.table, "ModalityLUTSequence")
        if self.line is None:
            return pixels
        slope, intercept = self.line
        return pixels.astype(np.float64) * slope + intercept


def scale_of(header: Dataset, name: str) -> Scale:
    """The scale that a header, or the functional group of a frame, states; an empty tag counts as absent.

    Raises:
        ImagingError: ``bad_scaling`` where one number stands without the other, or is no number.
    """
    if has_table(header, "ModalityLUTSequence"):
        return Scale(table=header, units=str(header.ModalityLUTSequence[0].get("ModalityLUTType") or ""))
    pair = {tag: header.get(tag) for tag in ("RescaleSlope", "RescaleIntercept")}
    numbers = {tag: float(value) for tag, value in pair.items() if value is not None and value != ""}
    if not numbers:
        return Scale()
    if len(numbers) == 1 or not all(map(math.isfinite, numbers.values())) or numbers["RescaleSlope"] == 0:
        said = ", ".join(f"{tag} {numbers.get(tag, 'missing')}" for tag in pair)
        raise ImagingError("bad_scaling", f"{name}: {said}; expected both, finite, and a slope other than 0")
    units = str(header.get("RescaleType") or "").strip().upper()
    return Scale((numbers["RescaleSlope"], numbers["RescaleIntercept"]), units=units)


def check_scales(scales: Sequence[Scale], instances: Sequence[str], name: str) -> None:
    """Check that all slices state a scale, or that none does.

    Raises:
        ImagingError: ``bad_scaling``, with the number of slices and the first of them.
    """
    silent = [instance for scale, instance in zip(scales, instances, strict=True) if not scale.stated]
    if 0 < len(silent) < len(scales):
        message = f"{name}: {len(silent)} of {len(scales)} slices have no RescaleSlope and RescaleIntercept"
        raise ImagingError("bad_scaling", f"{message}, first {silent[0]}; expected all or none")


def hounsfield_notes(scales: Sequence[Scale], name: str) -> list[str]:
    """Notes of a CT whose units are not plainly Hounsfield's.

    Raises:
        ImagingError: ``not_hu`` where they are others (iodine in mg/ml, effective atomic numbers).
    """
    units = {scale.units for scale in scales}
    if foreign := sorted(units - {*HOUNSFIELD, *NOTED}):
        raise ImagingError("not_hu", f"{name}: RescaleType is {foreign[0]}; expected HU")
    unscaled = [] if scales[0].stated else ["no_rescale"]
    return [*unscaled, *(NOTED[unit] for unit in sorted(units & NOTED.keys()))]


# -- look-up tables, of the modality and of the display ----------------------------------------------------------------
# pydicom 3.0 looks an 8-bit display table of more than 256 entries up by the lowest 8 bits, and refuses packed ones.


def has_table(header: Dataset, keyword: str) -> bool:
    """Whether a header holds a look-up table under ``keyword`` that has entries."""
    items = header.get(keyword)
    return bool(items) and items[0].get("LUTDescriptor") is not None and items[0].get("LUTData") is not None


def look_up(values: NDArray[Any], header: Dataset, keyword: str) -> NDArray[Any]:
    """Look ``values`` up in the table under ``keyword``; values beyond its ends take its first or last entry.

    Raises:
        InputError: the table has fewer entries than it promises.
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
