"""What a radiologist writes about a phantom patient: headings, findings, impression, in English or Spanish.

Only findings that the modality shows are written as present; distractors are never mentioned. Six readers differ in
headings, order of organs, units, how much that is normal they mention, and in the wordings they favour. A report is a
function of (patient, modality, seed, language, reader, attempt): the next ``attempt`` words the same truth anew.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from unimedi.cohort.study import Modality, Report
from unimedi.errors import InputError
from unimedi.phantom.findings import FINDINGS, Finding, Patient
from unimedi.phantom.wording.english import WORDING as ENGLISH
from unimedi.phantom.wording.language import LUNGS, ORGANS, Habits, Normal, Wording
from unimedi.phantom.wording.spanish import WORDING as SPANISH

WORDINGS: dict[str, Wording] = {"en": ENGLISH, "es": SPANISH}
ALL = ("indication", "technique", "comparison", "findings", "impression")
TOP_DOWN = ("lungs", "pleura", "heart", "hila", "bones")
FINAL = ("findings", "impression")
READERS = (
    Habits(0, "upper", ALL, TOP_DOWN, "numbered"),
    Habits(1, "title", ALL, ("heart", "hila", "lungs", "pleura", "bones"), "prose", centimetres=True, unsure=0.2),
    Habits(2, "upper", FINAL, TOP_DOWN, "prose", keep_normal=0.3, abbreviates=True),
    Habits(3, "upper", ("indication", "technique", *FINAL), TOP_DOWN, "dashed", keep_normal=0.75, organ_labels=True),
    Habits(4, "none", FINAL, ("lungs", "heart", "pleura", "hila", "bones"), "prose", keep_normal=0.5, unsure=0.25),
    Habits(5, "title", ("indication", *FINAL), ("bones", "heart", "hila", "pleura", "lungs"), "prose",
           keep_normal=0.5, centimetres=True, skip_impression=0.15),
)  # fmt: skip
WORDS = 78  # of findings and impression together: about 110 WordPiece tokens, what the text encoder reads
FAVOURITE = 3.0  # how much likelier a reader takes a wording of their own
IMPORTANCE = (
    "mass", "pneumothorax", "consolidation", "pleural_effusion", "nodule", "lymph_node", "rib_fracture",
    "ground_glass", "atelectasis", "cardiomegaly", "fibrosis", "emphysema",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """The sections of a report before they are laid out; ``impression`` holds one statement an entry."""

    indication: str
    technique: str
    comparison: str
    findings: tuple[str, ...]
    impression: tuple[str, ...]


def kind(modality: Modality) -> str:
    """How findings name this modality in ``visible_on``: ``ct`` for volumes, ``xray`` for projections."""
    return str(modality.image_kind)


def reportable(patient: Patient, modality: Modality) -> tuple[Finding, ...]:
    """The patient's findings that this modality shows, in the patient's order."""
    return tuple(finding for finding in patient.findings if kind(modality) in finding.visible_on)


def labels_for(patient: Patient, modality: Modality) -> dict[str, bool]:
    """Every finding's name with True where the report of this modality speaks of it as present."""
    present = {finding.name for finding in reportable(patient, modality)}
    return {name: name in present for name in FINDINGS}


def write_report(
    patient: Patient,
    modality: Modality,
    seed: int,
    language: str = "en",
    reader: int | None = None,
    view: str = "PA",
    attempt: int = 0,
) -> Report:
    """One report. ``reader`` indexes ``READERS`` (None draws one); ``view`` is ``PA`` or ``AP``, ignored for a CT.

    Raises ``ValueError`` where the language is not one of ``WORDINGS``.
    """
    if language not in WORDINGS:
        raise InputError(
            f"reports can be written in {sorted(WORDINGS)}, not {language!r} (patient {patient.patient_id})"
        )
    rng = Random(f"{patient.patient_id}/{kind(modality)}/{seed}/{language}/{attempt}")
    habits = READERS[rng.randrange(len(READERS)) if reader is None else reader]
    wording = WORDINGS[language]
    draft = _draft(patient, modality, view, wording, habits, rng)
    return Report(_lay_out(draft, wording, habits, rng), language)


def _draft(patient: Patient, modality: Modality, view: str, wording: Wording, habits: Habits, rng: Random) -> Draft:
    xray = kind(modality) == "xray"
    present = reportable(patient, modality)
    slots = {
        id(finding): wording.slots(finding, _zone(patient, finding) if xray else None, habits, rng)
        for finding in present
    }
    impression = _impression(present, slots, xray, wording, habits, rng)
    budget = WORDS - _words(impression)
    person = rng.choice(("man", "male") if patient.sex == "M" else ("woman", "female"))
    return Draft(
        indication=rng.choice(wording.indications).format(age=patient.age, person=person),
        technique=rng.choice(wording.technique[view if xray else "ct"]),
        comparison=rng.choice(wording.comparison),
        findings=_findings(present, slots, xray, budget, wording, habits, rng),
        impression=impression,
    )


def _zone(patient: Patient, finding: Finding) -> str | None:
    """The third of the lung's height where a projection shows the finding: from the front, lobes overlap."""
    if finding.centre_mm is None:
        return finding.lobe
    base = patient.anatomy.dome[finding.side == "left"]
    height = (finding.centre_mm[0] - base) / (patient.anatomy.apex - base)
    return "upper" if height > 0.62 else "middle" if height > 0.3 else "lower"


