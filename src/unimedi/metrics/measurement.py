"""A measurement is a record: what was measured, of what, by which method; its value, interval and number of studies.

A file of them (``metrics.json``) has one row a measurement, under a flat key that is made here and parsed nowhere:
every row carries its fields.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from unimedi.errors import InputError, MissingError
from unimedi.files.atomic import write_json
from unimedi.metrics.bootstrap import Estimate, average_estimates

NUMBERS = tuple(one.name for one in fields(Estimate))


@dataclass(frozen=True, slots=True)
class Measurement(Estimate):
    """An estimate with its name, in fields. '' (of ``share``: None) where a field does not apply.

    Attributes:
        task: what the model was asked to do: ``zero_shot``, ``retrieval``, ``linear_probe``, ``slice_selection`` …
        modality: ``xray`` or ``ct``; of tasks across both the direction, ``xray_to_ct`` or ``ct_to_xray``.
        variant: how the task was put, where there are several ways: ``image_to_report``, ``5x200``, a decoder …
        method: what was measured: '' is the model itself; else a reference or one of several methods.
        share: of the training labels that were used, above 0 and up to 1.
        minus: the method that was subtracted; the value is then a paired difference.
        metric: what the value is: ``auroc``, ``r@10``, ``dice_positive`` …
        finding: the label that it is of; '' is the mean over all.
        size: the band of lesion sizes that it is of.
    """

    task: str = field(default="", kw_only=True)
    modality: str = field(default="", kw_only=True)
    variant: str = field(default="", kw_only=True)
    method: str = field(default="", kw_only=True)
    share: float | None = field(default=None, kw_only=True)
    minus: str = field(default="", kw_only=True)
    metric: str = field(default="", kw_only=True)
    finding: str = field(default="", kw_only=True)
    size: str = field(default="", kw_only=True)

    @property
    def name(self) -> dict[str, Any]:
        """The fields that apply."""
        values = {name: getattr(self, name) for name in NAMES}
        return {name: value for name, value in values.items() if value not in ("", None)}

    @property
    def key(self) -> str:
        """The fields that apply, in their order, joined by ``/``: ``linear_probe/ct/10%/minus_pca/auroc``."""
        words = {"share": percent, "minus": "minus_{}".format}
        return "/".join(words.get(name, str)(value) for name, value in self.name.items())

    def to_json(self) -> dict[str, Any]:
        """The fields that apply, then ``value``, ``low``, ``high`` and ``n``."""
        return self.name | Estimate.to_json(self)


NAMES = tuple(one.name for one in fields(Measurement) if one.name not in NUMBERS)


def named(estimate: Estimate, **name: Any) -> Measurement:
    """The estimate as a measurement of that name; of a measurement the given fields are replaced.

    Example:
        ``named(mean_estimate(hits, bootstrap), task="retrieval", modality="ct", metric="r@10")``
    """
    if isinstance(estimate, Measurement):
        return replace(estimate, **name)
    return Measurement(estimate.value, estimate.low, estimate.high, estimate.n, estimate.resampled, **name)


class Measurements(Mapping[str, Measurement]):
    """Measurements in the order in which they were made, each once. As a mapping: flat key → measurement."""

    def __init__(self, rows: Iterable[Measurement] = ()) -> None:
        """Raises InputError where two have the same key."""
        self._rows: dict[str, Measurement] = {}
        for row in rows:
            if self._rows.setdefault(row.key, row) is not row:
                raise InputError(f"expected each measurement once, got {row.key} twice")

    def __getitem__(self, key: str) -> Measurement:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __or__(self, others: "Measurements") -> "Measurements":
        """These, then the others. Raises InputError where two have the same key."""
        return Measurements([*self.values(), *others.values()])

    def select(self, **name: Any) -> "Measurements":
        """Those with these fields, whatever the others are."""
        return Measurements(row for row in self.values() if all(getattr(row, k) == v for k, v in name.items()))

    def one(self, **name: Any) -> Measurement | None:
        """The one of exactly this name: fields that are not given do not apply. None where there is none.

        Example:
            ``one(task="zero_shot", modality="ct", metric="auroc")`` is the mean over findings, not one of them.
        """
        wanted = named(Estimate(math.nan), **name)
        found = self._rows.get(wanted.key)
        return found if found is not None and found.name == wanted.name else None

    def named(self, **name: Any) -> "Measurements":
        """All, with these fields replaced: a task names its metrics, its caller says of which modality."""
        return Measurements(named(row, **name) for row in self.values())

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Flat key → fields, value, low, high, n."""
        return {key: row.to_json() for key, row in self.items()}

    def write(self, path: Path) -> None:
        """Write :meth:`to_json`, whole or not at all."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> "Measurements":
        """Read what :meth:`write` wrote, without the resamples; null becomes NaN again.

        Raises:
            MissingError: there is no such file.
            InputError: it holds something else, or rows without fields, as older versions wrote them.
        """
        if not path.is_file():
            raise MissingError(f"expected {path}, which unimedi evaluate writes; evaluate that run first")
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), str(path))
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: expected measurements, as unimedi evaluate writes them") from error

    @classmethod
    def from_json(cls, raw: Mapping[str, Mapping[str, Any]], where: str) -> "Measurements":
        """The measurements of a JSON object; ``where`` it comes from is named in the error."""
        rows = []
        for key, row in raw.items():
            if "metric" not in row:
                raise InputError(f"{where}: {key} is not in fields, as older versions wrote it; evaluate the run again")
            value, low, high = (
                math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high")
            )
            rows.append(Measurement(value, low, high, int(row["n"]), **{k: row[k] for k in NAMES if k in row}))
        return cls(rows)


def with_findings(metric: str, mean: Estimate, by_finding: Mapping[str, Estimate]) -> Measurements:
    """A metric's mean over findings, then that of each finding."""
    each = [named(estimate, metric=metric, finding=finding) for finding, estimate in by_finding.items()]
    return Measurements([named(mean, metric=metric), *each])


def mean_over_seeds(runs: Sequence[Measurements]) -> Measurements:
    """The mean of every measurement over the seeds of one experiment, all of the same names."""
    return Measurements(
        named(average_estimates([run[key] for run in runs]), **row.name) for key, row in runs[0].items()
    )


def percent(share: float) -> str:
    """0.01 as ``1%``."""
    return f"{share * 100:g}%"
