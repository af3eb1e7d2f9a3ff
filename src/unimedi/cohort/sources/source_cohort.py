"""The studies that a source gives (a collection, a folder, a table), and a list of what could not be used."""

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.cohort.cell_values import without_missing
from unimedi.cohort.patient_id import normalized_id
from unimedi.cohort.reports.report import written_report
from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Mask, Modality, Split, Study
from unimedi.errors import InputError
from unimedi.files.text_file import TextError, read_text
from unimedi.files.walk import inside


class SourceError(InputError):
    """A source that cannot be read as a cohort at all: no such folder, another layout, a table without its columns."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a table's row that gave no study, and why (``no report``, ``empty report``, ``no image``, ...)."""

    what: str
    reason: str


@dataclass(slots=True)
class SourceCohort:
    """The studies found under ``root``, and what was left out.

    Attributes:
        root: the folder that all images lie in.
        studies: what was taken, in the order of :meth:`add`.
        skipped: what was left out, and why.
        ids: the ids of all studies.
        told: files that were taken in a way that a person should look at, and in which.
        notes: sentences about the whole.
        unnamed: ids of the studies that were added without a patient.
    """

    root: Path
    studies: list[Study] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    told: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unnamed: set[str] = field(default_factory=set)

    def skip(self, what: str, reason: str) -> None:
        """Note that something was left out."""
        self.skipped.append(Skipped(what, reason))

    def tell(self, what: str, how: str) -> None:
        """Note in which way a file was taken, where a person should look at it."""
        self.told.append(Skipped(what, how))

    def add(
        self,
        what: str,
        image: Path,
        modality: Modality | None,
        report: str | Path | None,
        study_id: str = "",
        patient_id: str = "",
        language: str = "",
        split: Split = Split.TRAIN,
        labels: Mapping[str, bool | None] | None = None,
        masks: Mapping[str, Mask] | None = None,
        series: str = "",
        date: datetime.date | None = None,
    ) -> None:
        """Add a study, or note why it is none.

        Args:
            what: names the study where it is left out.
            image: a file, or a folder of slices. One that is not there, or lies outside the root (by ``..`` or by a
                link), is left out unread: a manifest may not list it.
            modality: None is left out, as unknown.
            report: the text, or the file that holds it; None where the collection has none, which a study with a known
                label or a mask may do without.
            study_id: by default the image's path below the root.
            patient_id: by default the study's id, until ``name_patients`` knows better.
            language: ISO 639-1; by default as the text is.
            split: until splits are drawn.
            labels: finding → present, absent, or None for unknown.
            masks: finding → where it is marked.
            series: the SeriesInstanceUID, where the folder holds several.
            date: of the examination.
        """
        if not inside(image, self.root):
            return self.skip(what, "image outside the root")
        if not image.exists():
            return self.skip(what, "no image")
        if isinstance(report, Path) and not inside(report, self.root):
            return self.skip(what, "report outside the root")
        try:
            text = read_text(report) if isinstance(report, Path) and report.is_file() else report
        except TextError as error:
            return self.skip(what, f"report: {error.reason}")
        name = study_id or self._name_by_path(image)
        measures = bool(masks) or any(value is not None for value in (labels or {}).values())
        if not isinstance(text, str) and (report is not None or not measures):
            return self.skip(what, "no report")
        text = without_missing(text.strip()) if isinstance(text, str) else ""
        if not text and report is not None:
            return self.skip(what, "empty report")
        if modality is None:
            return self.skip(what, "unknown modality: give one")
        if name in self.ids:
            return self.skip(what, f"duplicate study_id {name}")
        self.ids.add(name)
        self.unnamed |= set() if patient_id else {name}
        written = written_report(text, language)
        self.studies.append(
            Study(name, patient_id or name, modality, image, written, split, labels or {}, masks or {}, series, date)
        )
        return None

    def _name_by_path(self, image: Path) -> str:
        parts = image.relative_to(self.root).parts
        name = "_".join((*parts[:-1], stem(parts[-1])))
        return "_".join(parts) if name in self.ids else name  # a.png beside a.dcm

    def draw_validation(self, share: float) -> None:
        """Make ``share`` (0 to 1) of the training patients validation patients, drawn by a hash of the id.

        The test split stays as it is; a training study whose patient is in it is left out, and noted.
        """
        test = [study for study in self.studies if study.split is Split.TEST]
        train = assign_splits((s for s in self.studies if s.split is not Split.TEST), validation=share, test=0.0)
        known = {normalized_id(study.patient_id) for study in test}
        for study in train:
            if normalized_id(study.patient_id) in known:
                self.skip(study.study_id, "its patient is in the test split")
        self.studies = [study for study in train if normalized_id(study.patient_id) not in known] + test

    def complaint(self, shown: int = 10) -> str:
        """What was left out, counted by the reason up to its colon, with the first names; empty where nothing was."""
        if not self.skipped:
            return ""
        counts = Counter(skipped.reason.split(": ")[0] for skipped in self.skipped).most_common()
        names = [f"  {skipped.what}: {skipped.reason}" for skipped in self.skipped[:shown]]
        more = [f"  ... and {len(self.skipped) - shown} more"] if len(self.skipped) > shown else []
        listed = ", ".join(f"{count} {reason}" for reason, count in counts)
        return "\n".join([f"{len(self.skipped)} left out ({listed}):", *names, *more])


class NoStudyError(SourceError):
    """Nothing under the root is a study. ``cohort`` has what was left out; ``written`` is the file that lists it."""

    def __init__(self, cohort: SourceCohort, written: Path | None = None) -> None:
        self.cohort = cohort
        said = [cohort.complaint() or "it holds no images, and no other files either", *cohort.notes]
        said += [f"all of them: {written}"] if written and cohort.skipped else []
        super().__init__(f"no study under {cohort.root}: " + "\n".join(said))
