"""The gallery of failures: the worst studies of every task, by a rule and not by a person."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.evaluation.result import Evaluation, SliceResults, ZeroShotPredictions
from unimedi.evaluation.retrieval.tasks import pairs
from unimedi.evaluation.slices.choices import middle_planes, slabs_by_score
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.store import Store
from unimedi.metrics.recall import first_right_rank, same_group
from unimedi.reporting.curves import grey_png
from unimedi.reporting.pictures import Tile, data_uri, named, thumbnail, windowed
from unimedi.reporting.schema import NAMES, Section
from unimedi.reporting.zero_shot import words

WORST = 12  # studies of a task

Group = tuple[str, list[Tile]]


def failures_part(inputs: Evaluation) -> Section:
    """Zero-shot both ways, retrieval both ways, the same patient, slice selection: the worst of each, worst first."""
    section = Section(
        "failures",
        "Where it fails",
        f"The worst {WORST} of each task, not picked: probabilities furthest from the truth, the right answer furthest "
        "down the list, the chosen slice furthest from the lesion. In brackets: the probability that was given.",
        folded=True,
    )
    for groups in (_zero_shot, _reports, _patients, _slices):
        section.tiles += [group for group in groups(inputs) if group[1]]
    return section


def worst_calls(view: EvalSplit, verdicts: ZeroShotPredictions, present: bool) -> list[tuple[int, str, float]]:
    """(row, finding, probability) of the wrong calls furthest from the truth, at most one a study, worst first.

    Wrong: on the wrong side of the finding's threshold. ``present`` takes the findings that were missed, else the
    false alarms. Unknown labels are no calls.
    """
    found, given = [], verdicts.probabilities
    for finding, odds in verdicts.log_odds.items():
        label = view.labels[finding]
        wrong = (label == present) & ((given[finding] >= verdicts.thresholds[finding]) != present)
        astray = -odds if present else odds  # as log-odds: probabilities near 1 are equal
        found += [(astray[row], row, finding) for row in np.flatnonzero(wrong).tolist()]
    worst: dict[int, tuple[int, str, float]] = {}
    for _, row, finding in sorted(found, key=lambda call: (-call[0], call[1], call[2])):
        worst.setdefault(row, (row, finding, float(given[finding][row])))
    return list(worst.values())


def worst_ranks(
    similarity: Float[ndarray, "queries candidates"], right: Bool[ndarray, "queries candidates"]
) -> list[tuple[int, int, int]]:
    """(query, rank of its first right answer, number of the answer that came first) of misses, worst first."""
    ranks = first_right_rank(similarity, right)
    order = np.argsort(-ranks, kind="stable")
    return [(int(q), int(ranks[q]), int(similarity[q].argmax())) for q in order if 1 < ranks[q] < np.inf]


def worst_planes(outcome: SliceResults, thickness: Sequence[float]) -> list[tuple[int, int, int, float]]:
    """(place among the lesion rows, chosen plane, nearest lesion plane, mm between them) of misses, worst first.

    The chosen plane is the middle of the best-scored slab, as hit@1 has it; ``thickness`` is a plane's, of each row.
    """
    planes, scores = outcome.lesion_planes, outcome.slab_scores
    if planes is None or scores is None:
        return []
    chosen = middle_planes(scores.shape[1], planes.shape[1])[slabs_by_score(scores, 1)[:, 0]].tolist()
    found = []
    for place, plane in enumerate(chosen):
        lesion = np.flatnonzero(planes[place])
        nearest = int(lesion[np.abs(lesion - plane).argmin()])
        found.append((place, plane, nearest, abs(nearest - plane) * thickness[place]))
    return sorted((one for one in found if one[3]), key=lambda one: (-one[3], one[0]))


def _zero_shot(inputs: Evaluation) -> Iterator[Group]:
    for kind, verdicts in inputs.predictions.items():
        seen = inputs.splits[kind]
        for present, name in ((False, "false alarms"), (True, "misses")):
            calls = worst_calls(seen, verdicts, present)
            tiles = []
            for row, finding, score in calls[:WORST]:
                said = "missed" if present else "called"
                caption = f"{_study(seen, row)} {said} {words(finding)} ({score:.2f}). Has: {_known(seen, row)}"
                tiles.append(Tile(caption, thumbnail(seen, row, inputs.store)))
            yield f"Zero-shot, {NAMES[kind]}, {name}: {_of(len(tiles), len(calls), 'studies')}", tiles


def _reports(inputs: Evaluation) -> Iterator[Group]:
    for kind, seen in ((kind, seen.reported) for kind, seen in inputs.splits.items()):
        if not len(seen):
            continue
        similarity, right = seen.table.embedding @ seen.reports.T, same_group(seen.groups, seen.groups)
        for names, scores in (
            ((f"{NAMES[kind]} → report", "report"), similarity),
            ((f"report → {NAMES[kind]}", NAMES[kind]), similarity.T),
        ):
            missed = worst_ranks(scores, right)
            tiles = [
                Tile(
                    f"{_study(seen, row)} own {names[1]} at rank {rank} of {len(seen)}. Has: {_known(seen, row)}; "
                    f"first answer: {_known(seen, first)}",
                    thumbnail(seen, row, inputs.store),
                )
                for row, rank, first in missed[:WORST]
            ]
            yield f"{names[0]}: {_of(len(tiles), len(missed), 'queries not answered first')}", tiles


def _patients(inputs: Evaluation) -> Iterator[Group]:
    if len(inputs.splits) < 2 or len(both := pairs(inputs.splits["xray"], inputs.splits["ct"])) < 2:
        return
    rows = {kind: [pair[place] for pair in both] for place, kind in enumerate(("xray", "ct"))}
    for asked, sought in (("xray", "ct"), ("ct", "xray")):
        query, answers = inputs.splits[asked], inputs.splits[sought]
        similarity = query.table.embedding[rows[asked]] @ answers.table.embedding[rows[sought]].T
        missed = worst_ranks(similarity, np.eye(len(both), dtype=bool))
        tiles = []
        for place, rank, first in missed[:WORST]:
            row, found = rows[asked][place], rows[sought][first]
            caption = (
                f"{_study(query, row)} the patient's {NAMES[sought]} at rank {rank} of {len(both)}. "
                f"Has: {_known(query, row)}; first answer: {_known(answers, found)}"
            )
            tiles.append(Tile(caption, thumbnail(query, row, inputs.store)))
        name = f"Same patient, {NAMES[asked]} → {NAMES[sought]}"
        yield f"{name}: {_of(len(tiles), len(missed), 'queries not answered first')}", tiles


def _slices(inputs: Evaluation) -> Iterator[Group]:
    if inputs.slices is None:
        return
    seen, lesions = inputs.splits["ct"], inputs.slices.lesion_rows
    spacings = [inputs.store.studies[seen.indices[row]].spacing for row in lesions]
    missed = worst_planes(inputs.slices, [spacing[0] if spacing else 1.0 for spacing in spacings])
    tiles = []
    for place, chosen, nearest, apart in missed[:WORST]:
        row, unit = lesions[place], "mm" if spacings[place] else "planes"
        caption = f"{_study(seen, row)} plane {chosen + 1}, lesion in {nearest + 1}, {apart:.0f} {unit} away"
        picture = _two_planes(inputs.store, seen.indices[row], chosen, nearest)
        tiles.append(Tile(f"{caption}. Has: {_known(seen, row)}", picture))
    shown = _of(len(tiles), len(missed), "volumes missed")
    yield f"Slice selection, the best-scored plane above, the nearest with a lesion below: {shown}", tiles


def _two_planes(store: Store, index: int, chosen: int, nearest: int) -> str:
    planes = windowed(store.pixels(index)[[chosen, nearest]])
    rule = np.ones((2, planes.shape[2]))
    return data_uri(grey_png(np.concatenate([planes[0], rule, planes[1]])))


def _study(view: EvalSplit, row: int) -> str:
    return f"{view.table.study_ids[row]}:"


def _known(view: EvalSplit, row: int) -> str:
    return named(view, row) or "no known finding"


def _of(shown: int, total: int, what: str) -> str:
    return f"the worst {shown} of {total} {what}" if shown < total else f"{total} {what}"
