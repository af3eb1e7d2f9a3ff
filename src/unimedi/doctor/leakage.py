"""What stands on both sides of a border: of two splits, or of two cohorts (pre-training against downstream)."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unimedi.doctor.duplicates import near_images
from unimedi.doctor.study_summary import StudySummary
from unimedi.errors import InputError

SHOWN = 20  # leaks that an error lists; the page and its JSON have all
KEYS: dict[str, Callable[[StudySummary], str]] = {
    "patient": lambda study: study.patient_id,
    "header_patient": lambda study: study.header_patient,
    "file": lambda study: study.file,
    "image": lambda study: study.pixels,
}
ACROSS: dict[str, Callable[[StudySummary], str]] = {"study": lambda study: study.study_id, **KEYS}


class LeakageError(InputError):
    """Something stands on two sides of a border; the message lists it."""

    def __init__(self, leaks: Sequence[str], page: Path) -> None:
        more = [f"... and {len(leaks) - SHOWN} more, all in {page.with_suffix('.json')}"] if len(leaks) > SHOWN else []
        count = "1 leak" if len(leaks) == 1 else f"{len(leaks)} leaks"
        super().__init__("\n  ".join([count, *leaks[:SHOWN], *more]))


@dataclass(frozen=True, slots=True)
class Leak:
    """Two studies on two sides. ``what`` they share: ``patient``, ``header_patient`` (the PatientID in their files),
    ``study``, ``file`` (its bytes), ``image`` (its pixels), ``near_image`` (``bits`` of 256 differ) or
    ``report``; ``first`` and ``second`` as "side/study id"."""

    what: str
    first: str
    second: str
    key: str = ""
    bits: int = 0

    def __str__(self) -> str:
        shared = f"the same {self.what}" + (f" {self.key}" if self.what in ("patient", "study") else "")
        if self.what == "header_patient":
            shared = f"the same PatientID {self.key} in their files"
        if self.what == "near_image":
            shared = f"nearly the same image ({self.bits} of 256 bits differ)"
        return f"{self.first} and {self.second}: {shared}"


def leaks_between_splits(studies: Sequence[StudySummary]) -> list[Leak]:
    """Patients, files and images that stand in two splits of one cohort; each pair once, by its strongest tie."""
    sides = [s.split for s in studies]
    return _strongest([*_shared(studies, sides, KEYS), *_alike(studies, sides)])


def leaks_between_cohorts(ours: Sequence[StudySummary], theirs: Sequence[StudySummary]) -> list[Leak]:
    """The same between two cohorts, named A and B, with study ids as well; identical reports come last.

    A report that two cohorts share may be a stock phrase, and an id may be the same by chance (1, 2, 3): look at both.
    """
    studies, sides = [*ours, *theirs], ["A"] * len(ours) + ["B"] * len(theirs)
    found = _strongest([*_shared(studies, sides, ACROSS), *_alike(studies, sides)])
    known = {(leak.first, leak.second) for leak in found}
    reports = _shared(studies, sides, {"report": lambda one: one.report})
    return found + [leak for leak in reports if (leak.first, leak.second) not in known]


def _shared(
    studies: Sequence[StudySummary], sides: Sequence[str], keys: dict[str, Callable[[StudySummary], str]]
) -> Iterator[Leak]:
    """For each key on two sides, each study with the first one on each other side: linear, however many share it."""
    for what, key_of in keys.items():
        first: dict[str, dict[str, int]] = defaultdict(dict)
        for position, one in enumerate(studies):
            if not (key := key_of(one)):
                continue
            for side, other in first[key].items():
                if side != sides[position]:
                    yield Leak(what, _name(studies, sides, other), _name(studies, sides, position), key)
            first[key].setdefault(sides[position], position)


def near_duplicates(studies: Sequence[StudySummary]) -> Iterator[tuple[int, int, int]]:
    """(first, second, bits of 256 that differ) of studies whose images are nearly the same, by place."""
    for ndim in (2, 3):
        rows = [i for i, one in enumerate(studies) if one.perceptual_hash and len(one.shape) == ndim]
        hashes, miniatures = ([getattr(studies[i], name) for i in rows] for name in ("perceptual_hash", "miniature"))
        for first, second, bits in near_images(hashes, miniatures):
            yield rows[first], rows[second], bits


def _alike(studies: Sequence[StudySummary], sides: Sequence[str]) -> Iterator[Leak]:
    for first, second, bits in near_duplicates(studies):
        if sides[first] != sides[second]:
            yield Leak("near_image", _name(studies, sides, first), _name(studies, sides, second), bits=bits)


def _strongest(leaks: Sequence[Leak]) -> list[Leak]:
    """Each pair of studies once: what shares a file also shares the image, exactly and nearly."""
    kept: dict[tuple[str, str], Leak] = {}
    order = ("study", "file", "image", "header_patient", "near_image", "patient")
    for leak in sorted(leaks, key=lambda one: order.index(one.what)):
        kept.setdefault((leak.first, leak.second), leak)
    return list(kept.values())


def _name(studies: Sequence[StudySummary], sides: Sequence[str], position: int) -> str:
    return f"{sides[position]}/{studies[position].study_id}"
