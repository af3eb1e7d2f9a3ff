"""What a radiologist writes about a phantom patient: headings, findings, impression, in English or Spanish.

Only findings that the modality shows are written as present; distractors are never mentioned. Six readers differ in
headings, order of organs, units, how much that is normal they mention, and in the wordings they favour. A report is a
function of (patient, modality, seed, language, reader, attempt): the next ``attempt`` words the same truth anew.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality, Report
from unimedi.errors import InputError
from unimedi.phantom.patient.catalogue import DETAILS, FINDINGS, Finding
from unimedi.phantom.patient.patient import Patient
from unimedi.phantom.reports import english, spanish
from unimedi.phantom.reports.language import LUNGS, ORGANS, Habits, Wording, read_wording

WORDINGS: dict[str, Wording] = {
    "en": read_wording("english.yaml", english.slots, english.polish),
    "es": read_wording("spanish.yaml", spanish.slots, spanish.polish),
}
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
FAVOURITE = 3.0  # how much likelier a reader takes one of the wordings that they favour
Slots = Mapping[Finding, Mapping[str, str]]  # what fills the braces of a finding's phrases
IMPORTANCE = (  # the gravest first
    "mass", "pneumothorax", "consolidation", "pleural_effusion", "nodule", "lymph_node", "rib_fracture",
    "ground_glass", "atelectasis", "cardiomegaly", "fibrosis", "emphysema",
)  # fmt: skip


def reportable(patient: Patient, modality: Modality) -> tuple[Finding, ...]:
    """The patient's findings that this modality shows, in the patient's order."""
    return tuple(finding for finding in patient.findings if modality.image_kind in finding.visible_on)


def labels_for(patient: Patient, modality: Modality) -> dict[str, bool]:
    """Every finding's name with True where the report of this modality speaks of it as present."""
    present = {finding.name for finding in reportable(patient, modality)}
    return {name: name in present for name in FINDINGS}


def details_for(patient: Patient, modality: Modality) -> dict[str, bool]:
    """Every name of ``DETAILS`` with True where any lesion has it; empty for an X-ray, whose report does not say."""
    if modality.image_kind is not ImageKind.CT:
        return {}
    shown = {name for finding in reportable(patient, modality) for name in finding.details}
    return {name: name in shown for name in DETAILS}


def write_report(
    patient: Patient,
    modality: Modality,
    seed: int,
    language: str = "en",
    reader: int | None = None,
    view: str = "PA",
    attempt: int = 0,
    brief: bool = False,
) -> Report:
    """The report of one study.

    Args:
        reader: index into ``READERS``; None draws one.
        view: of an X-ray, ``PA`` or ``AP``; ignored for a CT.
        attempt: another number words the same findings anew.
        brief: where there is a finding, nothing is said of what is normal or to be done.

    Raises:
        InputError: the language is not one of ``WORDINGS``.
    """
    if language not in WORDINGS:
        raise InputError(
            f"reports can be written in {sorted(WORDINGS)}, not {language!r} (patient {patient.patient_id})"
        )
    kind = modality.image_kind
    rng = Random(f"{patient.patient_id}/{kind}/{seed}/{language}/{attempt}")
    habits = READERS[rng.randrange(len(READERS)) if reader is None else reader]
    writer = _Writer(WORDINGS[language], habits, rng, kind, brief)
    return Report(writer.report(patient, reportable(patient, modality), view), language)


