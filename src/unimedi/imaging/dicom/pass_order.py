"""Several passes told by numbers that differ from slice to slice: a table moves one way, and a number is given once.

Each function gives a text for each slice, equal within a pass; all are equal where there is nothing to tell.
"""

from collections import defaultdict
from collections.abc import Sequence

from unimedi.imaging.intensity import MIN_SLICES

SAME_PLACE = 0.01  # mm
MOST_RUNS = 4  # more, and the numbers are shuffled and say nothing


def rank(value: str) -> tuple[float, str]:
    """To sort values of a tag by: numbers before words."""
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
    ordered = sorted(range(len(numbers)), key=lambda index: (rank(numbers[index]), along[index]))
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
