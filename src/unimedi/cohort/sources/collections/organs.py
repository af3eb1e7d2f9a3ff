"""Label images of several organs, one value each, as masks."""

from collections.abc import Sequence
from pathlib import Path

from unimedi.cohort.study import Mask


def organ_masks(path: Path, names: Sequence[str]) -> dict[str, Mask]:
    """One mask a name; the first name is value 1 of the label image, as 0 is the background."""
    return {name: Mask(path, value) for value, name in enumerate(names, start=1)}
