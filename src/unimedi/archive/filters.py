"""Which studies a search may give: typed values, never text that is pasted into a predicate."""

from dataclasses import dataclass, fields
from datetime import date
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool
from lancedb.expr import col, lit
from numpy import ndarray

from unimedi.archive.study import SEPARATOR
from unimedi.errors import InputError


@dataclass(frozen=True, slots=True)
class Filter:
    """Every condition that is given has to hold; () and None do not restrict.

    Attributes:
        modality, split, patient: one of these.
        finding: all of these are labelled as present.
        since, until: of the examination, both included; studies without a date are left out then.
        not_patient: none of these.
    """

    modality: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    patient: tuple[str, ...] = ()
    finding: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    not_patient: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since and self.until and self.since > self.until:
            raise InputError(f"expected dates since … until, got {self.since} after {self.until}")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def mask(self, columns: pa.Table) -> Bool[ndarray, "rows"]:
        """Which rows of the columns obey."""
        found = [pc.is_in(columns[name], pa.array(values, pa.string())) for name, values in self._one_of() if values]
        found += [pc.match_substring(columns["findings"], _between(name)) for name in self.finding]
        found += [pc.greater_equal(columns["date"], pa.scalar(self.since))] if self.since else []
        found += [pc.less_equal(columns["date"], pa.scalar(self.until))] if self.until else []
        if self.not_patient:
            found.append(pc.invert(pc.is_in(columns["patient_id"], pa.array(self.not_patient, pa.string()))))
        whole = np.ones(len(columns), dtype=bool)
        return reduce(and_, (pc.fill_null(one, False).to_numpy() for one in found), whole)

    def expression(self) -> Any:
        """The same for LanceDB, or None where nothing is asked; a builder does the quoting."""
        found = [col(name).isin(list(values)) for name, values in self._one_of() if values]
        found += [col("findings").contains(_between(name)) for name in self.finding]
        found += [col("date") >= lit(self.since)] if self.since else []
        found += [col("date") <= lit(self.until)] if self.until else []
        found += [~col("patient_id").isin(list(self.not_patient))] if self.not_patient else []
        return reduce(and_, found) if found else None

    def _one_of(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return ("modality", self.modality), ("split", self.split), ("patient_id", self.patient)


def _between(finding: str) -> str:
    return f"{SEPARATOR}{finding}{SEPARATOR}"
