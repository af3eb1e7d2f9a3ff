"""``unimedi prepare``: from a manifest to the store; ``unimedi doctor``: what is wrong in either."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unimedi.cli.options import POSITIONAL, Argument, Root
from unimedi.ranges import POSITIVE, SHARE, at_least


@dataclass(frozen=True)
class Prepare:
    """Read every study of a manifest once and write the store that training reads. Resumes.

    Any value of the recipe is an option as well: --preprocess.hires_shape [32,64,64].
    """

    cohort: Annotated[Path, POSITIONAL]
    """the manifest"""
    out: Path
    """the store"""
    config: Annotated[str, Argument(metavar="NAME|FILE")]
    """the recipe that will train on it: tiny, small ..., or a file"""
    root: Root = None
    """where its paths begin (default: its own folder)"""
    workers: Annotated[int | None, at_least(0)] = None
    """processes (default: one a core; 0: none, and no limits)"""
    scheduler: str | None = None
    """tcp://... of a running Dask scheduler"""
    seconds: Annotated[float, POSITIVE] = 300.0
    """that one file may take"""
    memory: Annotated[int, at_least(1), Argument(metavar="MIB")] = 2048
    """that one file may take"""
    strict: Annotated[float | None, SHARE, Argument(metavar="SHARE")] = None
    """no store if more of the studies are refused, 0 to 1"""

    def run(self, settings: list[str]) -> None:
        from unimedi.cohort.manifest import read_manifest
        from unimedi.cohort.patient_id import id_notes
        from unimedi.files.destination import folder_to_write
        from unimedi.inputs.prepare import prepare
        from unimedi.inputs.sandbox import Limits
        from unimedi.pretraining.recipe_file import load_recipe

        recipe = load_recipe(self.config, settings)
        studies = read_manifest(self.cohort, self.root)
        for note in id_notes([study.patient_id for study in studies]):
            print(note, file=sys.stderr)
        folder_to_write(self.out)
        done = prepare(
            studies, self.out, recipe.preprocess, self.workers, Limits(self.seconds, self.memory << 20),
            self.scheduler, strict=self.strict, text_length=recipe.model.text_length,
        )  # fmt: skip
        print(f"{done.taken} of {done.listed} studies in {self.out}, {done.seconds:.0f} s")
        for what, counts, name in (("refused", done.refused, "refused"), ("corrected", done.notes, "notes")):
            if counts:
                listed = ", ".join(f"{count} {reason}" for reason, count in counts.items())
                print(f"{what}: {listed}; each is named in {self.out / f'{name}.json'}", file=sys.stderr)
        for line in done.reports:
            print(line, file=sys.stderr)


@dataclass(frozen=True)
class Doctor:
    """Look at every study of a manifest or a store: a page of what is wrong, and what leaks. A leak is an error."""

    cohort: Annotated[Path, POSITIONAL]
    """a manifest, or the folder of a store"""
    root: Root = None
    """where its paths begin (default: its own folder)"""
    out: Path = Path("doctor.html")
    """the page; a .json beside it"""
    leakage: Annotated[Path | None, Argument(metavar="OTHER")] = None
    """another manifest or store that must share nothing"""
    workers: Annotated[int | None, at_least(0)] = None
    """processes (default: one a core; 0: none, and no limits)"""
    seconds: Annotated[float, POSITIVE] = 300.0
    """that one study may take"""
    memory: Annotated[int, at_least(1), Argument(metavar="MIB")] = 2048
    """that one study may take"""

    def run(self) -> None:
        from unimedi.doctor.page import doctor
        from unimedi.inputs.sandbox import Limits

        limits = Limits(self.seconds, self.memory << 20)
        found = doctor(self.cohort, self.out, self.root, self.leakage, self.workers, limits)
        print(f"{found['read']} of {found['listed']} studies read, {found['corrupted']} look corrupted: {self.out}")
        for line in (*found["reports"]["said"], *found["outdated"]):
            print(line, file=sys.stderr)