def _findings(
    present: Sequence[Finding],
    slots: dict[int, dict[str, str]],
    xray: bool,
    budget: int,
    wording: Wording,
    habits: Habits,
    rng: Random,
) -> tuple[str, ...]:
    """What is seen, organ by organ; normal phrases fill up what the budget of words leaves."""
    names = {finding.name for finding in present}
    seen = {
        organ: [
            _assert(finding, slots[id(finding)], xray, wording, habits, rng)
            for finding in present
            if finding.name in members
        ]
        for organ, members in ORGANS.items()
    }
    budget -= sum(_words(sentences) for sentences in seen.values())
    for organ in rng.sample(TOP_DOWN, len(TOP_DOWN)):
        spare = _normal(organ, names, xray, wording, habits, rng)
        few = sum(map(len, seen.values())) < 2
        if spare and (rng.random() < habits.keep_normal or few) and _words([spare]) <= budget:
            seen[organ].append(spare)
            budget -= _words([spare])
    negation = _negation(names, wording, habits, rng)
    if rng.random() < 0.4 * habits.keep_normal and _words([negation]) <= budget:
        seen["lungs"].append(negation)
    told = [(organ, " ".join(dict.fromkeys(seen[organ]))) for organ in habits.order if seen[organ]]
    return tuple(f"{wording.organs[organ]}: {text}" if habits.organ_labels else text for organ, text in told)


def _assert(finding: Finding, slots: dict[str, str], xray: bool, wording: Wording, habits: Habits, rng: Random) -> str:
    """One sentence that says the finding is there; mild ones are doubted more often."""
    phrases = wording.findings[finding.name]
    doubt = habits.unsure * {"mild": 1.5, "moderate": 0.8, "severe": 0.3}[finding.severity]
    sure = phrases.xray if xray else phrases.ct
    templates = phrases.unsure if rng.random() < doubt else sure
    return _sentence(_favour(templates, habits, rng).format(**slots), wording)


def _normal(organ: str, names: set[str], xray: bool, wording: Wording, habits: Habits, rng: Random) -> str:
    """A phrase on what is normal in an organ, true of this patient; empty where nothing fits."""
    if organ == "lungs" and names & LUNGS and rng.random() < 0.5:
        return rng.choice(wording.otherwise_clear)
    skip = "ct" if xray else "xray"
    fitting = [phrase for phrase in wording.normals[organ] if not phrase.rules_out & names and phrase.only != skip]
    whole = [phrase for phrase in fitting if phrase.rules_out >= ORGANS[organ]]
    choice: Sequence[Normal] = whole if whole and rng.random() < 0.7 else fitting
    return _favour([phrase.text for phrase in choice], habits, rng) if choice else ""


def _negation(names: set[str], wording: Wording, habits: Habits, rng: Random) -> str:
    """ "No effusion, pneumothorax or rib fracture.": two or three findings that are absent."""
    absent = [name for name in FINDINGS if name not in names]
    nouns = [
        rng.choice(wording.findings[name].absent)
        for name in rng.sample(absent, min(len(absent), rng.choice((2, 2, 3))))
    ]
    listed = f"{', '.join(nouns[:-1])} {wording.joiner} {nouns[-1]}" if len(nouns) > 1 else "".join(nouns)
    return _sentence(_favour(wording.negations, habits, rng).format(listed), wording)


def _impression(
    present: Sequence[Finding],
    slots: dict[int, dict[str, str]],
    xray: bool,
    wording: Wording,
    habits: Habits,
    rng: Random,
) -> tuple[str, ...]:
    """The important findings, the gravest first; () where this reader leaves the impression out."""
    if rng.random() < habits.skip_impression:
        return ()
    if not present:
        own = wording.normal_impression["xray" if xray else "ct"]
        return (_favour((*wording.normal_impression["any"], *own), habits, rng),)
    gravest = sorted(present, key=lambda finding: IMPORTANCE.index(finding.name))[:4]
    told = [
        _sentence(
            _favour(wording.findings[finding.name].impression, habits, rng).format(**slots[id(finding)]) + ".", wording
        )
        for finding in gravest
    ]
    if gravest[0].name in ("mass", "nodule", "lymph_node") and rng.random() < 0.25:
        told.append(rng.choice(wording.follow_up))
    return tuple(told)


def _lay_out(draft: Draft, wording: Wording, habits: Habits, rng: Random) -> str:
    """The sections under this reader's headings."""
    bodies = {
        "indication": draft.indication,
        "technique": draft.technique,
        "comparison": draft.comparison,
        "findings": "\n".join(draft.findings) if habits.organ_labels else " ".join(draft.findings),
        "impression": _statements(draft.impression, habits.impression),
    }
    parts = []
    for section in habits.sections:
        if not bodies[section]:
            continue
        heading = _favour(wording.headings[section], habits, rng)
        if habits.headings == "none":
            parts.append(bodies[section])
        else:
            lines = "\n" if "\n" in bodies[section] else " "
            parts.append(f"{heading if habits.headings == 'title' else heading.upper()}:{lines}{bodies[section]}")
    return "\n\n".join(parts) + "\n"


def _statements(impression: Sequence[str], style: str) -> str:
    if style == "prose" or len(impression) < 2:
        return " ".join(impression)
    mark = (
        (f"{number}. " for number in range(1, len(impression) + 1))
        if style == "numbered"
        else ("- " for _ in impression)
    )
    return "\n".join(f"{sign}{text}" for sign, text in zip(mark, impression, strict=True))


def _favour(choices: Sequence[str], habits: Habits, rng: Random) -> str:
    """A wording; every reader favours a third of them."""
    weights = [FAVOURITE if (index - habits.number) % 3 == 0 else 1.0 for index in range(len(choices))]
    return rng.choices(choices, weights)[0]


def _sentence(text: str, wording: Wording) -> str:
    text = wording.polish(text)
    return re.sub(r"^\w", lambda match: match[0].upper(), text)


def _words(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)
