"""Studies gathered from someone's own files, and a list of what could not be used."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.cohort.choices import given, read_modality
from unimedi.cohort.reports.report import written_report
from unimedi.cohort.sources.dicom.quick_header import is_dicom, modality_of
from unimedi.cohort.sources.nifti_header import is_picture
from unimedi.cohort.study import Mask, Modality, Split, Study
from unimedi.errors import InputError
from unimedi.files.inside import inside
from unimedi.files.text_file import TextError, read_text

VOLUMES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TEXTS = (".txt", ".rtf", ".html", ".htm")  # what a report may be


class SourceError(InputError):
    """The folder or its table cannot be read as a cohort at all."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a table's row that gave no study, and why (``no report``, ``empty report``, ``no image``, ...)."""

    what: str
    reason: str


@dataclass(slots=True)
class SourceCohort:
    """The studies found under ``root``, and what was left out.

    ``told`` are files that were taken in a way that a person should look at; ``notes`` are sentences about the whole;
    ``unnamed`` the ids of studies that were added without a patient.
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
    ) -> None:
        """Add a study, or note why it is none. ``report`` is the text, or the file that holds it; None where the
        collection has none, which a study with a known label or a mask may do without.

        Without ids the study is named by its path, and so is the patient, until ``name_patients`` knows better. What
        lies outside the root, by ``..`` or by a link, is left out unread: a manifest may not list it.
        """
        if not inside(image, self.root):
            return self.skip(what, "image outside the root")
        if isinstance(report, Path) and not inside(report, self.root):
            return self.skip(what, "report outside the root")
        try:
            text = read_text(report) if isinstance(report, Path) and report.is_file() else report
        except TextError as error:
            return self.skip(what, f"report: {error.reason}")
        parts = image.relative_to(self.root).parts
        name = study_id or "_".join((*parts[:-1], stem(parts[-1])))
        if not study_id and name in self.ids:
            name = "_".join(parts)  # a.png beside a.dcm
        measures = bool(masks) or any(value is not None for value in (labels or {}).values())
        if not isinstance(text, str) and (report is not None or not measures):
            return self.skip(what, "no report")
        text = given(text.strip()) if isinstance(text, str) else ""
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
            Study(name, patient_id or name, modality, image, written, split, labels or {}, masks or {}, series)
        )
        return None

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
    """Nothing under the root is a study. ``cohort`` has what was left out; ``written`` is where all of it stands."""

    def __init__(self, cohort: SourceCohort, written: Path | None = None) -> None:
        self.cohort = cohort
        said = [cohort.complaint() or "it holds no images, and no other files either", *cohort.notes]
        said += [f"all of them: {written}"] if written and cohort.skipped else []
        super().__init__(f"no study under {cohort.root}: " + "\n".join(said))


def kinds(names: Iterable[str]) -> str:
    """How many files there are of which kind, as ``12 .png, 3 .docx``; of the five most frequent."""
    counts = Counter(suffix(name) or "without a suffix" for name in names).most_common(5)
    return ", ".join(f"{count} {kind}" for kind, count in counts)


def suffix(name: str) -> str:
    """The suffix in lower case, ``.nii.gz`` as one."""
    return ".nii.gz" if name.lower().endswith(".nii.gz") else Path(name).suffix.lower()


def stem(name: str) -> str:
    """The name without a suffix that we know; a folder's dots stay."""
    known = suffix(name) in (*VOLUMES, *PICTURES, ".dcm", ".dicom", *TEXTS)
    return name[: -len(suffix(name))] if known else name


def given_modality(name: str | None) -> Modality | None:
    """The modality that an option or a column names; None for none. Raises ``SourceError`` for an unknown one."""
    try:
        return read_modality(name) if name else None
    except ValueError as error:
        raise SourceError(str(error)) from None


def guess_modality(file: Path, given: Modality | None) -> Modality | None:
    """What a DICOM header states; else what was given; else CT for volumes, DX for pictures and NIfTI of one plane."""
    kind = suffix(file.name)
    if kind in VOLUMES:
        return given or (Modality.DX if is_picture(file) else Modality.CT)
    if kind in PICTURES:
        return given or Modality.DX
    return (modality_of(file) if is_dicom(file) else None) or given
