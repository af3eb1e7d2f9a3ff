"""``unimedi cohort``: a manifest of what lies on disk or in a PACS; ``unimedi translate``: of its reports."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from unimedi.cli.options import POSITIONAL, Argument, Root
from unimedi.cohort.sources.collections.catalogue import COLLECTIONS, Collection
from unimedi.ranges import POSITIVE, SEED

if TYPE_CHECKING:
    from unimedi.cohort.sources.source_cohort import SourceCohort

ABOUT: Final = "The manifest of your own files, or of a public collection"
Columns = Annotated[list[str], Argument(metavar="OURS=THEIRS", repeated=True)]


@dataclass(frozen=True)
class FromPhantom:
    """The manifest of a phantom hospital."""

    root: Annotated[Path, POSITIONAL]
    """the hospital's folder"""
    out: Path
    """the manifest, .csv or .parquet"""

    def run(self) -> None:
        from unimedi.cohort.manifest import write_manifest
        from unimedi.cohort.sources.phantom import phantom_cohort

        _check_out(self.out)
        write_manifest(phantom_cohort(self.root), self.out)


@dataclass(frozen=True)
class FromFolder:
    """The manifest of your own files: images with a text beside them, or a table that names both."""

    root: Annotated[Path, POSITIONAL]
    """the folder of the images"""
    out: Path
    """the manifest, .csv or .parquet"""
    modality: str | None = None
    """of images that do not say: DX, CR or CT"""
    table: Path | None = None
    """CSV, Excel or Parquet with a row a study, image paths relative to ROOT"""
    column: Columns = field(default_factory=list)
    """the table's own names"""
    seed: Annotated[int, SEED] = 0
    """of the split, where the table has none"""

    def run(self) -> None:
        from unimedi.cohort.column_names import given_names
        from unimedi.cohort.sources.own_files.folder import scan_folder

        _check_out(self.out, self.table)
        columns = given_names(self.column)
        _write(lambda: scan_folder(self.root, self.modality, self.table, columns, seed=self.seed), self.out)


@dataclass(frozen=True)
class FromDicomTree:
    """The manifest of any tree of DICOM files, grouped by study and series, with a table of reports."""

    root: Annotated[Path, POSITIONAL]
    """the folder of the tree"""
    out: Path
    """the manifest, .csv or .parquet"""
    table: Path | None = None
    """CSV, Excel or Parquet with a row an examination: key, report, label:<finding>"""
    column: Columns = field(default_factory=list)
    """the table's own key and report"""

    def run(self) -> None:
        from unimedi.cohort.column_names import given_names
        from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree

        _check_out(self.out, self.table)
        columns = given_names(self.column)
        _write(lambda: dicom_tree(self.root, self.table, columns), self.out)


@dataclass(frozen=True)
class FromDicomweb:
    """Pull studies from a PACS into the manifest's folder, and list them. Resumes."""

    url: Annotated[str, POSITIONAL]
    """of the DICOMweb service; a token in UNIMEDI_DICOMWEB_TOKEN, a password in ~/.netrc"""
    out: Path
    """the manifest, in the folder that the files go to"""
    query: Annotated[list[str], Argument(metavar="ATTRIBUTE=VALUE", repeated=True)] = field(default_factory=list)
    """StudyDate=20240101-20240131"""
    table: Path | None = None
    """CSV, Excel or Parquet with a row an examination: key, report, label:<finding>"""
    column: Columns = field(default_factory=list)
    """the table's own key and report"""
    per_second: Annotated[float, POSITIVE] = 5.0
    """requests at most"""

    def run(self) -> None:
        from unimedi.cohort.column_names import given_names
        from unimedi.cohort.sources.dicom.dicomweb import pull
        from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree

        _check_out(self.out, self.table)
        folder = self.out.parent
        query = given_names(self.query, "--query", "ATTRIBUTE=VALUE")
        columns = given_names(self.column)
        done = pull(self.url, folder, query, self.per_second, lambda text: print(text, file=sys.stderr))
        print(f"{done.series} series in {folder}, {done.kept} of them from before")

        def listed() -> "SourceCohort":
            found = dicom_tree(folder, self.table, columns)
            found.skipped += done.skipped
            return found

        _write(listed, self.out)


