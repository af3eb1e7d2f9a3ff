"""Several passes under one series: phases, echoes, kernels, half a step apart or over each other. One pass is a volume.

Passes differ in some tag, and the planes of one value of it lie *among* those of another. A tag that only changes from
block to block of one volume says nothing of the kind: AcquisitionNumber counts the table's stops in a step-and-shoot
scan, AcquisitionTime runs from slice to slice.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.dicom.plane import Plane
from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import MIN_SLICES

SAME_PLACE = 0.01  # mm
MOST_RUNS = 4  # more, and the numbers are shuffled and say nothing
EVEN = 0.1  # of the step between planes: what differs by less is rounding
UNEVEN = 0.5  # of the median step: what differs by more is no scan that was meant to be one
MOST = 0.5  # of the length of all planes: a pass that covers less is a part of a scan and not a scan

Placed = list[tuple[float, Plane]]  # mm along the normal, rising


def one_pass(planes: Sequence[Plane], normal: NDArray[np.float64], name: str) -> list[Plane]:
    """The planes of the fullest pass (of equals the first), ordered along the normal; all where there is only one.

    Raises:
        ImagingError: ``duplicate_slices`` where planes of several passes lie among each other and none is a whole scan.
    """
    placed = sorted(((float(plane.position @ normal), plane) for plane in planes), key=lambda pair: pair[0])
    return [plane for _, plane in _one_pass(placed, name)]


def _one_pass(placed: Placed, name: str) -> Placed:
    told: dict[str, list[Placed]] = {}
    for tag in dict.fromkeys(tag for _, plane in placed for tag in plane.tags):
        told |= _apart(placed, tag, [plane.tags.get(tag, "") for _, plane in placed])
    for passes in told.values():
        best = max(passes, key=len)
        if _is_whole(best, passes):
            return _one_pass(best, name)
    numbers = repeats([plane.number for _, plane in placed], [place for place, _ in placed])
    told |= _apart(placed, "repeated InstanceNumber", numbers)  # which shows several, and not surely which is which
    if told:
        tag, passes = next(iter(told.items()))
        counts = ", ".join(str(len(one)) for one in passes[:9])
        message = (
            f"{name}: {len(placed)} slices of {len(passes)} passes by {tag} ({counts} slices) lie among each other "
            f"from {placed[0][0]:.1f} to {placed[-1][0]:.1f} mm, and no tag tells a whole scan among them"
        )
        raise ImagingError("duplicate_slices", message)
    return placed


def _apart(placed: Placed, tag: str, values: Sequence[str]) -> dict[str, list[Placed]]:
    """{tag: the passes that its values tell apart}; {} where they tell none apart."""
    passes = _passes(placed, values)
    apart = len(passes) > 1 and not _fills_gaps(max(passes, key=len), passes)
    return {tag: passes} if apart else {}


def _passes(placed: Placed, values: Sequence[str]) -> list[Placed]:
    """The planes by a tag's values in rising order; a value whose planes lie beyond the last pass continues it."""
    groups: dict[str, Placed] = {}
    for value, pair in zip(values, placed, strict=True):
        groups.setdefault(value, []).append(pair)
    blocks = sorted(groups.values(), key=lambda group: group[0][0])
    if not any(_overlap(lower, upper) for lower, upper in pairwise(blocks)):
        return [placed]
    passes: list[Placed] = []
    for value in sorted(groups, key=_rank):
        group = groups[value]
        if passes and not _overlap(passes[-1], group):
            passes[-1] = sorted(passes[-1] + group, key=lambda pair: pair[0])
        else:
            passes.append(group)
    return passes


def _overlap(one: Placed, two: Placed) -> bool:
    return one[0][0] < two[-1][0] + SAME_PLACE and two[0][0] < one[-1][0] + SAME_PLACE


def _steps(places: Sequence[float]) -> NDArray[np.float64]:
    """Mm between different places."""
    steps = np.diff(np.sort(np.asarray(places, dtype=np.float64)))
    return steps[steps >= SAME_PLACE]


def _fills_gaps(best: Placed, passes: Sequence[Placed]) -> bool:
    """Whether all planes together are evenly spaced by the step of ``best``: then a few slices of one scan carry
    another value of the tag."""
    own = _steps([place for place, _ in best])
    if not len(own):
        return False
    everywhere = [place for one in passes for place in _distinct(one)]
    steps = np.diff(np.sort(np.asarray(everywhere)))
    return bool((np.abs(steps - own.min()) <= EVEN * own.min()).all())


def _distinct(placed: Placed) -> list[float]:
    found: list[float] = []
    for place, _ in placed:
        if not found or place - found[-1] >= SAME_PLACE:
            found.append(place)
    return found


def _is_whole(best: Placed, passes: Sequence[Placed]) -> bool:
    """Whether a pass is a scan by itself: enough slices, steps that are nearly even, most of the length, and no place
    left out at which the scanner passed twice."""
    places = _distinct(best)
    if len(places) < MIN_SLICES:
        return False
    steps = np.diff(places)
    together = [place for one in passes for place in _distinct(one)]
    length = max(together) - min(together)
    inside = sorted(place for place in together if places[0] - SAME_PLACE < place < places[-1] + SAME_PLACE)
    twice = bool((np.diff(inside) < SAME_PLACE).any())
    return bool(
        (np.abs(steps - np.median(steps)) <= UNEVEN * np.median(steps)).all()
        and places[-1] - places[0] >= MOST * length
        and not (twice and len(_steps(inside)) + 1 > len(places))
    )


# -- passes told by numbers that differ from slice to slice -----------------------------------------------------------
# Each function gives a text for each slice, equal within a pass; all are equal where nothing can be told.


def _rank(value: str) -> tuple[float, str]:
    """Sort key for the values of a tag: numbers before words."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def repeats(numbers: Sequence[str], along: Sequence[float]) -> list[str]:
    """How often a number has been given before, further down: the instance numbers of a second pass begin anew."""
    places: dict[str, list[float]] = defaultdict(list)
    found = [""] * len(numbers)
    for index in sorted(range(len(numbers)), key=lambda index: along[index]):
        seen = places[numbers[index]]
        if not seen or along[index] - seen[-1] >= SAME_PLACE:
            seen.append(along[index])
        found[index] = str(len(seen))
    return found


def runs(numbers: Sequence[str], along: Sequence[float]) -> list[str]:
    """Which way through the body a slice belongs to, in the order of the numbers; a run ends where the table jumps
    back."""
    ordered = sorted(range(len(numbers)), key=lambda index: (_rank(numbers[index]), along[index]))
    ways: list[list[int]] = []
    for index in ordered:
        way = ways[-1] if ways else []
        if not way or (len(way) > 1 and _back(way, index, along)):
            ways.append([index])
        else:
            way.append(index)
    if len(ways) > MOST_RUNS or min(map(len, ways), default=0) < MIN_SLICES:
        return [""] * len(numbers)
    found = {index: str(number) for number, way in enumerate(ways, start=1) for index in way}
    return [found[index] for index in range(len(numbers))]


def _back(way: Sequence[int], index: int, along: Sequence[float]) -> bool:
    return (along[way[-1]] - along[way[-2]]) * (along[index] - along[way[-1]]) < 0
