"""``unimedi index``, ``search``, ``forget``: an archive; ``search-eval``: does search find the right studies?"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from unimedi.cli.options import POSITIONAL, Argument, Devices, NameOrFile, Root
from unimedi.ranges import Range, at_least

if TYPE_CHECKING:
    from unimedi.representation.embedder import Embedder

Several = Annotated[list[str], Argument(repeated=True)]


@dataclass(frozen=True)
class Index:
    """Embed the studies of a cohort, a store or a folder, and add them to an archive that can be searched. Resumes."""

    studies: Annotated[Path, POSITIONAL]
    """a manifest, a store, or a folder of images"""
    model: Path
    """a run or a pretrained folder"""
    out: str
    """the archive: a folder, or s3://BUCKET/NAME"""
    cohort: Path | None = None
    """of a store: its manifest, which knows dates and where the images lie"""
    root: Root = None
    """where the manifest's paths begin (default: its own folder)"""
    batch_size: Annotated[int, at_least(1)] = 16
    """images at a time"""
    devices: Devices = None
    """GPUs, or copies on the CPU (default: all GPUs)"""

    def run(self) -> None:
        from unimedi.archive.indexing import index, skipped_file
        from unimedi.archive.printing import as_recall

        done = index(self.studies, self.model, self.out, self.cohort, self.root, self.batch_size, self.devices)
        parts = [f"{done.added} added", f"{done.replaced} replaced", f"{done.kept} as they were"]
        print(f"{done.listed} studies listed: {', '.join(parts)}; the archive: {self.out}")
        if done.recall:
            print(as_recall(done.recall))
        if done.undated:
            print(f"{done.undated} have no date: --since and --until leave them out", file=sys.stderr)
        if done.left_out.skipped:
            print(done.left_out.complaint(), file=sys.stderr)
            if "://" not in self.out:
                print(f"all of them: {skipped_file(Path(self.out))}", file=sys.stderr)


@dataclass(frozen=True)
class Search:
    """Search an archive by words, by an image or by a study; X-rays, CTs and reports are compared in one space."""

    archive: Annotated[str, POSITIONAL]
    """what unimedi index made"""
    words: Annotated[str | None, POSITIONAL] = None
    """free text: right lower lobe consolidation"""
    model: Path | None = None
    """a run or a pretrained folder, to compare words and files with vectors"""
    like: Annotated[list[str], Argument(repeated=True, metavar="FILE|STUDY")] = field(default_factory=list)
    """an image, or a study of the archive; may be repeated"""
    and_text: Annotated[list[str], Argument(repeated=True, metavar="TEXT")] = field(default_factory=list)
    """more words; may be repeated"""
    not_like: Annotated[list[str], Argument(repeated=True, metavar="FILE|STUDY")] = field(default_factory=list)
    """what hits should be less like; may be repeated"""
    by: Literal["image", "report", "vector", "text", "both"] = "both"
    """compare with vectors of images, of reports, of either; with words of reports; or all of these"""
    modality: Several = field(default_factory=list)
    """CT, DX ...; may be repeated"""
    since: str | None = None
    """the first day, 2024-01-31"""
    until: str | None = None
    """the last day"""
    finding: Several = field(default_factory=list)
    """labelled as present; of several all"""
    split: Several = field(default_factory=list)
    """train, validation, test; may be repeated"""
    patient: Several = field(default_factory=list)
    """an id; may be repeated"""
    k: Annotated[int, Range(1, 10_000)] = 10
    """how many hits"""
    format: Literal["table", "json", "csv"] = "table"
    """how they are printed"""

    def run(self) -> None:
        import functools
        import shutil

        from unimedi.archive.archive import Archive
        from unimedi.archive.asking import ask, file_or_study
        from unimedi.archive.filters import Filter
        from unimedi.archive.printing import as_csv, as_json, as_table
        from unimedi.archive.query import CHOICES
        from unimedi.cohort.cell_values import read_date

        archive, since, until = Archive(self.archive), read_date(self.since or ""), read_date(self.until or "")
        load = functools.cache(self._load) if self.model else None
        asked = ask(
            archive, load, file_or_study(archive, load), self.words or "", self.like, self.and_text, self.not_like,
            CHOICES[self.by],
        )  # fmt: skip
        allowed = Filter(
            tuple(self.modality), tuple(self.split), tuple(self.patient), tuple(self.finding), since, until,
            asked.patients,
        )  # fmt: skip
        for note in asked.notes:
            print(note, file=sys.stderr)
        hits = archive.search(asked.query, allowed, self.k)
        if self.format == "table":
            width = shutil.get_terminal_size((160, 0)).columns
            print(as_table(hits, asked.query.text, width))
        else:
            print(as_json(hits) if self.format == "json" else as_csv(hits))

    def _load(self) -> "Embedder":
        from unimedi.representation.embedder import Embedder

        assert self.model is not None
        return Embedder.from_pretrained(self.model)


@dataclass(frozen=True)
class Forget:
    """Remove a patient, or a study, from every byte of an archive; an error where anything is left."""

    archive: Annotated[str, POSITIONAL]
    """what unimedi index made"""
    patient: str = ""
    """an id"""
    study: str = ""
    """an id"""

    def run(self) -> None:
        from unimedi.archive.archive import Archive

        done = Archive(self.archive).forget(self.patient, self.study)
        print(f"studies removed from {self.archive}: {done.studies}")
        print(
            f"{done.looked_for} traces (ids, paths, pieces of reports, vectors) looked for in every byte: none is left"
        )
        for count, why in (
            (done.shared, "are also those of studies that stay"),
            (done.unseen, "were not seen before either"),
        ):
            if count:
                print(f"{count} more {why}, and prove nothing", file=sys.stderr)


@dataclass(frozen=True)
class SearchEval:
    """Measure whether search finds the studies that are labelled with a finding, by vectors, full text and both."""

    archive: Annotated[str, POSITIONAL]
    """what unimedi index made"""
    model: Path
    """the run or pretrained folder that it was indexed with"""
    split: Literal["train", "validation", "test", "all"] = "test"
    """whose studies are to be found"""
    prompts: NameOrFile = None
    """the sentences that are searched (default: shipped ones in the model's language)"""
    out: Path | None = None
    """the figures, .json"""

    def run(self) -> None:
        from unimedi.archive.search_eval import as_tables, search_eval
        from unimedi.evaluation.zero_shot.prompts import find_prompts
        from unimedi.files.destination import file_to_write

        if self.out:
            file_to_write(self.out, (".json",))
        prompts = find_prompts(self.prompts) if self.prompts else None
        found = search_eval(self.archive, self.model, "" if self.split == "all" else self.split, prompts)
        print(as_tables(found))
        if self.out:
            found.write(self.out)