@dataclass(frozen=True)
class FromCollection:
    """The manifest of a public collection as it was unpacked."""

    root: Annotated[Path, POSITIONAL]
    """the folder that it was unpacked into"""
    out: Path
    """the manifest, .csv or .parquet"""


def _of(collection: Collection) -> type:
    """The options of one collection; the class says which."""

    def run(self: FromCollection) -> None:
        from unimedi.cohort.sources.collections.catalogue import read_collection

        _check_out(self.out)
        _write(lambda: read_collection(collection.name, self.root), self.out)

    kind = make_dataclass(collection.name, (), bases=(FromCollection,), frozen=True, namespace={"run": run})
    kind.__doc__ = collection.about
    return kind


SOURCES: Final[dict[str, type]] = {
    "phantom": FromPhantom,
    "folder": FromFolder,
    "dicom-tree": FromDicomTree,
    "dicomweb": FromDicomweb,
    **{collection.name: _of(collection) for collection in COLLECTIONS},
}


@dataclass(frozen=True)
class Translate:
    """Fill in a translation of a manifest's reports, which trains in their place. Resumes."""

    cohort: Annotated[Path, POSITIONAL]
    """the manifest"""
    model: Path
    """a folder of a translation model for transformers"""
    out: Path
    """the manifest with translations, beside the files as before"""
    language: str = "es"
    """of the reports to be translated"""
    root: Root = None
    """where its paths begin (default: its own folder)"""

    def run(self) -> None:
        from unimedi.files.lock import alone_at

        with alone_at(self.out):
            self._translate()

    def _translate(self) -> None:
        from unimedi.cohort.manifest import read_manifest, write_manifest
        from unimedi.cohort.reports.translation import translate_reports
        from unimedi.files.destination import MANIFESTS, file_to_write
        from unimedi.inputs.translate import ModelTranslator

        file_to_write(self.out, MANIFESTS, beside=(".translations.jsonl",))
        studies, translator = read_manifest(self.cohort, self.root), ModelTranslator(self.model)
        cache = self.out.with_suffix(".translations.jsonl")
        done = list(translate_reports(studies, self.language, translator, translator.name, cache))
        write_manifest(done, self.out, self.root)
        asked = [study for study in done if study.report.text and study.report.language == self.language]
        without = [study.study_id for study in asked if not study.report.translation]
        print(f"{len(asked) - len(without)} of {len(asked)} reports in {self.language!r} translated in {self.out}")
        if without:
            print(f"the model gave nothing for a sentence of {', '.join(without[:20])}", file=sys.stderr)


def _check_out(out: Path, table: Path | None = None) -> None:
    """The manifest and the list of what was left out can be written, and not over the table that is read."""
    from unimedi.files.destination import MANIFESTS, file_to_write

    file_to_write(out, MANIFESTS, (".skipped.csv",), (table,))


def _write(find: "Callable[[], SourceCohort]", out: Path) -> None:
    """The manifest of what ``find`` finds, and beside it, always, what was left out; the paths are relative to it, or
    to the root where it is not above the files."""
    from unimedi.cohort.manifest import write_manifest
    from unimedi.cohort.sources.source_cohort import NoStudyError
    from unimedi.cohort.sources.summary import summary, write_skipped

    skipped = out.with_suffix(".skipped.csv")
    try:
        found = find()
        if not found.studies:
            raise NoStudyError(found)
    except NoStudyError as error:
        write_skipped(error.cohort, skipped)
        raise NoStudyError(error.cohort, skipped) from None
    # By name, as paths are written, and with links followed, as they are read.
    named, real = ([follow(found.root), follow(out.parent)] for follow in (os.path.abspath, os.path.realpath))
    above = all(Path(root).is_relative_to(folder) for root, folder in (named, real))
    write_manifest(found.studies, out, None if above else found.root)
    write_skipped(found, skipped)
    print(f"{summary(found)}\n{len(found.studies)} studies in {out}")
    if found.skipped or found.told:
        print(f"{found.complaint()}\nall of them, and what to look at: {skipped}".strip(), file=sys.stderr)
    if not above:
        print(f"its paths begin in {found.root}: unimedi prepare {out} --root {found.root} --out STORE --config RECIPE")
