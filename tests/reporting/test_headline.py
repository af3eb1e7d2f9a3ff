"""The table at the head of the report judges what it should, and nothing on too few patients."""

import math
from typing import Any

import pytest

from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting.headline import JUDGED_FROM, as_text, headline

XRAY: Any = {"task": "zero_shot", "modality": "xray", "metric": "auroc"}
CT: Any = {"task": "zero_shot", "modality": "ct", "metric": "auroc"}


def verdict(rows: list[Measurement], name: str, patients: int = JUDGED_FROM) -> str:
    found = headline(Measurements(rows), patients, phantom=True)
    return next(row.verdict for row in found if name in row.name)


def test_targets_are_reached_missed_or_not_judged() -> None:
    rows = [Measurement(0.75, 0.7, 0.8, 400, **XRAY), Measurement(0.71, 0.6, 0.8, 400, **CT)]
    assert verdict(rows, "AUROC, X-ray") == "reached"
    assert verdict(rows, "AUROC, CT") == "missed"
    assert verdict(rows, "AUROC, CT", patients=JUDGED_FROM - 1) == ""


def test_the_phantoms_targets_do_not_judge_another_cohort() -> None:
    rows = [
        Measurement(0.99, 0.98, 1.0, 400, **CT),
        Measurement(2.0, 1.0, 3.0, task="training", metric="l_icl_last"),
    ]
    shown = headline(Measurements(rows), JUDGED_FROM, phantom=False)
    assert [(row.target, row.verdict) for row in shown] == [("", "")] * 2
    assert as_text(shown).splitlines()[0].endswith("0.990  0.980 to 1.000")


@pytest.mark.parametrize(
    ("value", "low", "expected"), [(0.08, 0.02, "reached"), (0.08, -0.01, "missed"), (0.04, 0.02, "missed")]
)
def test_a_gain_must_be_large_and_outside_its_interval(value: float, low: float, expected: str) -> None:
    name: Any = {"task": "linear_probe", "modality": "ct", "share": 0.1, "minus": "random_init", "metric": "auroc"}
    assert verdict([Measurement(value, low, 0.2, 100, **name)], "gain over random init at 10%, CT") == expected


def test_selection_must_beat_random_centre_and_prior() -> None:
    def rows(random: float, centre: float, prior: float) -> list[Measurement]:
        attentive: Any = {"task": "slice_selection", "method": "attentive"}
        return [
            Measurement(0.5, 0.4, 0.6, 100, **attentive, metric="hit@1"),
            Measurement(0.2, random, 0.4, 100, **attentive, minus="random", metric="hit@1"),
            Measurement(0.2, centre, 0.4, 100, **attentive, minus="centre", metric="hit@1"),
            Measurement(0.2, prior, 0.4, 100, **attentive, minus="prior", metric="hit@1"),
        ]

    name = "slice selection, attentive"
    assert verdict(rows(0.1, 0.1, 0.1), name) == "reached"
    for lacking in (rows(-0.1, 0.1, 0.1), rows(0.1, -0.1, 0.1), rows(0.1, 0.1, 0.0)):
        assert verdict(lacking, name) == "missed"
    first, _, *others = rows(0.1, 0.1, 0.1)
    assert verdict([first, *others], name) == "missed"  # nothing to compare with
    assert verdict(rows(0.1, 0.1, 0.1)[:2], name) == "reached"  # no centre and no prior


def test_method_at_work_needs_falling_losses_and_no_warning() -> None:
    def rows(icl: float, warnings: float) -> list[Measurement]:
        found = {"l_icl_first": 3.0, "l_icl_last": icl, "warnings": warnings}
        return [Measurement(value, task="training", metric=metric) for metric, value in found.items()]

    assert verdict(rows(2.0, 0.0), "training works") == "reached"
    assert verdict(rows(3.5, 0.0), "training works") == "missed"
    assert verdict(rows(2.0, 1.0), "training works") == "missed"


def test_terminal_table_shows_every_row_in_line() -> None:
    rows = [
        Measurement(0.71, 0.6, 0.8, 400, **CT),
        Measurement(0.9, task="supervised", modality="ct", metric="auroc"),
    ]
    first, second = as_text(headline(Measurements(rows), JUDGED_FROM, phantom=True)).splitlines()
    assert first.endswith("0.710  0.600 to 0.800   ≥ 0.72: missed")
    assert second.startswith("  same encoder")
    assert first.index("0.710") == second.index("0.900")


def test_printed_values_have_no_minus_zero_and_no_nan() -> None:
    rows = [Measurement(-0.0001, -0.2, 0.2, 9, **CT), Measurement(math.nan, task="space", metric="modality_probe")]
    assert [(row.value, row.interval) for row in headline(Measurements(rows), 0, phantom=True)] == [
        ("0.000", "-0.200 to 0.200"),
        ("not defined", ""),
    ]