@dataclass(frozen=True, slots=True)
class _Writer:
    """One reader at one study: a language, habits, random numbers, whether it is an X-ray or a CT, and to be brief."""

    wording: Wording
    habits: Habits
    rng: Random
    kind: ImageKind
    brief: bool

    def report(self, patient: Patient, present: Sequence[Finding], view: str) -> str:
        """The text, with this reader's headings."""
        wording, rng = self.wording, self.rng
        slots = {finding: self._slots(patient, finding) for finding in present}
        impression = self._impression(present, slots)
        person = rng.choice(("man", "male") if patient.sex == "M" else ("woman", "female"))
        bodies = {
            "indication": rng.choice(wording.indications).format(age=patient.age, person=person),
            "technique": rng.choice(wording.technique[view if self.kind == ImageKind.XRAY else "ct"]),
            "comparison": rng.choice(wording.comparison),
        }
        budget = 0 if self.brief and present else WORDS - _words(impression)
        findings = self._findings(present, slots, budget)
        bodies["findings"] = ("\n" if self.habits.organ_labels else " ").join(findings)
        bodies["impression"] = _statements(impression, self.habits.impression)
        return self._lay_out(bodies)

    def _slots(self, patient: Patient, finding: Finding) -> dict[str, str]:
        grades = self.wording.findings[finding.name].severity.get(finding.severity, (finding.severity,))
        third = _third(patient, finding) if self.kind == ImageKind.XRAY else None
        return self.wording.slots(finding, grades, third, self.habits, self.rng)

    def _findings(self, present: Sequence[Finding], slots: Slots, budget: int) -> tuple[str, ...]:
        """What is seen, organ by organ; phrases on what is normal fill up the rest of ``budget`` words."""
        names, rng, habits = {finding.name for finding in present}, self.rng, self.habits
        seen = {
            organ: [self._assert(finding, slots[finding]) for finding in present if finding.name in members]
            for organ, members in ORGANS.items()
        }
        budget -= sum(_words(sentences) for sentences in seen.values())
        for organ in rng.sample(TOP_DOWN, len(TOP_DOWN)):
            spare = self._normal(organ, names)
            few = sum(map(len, seen.values())) < 2
            if spare and (rng.random() < habits.keep_normal or few) and _words([spare]) <= budget:
                seen[organ].append(spare)
                budget -= _words([spare])
        negation = self._negation(names)
        if rng.random() < 0.4 * habits.keep_normal and _words([negation]) <= budget:
            seen["lungs"].append(negation)
        told = [(organ, " ".join(dict.fromkeys(seen[organ]))) for organ in habits.order if seen[organ]]
        return tuple(f"{self.wording.organs[organ]}: {text}" if habits.organ_labels else text for organ, text in told)

    def _assert(self, finding: Finding, slots: Mapping[str, str]) -> str:
        """One sentence that says the finding is there; mild ones are doubted more often, details on a CT never."""
        phrases = self.wording.findings[finding.name]
        doubt = self.habits.unsure * {"mild": 1.5, "moderate": 0.8, "severe": 0.3}[finding.severity]
        sure = phrases.xray if self.kind == ImageKind.XRAY else phrases.ct
        templates = phrases.unsure if self.rng.random() < doubt else sure
        if self._with_details(finding):
            templates = phrases.detailed
        return self._sentence(self._favour(templates).format(**slots))

    def _with_details(self, finding: Finding) -> bool:
        return bool(finding.margin) and self.kind == ImageKind.CT

    def _normal(self, organ: str, names: set[str]) -> str:
        """A phrase on what is normal in an organ, true of this patient; empty where nothing fits."""
        if organ == "lungs" and names & LUNGS and self.rng.random() < 0.5:
            return self.rng.choice(self.wording.otherwise_clear)
        fitting = [
            phrase
            for phrase in self.wording.normals[organ]
            if not phrase.rules_out & names and phrase.only in ("", self.kind)
        ]
        whole = [phrase for phrase in fitting if phrase.rules_out >= ORGANS[organ]]
        choice = whole if whole and self.rng.random() < 0.7 else fitting
        return self._favour([phrase.text for phrase in choice]) if choice else ""

    def _negation(self, names: set[str]) -> str:
        """ "No effusion, pneumothorax or rib fracture.": two or three findings that are absent."""
        absent = [name for name in FINDINGS if name not in names]
        nouns = [
            self.rng.choice(self.wording.findings[name].absent)
            for name in self.rng.sample(absent, min(len(absent), self.rng.choice((2, 2, 3))))
        ]
        listed = f"{', '.join(nouns[:-1])} {self.wording.joiner} {nouns[-1]}" if len(nouns) > 1 else "".join(nouns)
        return self._sentence(self._favour(self.wording.negations).format(listed))

    def _impression(self, present: Sequence[Finding], slots: Slots) -> tuple[str, ...]:
        """The important findings, the gravest first; () where this reader leaves the impression out."""
        wording, rng = self.wording, self.rng
        if rng.random() < self.habits.skip_impression:
            return ()
        if not present:
            return (self._favour((*wording.normal_impression["any"], *wording.normal_impression[self.kind])),)
        gravest = sorted(present, key=lambda finding: IMPORTANCE.index(finding.name))[:4]
        told = [self._sentence(self._favour(self._impressions(one)).format(**slots[one]) + ".") for one in gravest]
        if gravest[0].name in ("mass", "nodule", "lymph_node") and rng.random() < 0.25 and not self.brief:
            told.append(rng.choice(wording.follow_up))
        return tuple(told)

    def _impressions(self, finding: Finding) -> Sequence[str]:
        phrases = self.wording.findings[finding.name]
        return phrases.detailed_impression if self._with_details(finding) else phrases.impression

    def _lay_out(self, bodies: dict[str, str]) -> str:
        """The sections that this reader writes, in their order, under their headings."""
        parts = []
        for section in self.habits.sections:
            if not (body := bodies[section]):
                continue
            heading = self._favour(self.wording.headings[section])
            if self.habits.headings == "none":
                parts.append(body)
            else:
                heading = heading if self.habits.headings == "title" else heading.upper()
                lines = "\n" if "\n" in body else " "
                parts.append(f"{heading}:{lines}{body}")
        return "\n\n".join(parts) + "\n"

    def _favour(self, choices: Sequence[str]) -> str:
        """One of the wordings, at random; every reader takes a third of them more often."""
        weights = [FAVOURITE if (index - self.habits.number) % 3 == 0 else 1.0 for index in range(len(choices))]
        return self.rng.choices(choices, weights)[0]

    def _sentence(self, text: str) -> str:
        return re.sub(r"^\w", lambda match: match[0].upper(), self.wording.polish(text))


def _third(patient: Patient, finding: Finding) -> str | None:
    """The third of the lung's height where a projection shows the finding: from the front, lobes overlap."""
    if finding.centre_mm is None:
        return finding.lobe
    base = patient.anatomy.dome[finding.side == "left"]
    height = (finding.centre_mm[0] - base) / (patient.anatomy.apex - base)
    return "upper" if height > 0.62 else "middle" if height > 0.3 else "lower"


def _statements(impression: Sequence[str], style: str) -> str:
    if style == "prose" or len(impression) < 2:
        return " ".join(impression)
    numbered = style == "numbered"
    return "\n".join(f"{f'{n}.' if numbered else '-'} {text}" for n, text in enumerate(impression, start=1))


def _words(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)
