"""What is in an archive, counted."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from unimedi.archive.study import parted


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """What is in an archive; ``findings`` counts studies that are labelled with each as present."""

    studies: int
    patients: int
    reports: int
    modalities: dict[str, int]
    splits: dict[str, int]
    findings: dict[str, int]
    model: str
    languages: tuple[str, ...]
    dim: int
    version: int
    exact: bool


def counts(columns: pa.Table, name: str) -> dict[str, int]:
    """How often each value of a column is there, the commonest first; each finding of a study counts."""
    values = columns[name].to_pylist()
    if name == "findings":
        values = [finding for findings in values for finding in parted(findings)]
    return dict(Counter(values).most_common())
