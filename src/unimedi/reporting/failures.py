"""The section of failures: the worst studies of every task, with what was said of them."""

from unimedi.evaluation.record import EvaluationRecord, LateAnswers, WrongCalls, WrongSlice
from unimedi.reporting.schema import NAMES, Section, Tile
from unimedi.reporting.tiles import in_words, tile

Group = tuple[str, list[Tile]]


def failures_section(record: EvaluationRecord) -> Section:
    """Zero-shot both ways, retrieval both ways, the same patient, slice selection; tasks without a failure are left
    out."""
    found = record.failures
    section = Section(
        "failures",
        "Where it fails",
        "The worst of each task, not picked: probabilities furthest from the truth, the right answer furthest "
        "down the list, the chosen slice furthest from the lesion. In brackets: the probability of the finding.",
        folded=True,
    )
    groups = [*map(_calls, found.calls), *map(_late, found.reports), *map(_late_patients, found.patients)]
    groups += [_slices(found.slices, found.slices_missed)]
    section.tiles += [group for group in groups if group[1]]
    return section


def _calls(group: WrongCalls) -> Group:
    said = "missed" if group.missed else "called"
    tiles = [
        tile(
            call.study,
            f"{call.study.study_id}: {said} {in_words([call.finding])} ({call.probability:.2f}). "
            f"Has: {_known(call.study.findings)}",
        )
        for call in group.worst
    ]
    name = "misses" if group.missed else "false alarms"
    return f"Zero-shot, {NAMES[group.modality]}, {name}: {_of(len(tiles), group.total, 'studies')}", tiles


def _late(group: LateAnswers) -> Group:
    """Of retrieval between images and reports."""
    own = "report" if group.answer == "report" else NAMES[group.answer]
    return _answers(group, f"own {own}", f"{NAMES[group.query]} → {NAMES[group.answer]}")


def _late_patients(group: LateAnswers) -> Group:
    name = f"Same patient, {NAMES[group.query]} → {NAMES[group.answer]}"
    return _answers(group, f"the patient's {NAMES[group.answer]}", name)


def _answers(group: LateAnswers, sought: str, name: str) -> Group:
    tiles = [
        tile(
            late.study,
            f"{late.study.study_id}: {sought} at rank {late.rank} of {group.candidates}. "
            f"Has: {_known(late.study.findings)}; first answer: {_known(late.first)}",
        )
        for late in group.worst
    ]
    return f"{name}: {_of(len(tiles), group.total, 'queries not answered first')}", tiles


def _slices(worst: tuple[WrongSlice, ...], missed: int) -> Group:
    tiles = [
        tile(
            wrong.study,
            f"{wrong.study.study_id}: plane {wrong.chosen + 1}, lesion in {wrong.nearest + 1}, "
            f"{wrong.distance:.0f} {'mm' if wrong.in_mm else 'planes'} away. Has: {_known(wrong.study.findings)}",
        )
        for wrong in worst
    ]
    shown = _of(len(tiles), missed, "volumes missed")
    return f"Slice selection, the best-scored plane above, the nearest with a lesion below: {shown}", tiles


def _known(findings: tuple[str, ...]) -> str:
    return in_words(findings) or "no known finding"


def _of(shown: int, total: int, what: str) -> str:
    return f"the worst {shown} of {total} {what}" if shown < total else f"{total} {what}"
