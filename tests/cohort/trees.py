"""Small trees of files as collections are unpacked, and what must hold of any cohort read from one."""

import gzip
import importlib.metadata
from collections import Counter
from pathlib import Path

import pytest

from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.split import check_splits
from unimedi.cohort.study import Split


def put(path: Path, text: str = "image") -> Path:
    """A file with this text, packed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")
    return path


def reasons(cohort: SourceCohort) -> Counter[str]:
    return Counter(skipped.reason for skipped in cohort.skipped)


def shipped(name: str) -> Path:
    """A table of the real collection, which torchxrayvision ships."""
    try:
        files = importlib.metadata.files("torchxrayvision") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package torchxrayvision, which ships real tables, is not installed")
    return next(Path(str(f.locate())) for f in files if f.name == name)


def sound(cohort: SourceCohort, listed: int) -> dict[str, Split]:
    """Split by study id. Counts add up, patients are in one split, and the manifest keeps every study as it is."""
    assert len(cohort.studies) + len(cohort.skipped) == listed, cohort.complaint(99)
    check_splits(cohort.studies)
    write_manifest(cohort.studies, cohort.root / "cohort.csv")
    assert [vars_of(s) for s in read_manifest(cohort.root / "cohort.csv")] == [vars_of(s) for s in cohort.studies]
    return {study.study_id: study.split for study in cohort.studies}


def vars_of(study: object) -> dict[str, object]:
    fields = {name: getattr(study, name) for name in type(study).__slots__}  # type: ignore[attr-defined]
    return fields | {"labels": {name: value for name, value in fields["labels"].items() if value is not None}}
