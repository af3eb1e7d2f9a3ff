"""Stored arrays as grey pictures, and the pieces of the report that are made of them."""

import base64
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt16
from numpy import ndarray

from unimedi.evaluation.result import SliceResults
from unimedi.evaluation.slices.choices import middle_planes
from unimedi.evaluation.split import EvalSplit
from unimedi.imaging.intensity import RADIOGRAPH_MAX
from unimedi.inputs.store import Store
from unimedi.metrics.recall import same_group
from unimedi.reporting.curves import grey_png, slice_strip

CONTACTS, STRIPS, QUERIES, ANSWERS = 12, 8, 6, 5  # studies, volumes, queries, and answers to each that are shown
LUNG_WINDOW = (-1150.0, 350.0)  # HU, for looking only; lets soft tissue and ground-glass be told apart


@dataclass(frozen=True)
class Tile:
    """A picture or a text with a caption; ``right`` says whether it answers the query (None for a query)."""

    caption: str
    image: str = ""
    text: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Panel:
    """One query and its first answers."""

    query: Tile
    answers: list[Tile]


def data_uri(png: bytes) -> str:
    """The picture inside the page itself: no request leaves it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def upright(pixels: ndarray) -> Float[ndarray, "height width"]:
    """A stored radiograph (height, width) as 0..1."""
    return np.asarray(pixels, np.float64) / RADIOGRAPH_MAX


def windowed(pixels: ndarray) -> ndarray:
    """Stored Hounsfield units as 0..1 in a lung window."""
    low, high = LUNG_WINDOW
    return np.clip((np.asarray(pixels, np.float64) - low) / (high - low), 0, 1)


def thumbnail(view: EvalSplit, row: int, store: Store) -> str:
    """A radiograph, or the plane of a volume that stands for it (the best-scored slab's), as a data URI."""
    pixels = store.pixels(view.indices[row])
    if pixels.ndim == 2:
        return data_uri(grey_png(upright(pixels)))
    return data_uri(grey_png(windowed(pixels[best_plane(view, row, len(pixels))])))


def best_plane(view: EvalSplit, row: int, depth: int) -> int:
    """The middle plane of the best-scored slab, the middle of the volume where the model scores none."""
    scores = view.table.slice_scores
    if scores is None:
        return depth // 2
    return int(middle_planes(scores.shape[1], depth)[scores[row].argmax()])


def _telling(view: EvalSplit, row: int, store: Store) -> str:
    """Like :func:`thumbnail`, but a volume shows the plane where its masks are largest, if it has any."""
    mask = marked(store, view.indices[row])
    if mask is None or mask.ndim == 2 or not mask.any():
        return thumbnail(view, row, store)
    plane = int(np.count_nonzero(mask, axis=(1, 2)).argmax())
    return data_uri(grey_png(windowed(store.pixels(view.indices[row])[plane])))


def marked(store: Store, index: int) -> UInt16[ndarray, "*stored"] | None:
    """The bit field of a study's mask: of its labelled findings where one of them is marked, else of all that is.

    So an organ, or the phantom's ``distractor``, is not drawn as a lesion beside one.
    """
    mask = store.mask(index)
    if mask is None:
        return None
    known = [name for name, value in store.studies[index].labels.items() if value is not None]
    bits = sum(1 << store.findings.index(name) for name in known) & 0xFFFF
    labelled = mask & np.uint16(bits)
    return labelled if labelled.any() else mask


def evenly(total: int, count: int) -> list[int]:
    """``count`` numbers below ``total`` at equal distances (all of them where there are fewer): chosen, not picked."""
    return sorted({round(place) for place in np.linspace(0, total - 1, count).tolist()})


def named(view: EvalSplit, row: int) -> str:
    """What is known of a study, in words: "normal" where every finding that the store labels is known to be absent."""
    return ", ".join(name.replace("_", " ") for name in shown(view, row))


def shown(view: EvalSplit, row: int) -> list[str]:
    """The findings of a study; ``normal`` where each that the store labels is known to be absent; else nothing."""
    return view.positives(row) or ["normal"] * bool(view.normal[row])


def contact_tiles(view: EvalSplit, store: Store) -> list[Tile]:
    """The first studies with different findings, as a person would want to see the cohort."""
    order = sorted(range(len(view)), key=lambda row: (len(view.positives(row)) != 1, row))
    seen: set[str] = set()
    picked = []
    for row in order:
        if (name := named(view, row)) not in seen or not name:
            seen.add(name)
            picked.append(row)
    return [Tile(named(view, row), _telling(view, row, store)) for row in picked[:CONTACTS]]


def strips(view: EvalSplit, store: Store, outcome: SliceResults) -> list[Tile]:
    """Slabs, scores and lesion extent of evenly chosen volumes with a focal lesion.

    Framed: the slabs whose middle plane the model takes; none where it takes no slices.
    """
    planes, scores, tiles = outcome.lesion_planes, outcome.slab_scores, []
    if planes is None or scores is None:
        return []
    for place in evenly(len(scores), STRIPS):
        row = outcome.lesion_rows[place]
        pixels = store.pixels(view.indices[row])
        centres = middle_planes(scores.shape[1], len(pixels))
        chosen = slabs_taken(view, row, scores.shape[1], len(pixels))
        picture = slice_strip(windowed(pixels[centres]), scores[place], planes[place], chosen)
        tiles.append(Tile(named(view, row), data_uri(picture)))
    return tiles


def slabs_taken(view: EvalSplit, row: int, slab_count: int, depth: int) -> list[int]:
    """The slabs whose middle plane (of the ``depth`` stored ones) the model takes of a volume, by its own selector."""
    if view.table.selected is None:
        return []
    slabs: list[int] = np.flatnonzero(np.isin(middle_planes(slab_count, depth), view.table.selected[row])).tolist()
    return slabs


def report_panels(view: EvalSplit, store: Store) -> tuple[list[Panel], list[Panel]]:
    """(image → report, report → image) for evenly chosen studies."""
    similarity = view.table.embedding @ view.reports.T
    right = same_group(view.groups, view.groups)
    rows = evenly(len(view), QUERIES)
    to_report, to_image = [], []
    for row in rows:
        found = [
            Tile(f"{number + 1}. {named(view, i)}", text=view.report_texts[i], right=bool(right[row, i]))
            for number, i in enumerate(_first(similarity[row]))
        ]
        to_report.append(Panel(Tile(f"truth: {named(view, row)}", thumbnail(view, row, store)), found))
        images = [
            Tile(f"{number + 1}. {named(view, i)}", thumbnail(view, i, store), right=bool(right[row, i]))
            for number, i in enumerate(_first(similarity[:, row]))
        ]
        to_image.append(Panel(Tile(f"truth: {named(view, row)}", text=view.report_texts[row]), images))
    return to_report, to_image


def cross_panels(query: EvalSplit, answers: EvalSplit, store: Store) -> list[Panel]:
    """Studies of one modality and the five nearest of the other; right: the same patient."""
    both = [row for row in range(len(query)) if query.patients[row] in set(answers.patients)] or list(range(len(query)))
    panels = []
    for place in evenly(len(both), QUERIES):
        row = both[place]
        order = _first(answers.table.embedding @ query.table.embedding[row])
        tiles = [
            Tile(
                f"{number + 1}. {named(answers, i)}",
                thumbnail(answers, i, store),
                right=answers.patients[i] == query.patients[row],
            )
            for number, i in enumerate(order)
        ]
        panels.append(Panel(Tile(f"truth: {named(query, row)}", thumbnail(query, row, store)), tiles))
    return panels


def _first(similarity: Float[ndarray, "candidates"]) -> list[int]:
    order: list[int] = np.argsort(-similarity, kind="stable")[:ANSWERS].tolist()
    return order
