"""What the headers of a series say of its slices, and whether they say it together: only then they are planes of one
grid, in one scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from unimedi.imaging.dicom.file import PASS_TAGS
from unimedi.imaging.dicom.passes import runs
from unimedi.imaging.dicom.pixels import dark_padding, pixels_and_padding
from unimedi.imaging.dicom.plane import Grid, Plane, degrees_between
from unimedi.imaging.dicom.scale import Scale, check_scales, hounsfield_notes, scale_of
from unimedi.imaging.dicom.spacing import SAME, slice_spacing
from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import to_hu

TIMES = ("AcquisitionTime", "ContentTime")
TURNED = 0.5  # degrees between the slices of one volume, at most: 2 mm at the edge of the body; tools round the cosines


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice by its header: ``stored`` gives its values and which of them are padding; ``tags`` may tell its pass;
    ``instance`` names it in messages."""

    position: NDArray[np.float64] | None
    cosines: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    scale: Scale
    stored: Callable[[], tuple[NDArray[Any], NDArray[np.bool_]]]
    tags: Mapping[str, str]
    instance: str
    number: str = ""  # InstanceNumber


def slice_of(header: Dataset, name: str) -> Slice:
    """The slice of a file that holds one.

    Raises:
        ImagingError: ``bad_spacing`` or ``bad_scaling``.
    """
    instance = f"instance {header.get('InstanceNumber')} ({header.get('SOPInstanceUID')})"

    return Slice(
        numbers(header.get("ImagePositionPatient"), 3),
        directions(header.get("ImageOrientationPatient")),
        slice_spacing(header, f"{name}, {instance}"),
        scale_of(header, f"{name}, {instance}"),
        lambda: pixels_and_padding(header),
        {tag: _tag(header, tag) for tag in PASS_TAGS},
        instance,
        _tag(header, "InstanceNumber"),
    )


def planes_of(slices: Sequence[Slice], modality: str, name: str) -> tuple[list[Plane], Grid, list[str]]:
    """The planes, what they share, and notes of their scale.

    Raises:
        ImagingError: ``uneven_slices`` (no positions), ``bad_spacing``, ``bad_orientation`` (turned against each
            other), ``bad_scaling`` or ``not_hu``.
    """
    positions = [one.position for one in slices if one.position is not None]
    cosines = [one.cosines for one in slices if one.cosines is not None]
    if not len(positions) == len(cosines) == len(slices):
        message = f"{name}: slices without a position in the patient; their order cannot be known"
        raise ImagingError("uneven_slices", message)
    turned = max(degrees_between(cosines[0], other) for other in cosines)
    if turned > TURNED:
        raise ImagingError("bad_orientation", f"{name}: slices are turned against each other by {turned:.1f} degrees")
    grid = Grid(np.mean(cosines, axis=0), _one_spacing(slices, name))
    scales = [one.scale for one in slices]
    check_scales(scales, [one.instance for one in slices], name)
    notes = hounsfield_notes(scales, name) if modality == "CT" else []

    along = [float(position @ grid.normal) for position in positions]
    ways = _ways(slices, along) if modality == "CT" else {}

    def plane(number: int) -> Plane:
        one, told = slices[number], {tag: values[number] for tag, values in ways.items()}
        return Plane(positions[number], lambda: _values(one, modality, name), {**one.tags, **told}, one.number)

    return [plane(number) for number in range(len(slices))], grid, notes


def directions(value: Any) -> NDArray[np.float64] | None:
    """Directions of a row and of a column in the patient (x to the left, y to the back, z to the head): (2, 3)."""
    found = numbers(value, 6)
    return None if found is None else found.reshape(2, 3)


def numbers(value: Any, count: int) -> NDArray[np.float64] | None:
    """``count`` numbers as an array; None where ``value`` has more, fewer or none."""
    if value is None or isinstance(value, str | float | int) or len(value) != count:
        return None
    return np.array([float(one) for one in value])


def _ways(slices: Sequence[Slice], along: Sequence[float]) -> dict[str, list[str]]:
    """For each numbering, which passage of the table each slice belongs to.

    For a CT only: an MR may take every second slice first.
    """
    numbers = {tag: [one.tags.get(tag, "") for one in slices] for tag in TIMES}
    if len({one.number for one in slices}) == len(slices):
        numbers["InstanceNumber"] = [one.number for one in slices]
    return {f"order of {tag}": runs(values, along) for tag, values in numbers.items()}


def _one_spacing(slices: Sequence[Slice], name: str) -> tuple[float, float]:
    found = [one.spacing for one in slices if one.spacing is not None]
    if len(found) < len(slices):
        raise ImagingError(
            "bad_spacing", f"{name}: {len(slices) - len(found)} of {len(slices)} slices say no PixelSpacing"
        )
    sides = np.array(found)
    if not np.allclose(sides, sides[0], rtol=SAME, atol=0):
        low, high = sides.min(axis=0).tolist(), sides.max(axis=0).tolist()
        raise ImagingError("bad_spacing", f"{name}: slices of different pixel spacing, from {low} to {high} mm")
    return found[0]


def _values(one: Slice, modality: str, name: str) -> NDArray[np.int16]:
    pixels, outside = one.stored()
    if pixels.ndim != 2:
        raise ImagingError("wrong_dimension", f"{name}: the series is not a stack of grey slices")
    values = to_hu(one.scale(pixels), name)
    return dark_padding(values, outside) if modality == "CT" else values


def _tag(header: Dataset, tag: str) -> str:
    value = header.get(tag)
    if value is None:
        return ""
    text = value if isinstance(value, str) else "\\".join(map(str, value)) if hasattr(value, "__len__") else str(value)
    return f" {text}" if text.startswith("ORIGINAL") else text  # of equal passes it stands first, before DERIVED
