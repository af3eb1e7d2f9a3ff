"""Stored arrays as small grey pictures of 8 bits, and a study as an example of them."""

import numpy as np
from jaxtyping import UInt8, UInt16
from numpy import ndarray

from unimedi.evaluation.record import Example
from unimedi.evaluation.slices.choices import middle_planes
from unimedi.evaluation.split import EvalSplit
from unimedi.imaging.intensity import LUNG_WINDOW, RADIOGRAPH_MAX
from unimedi.inputs.store import Store


def radiograph_grey(pixels: ndarray) -> UInt8[ndarray, "*shape"]:
    """Stored values of a radiograph (0 to 4095) as 0 to 255."""
    return _grey(np.asarray(pixels, np.float64) / RADIOGRAPH_MAX)


def lung_grey(hu: ndarray) -> UInt8[ndarray, "*shape"]:
    """Stored Hounsfield units as 0 to 255 in a lung window."""
    low, high = LUNG_WINDOW
    return _grey((np.asarray(hu, np.float64) - low) / (high - low))


def _grey(shares: ndarray) -> UInt8[ndarray, "*shape"]:
    return np.asarray(np.clip(shares, 0, 1) * 255, np.uint8)


def thumbnail(split: EvalSplit, row: int, store: Store) -> UInt8[ndarray, "height width"]:
    """A radiograph, or the plane of a volume that stands for it: the middle of its best-scored slab."""
    pixels = store.pixels(split.indices[row])
    return radiograph_grey(pixels) if pixels.ndim == 2 else lung_grey(pixels[best_plane(split, row, len(pixels))])


def largest_section(split: EvalSplit, row: int, store: Store) -> UInt8[ndarray, "height width"]:
    """Like :func:`thumbnail`, but of a volume with a mask the plane where the mask is largest."""
    mask = marked(store, split.indices[row])
    if mask is None or mask.ndim == 2 or not mask.any():
        return thumbnail(split, row, store)
    return lung_grey(store.pixels(split.indices[row])[int(np.count_nonzero(mask, axis=(1, 2)).argmax())])


def best_plane(split: EvalSplit, row: int, depth: int) -> int:
    """The middle plane of the best-scored slab; the middle of the volume where the model does not score slabs."""
    scores = split.table.slice_scores
    if scores is None:
        return depth // 2
    return int(middle_planes(scores.shape[1], depth)[scores[row].argmax()])


def marked(store: Store, index: int) -> UInt16[ndarray, "*stored"] | None:
    """The bit field of a study's mask: its labelled findings where one of them is marked, else all that is marked.

    So an organ, or one of the phantom's distractors, is not drawn as a lesion beside one.
    """
    mask = store.mask(index)
    if mask is None:
        return None
    known = [name for name, value in store.studies[index].labels.items() if value is not None]
    bits = sum(1 << store.findings.index(name) for name in known) & 0xFFFF
    labelled = mask & np.uint16(bits)
    return labelled if labelled.any() else mask


def findings_of(split: EvalSplit, row: int) -> tuple[str, ...]:
    """The findings of a study; ``normal`` where each that the store labels is known to be absent; else nothing."""
    return tuple(split.positives(row) or ["normal"] * bool(split.normal[row]))


def example(split: EvalSplit, row: int, store: Store) -> Example:
    """A study with its thumbnail."""
    return Example(split.table.study_ids[row], findings_of(split, row), thumbnail(split, row, store))


def report_example(split: EvalSplit, row: int) -> Example:
    """A study with its report in place of a picture."""
    return Example(split.table.study_ids[row], findings_of(split, row), report=split.report_texts[row])


def evenly(total: int, count: int) -> list[int]:
    """``count`` numbers below ``total`` at equal distances; all of them where there are fewer."""
    return sorted({round(place) for place in np.linspace(0, total - 1, count).tolist()})
