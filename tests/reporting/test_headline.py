"""The table at the head of the report judges what it should, and nothing on too few patients."""

import math

import pytest

from unimedi.metrics.bootstrap import Estimate
from unimedi.reporting.headline import JUDGED_FROM, as_text, headline


def verdict(figures: dict[str, Estimate], name: str, patients: int = JUDGED_FROM) -> str:
    return next(row.verdict for row in headline(figures, patients, phantom=True) if name in row.name)


def test_targets_are_reached_missed_or_not_judged() -> None:
    figures = {
        "zero_shot/xray/auroc": Estimate(0.75, 0.7, 0.8, 400),
        "zero_shot/ct/auroc": Estimate(0.71, 0.6, 0.8, 400),
    }
    assert verdict(figures, "AUROC, X-ray") == "reached"
    assert verdict(figures, "AUROC, CT") == "missed"
    assert verdict(figures, "AUROC, CT", patients=JUDGED_FROM - 1) == ""


def test_the_phantoms_targets_do_not_judge_another_cohort() -> None:
    figures = {"zero_shot/ct/auroc": Estimate(0.99, 0.98, 1.0, 400), "training/l_icl_last": Estimate(2.0, 1.0, 3.0)}
    for row in headline(figures, JUDGED_FROM, phantom=False):
        assert (row.target, row.verdict) == ("", "")
    assert as_text(headline(figures, JUDGED_FROM, phantom=False)).splitlines()[0].endswith("0.990  0.980 to 1.000")


@pytest.mark.parametrize(
    ("value", "low", "expected"), [(0.08, 0.02, "reached"), (0.08, -0.01, "missed"), (0.04, 0.02, "missed")]
)
def test_a_gain_must_be_large_and_outside_its_interval(value: float, low: float, expected: str) -> None:
    figures = {"linear_probe/ct/10%/minus_random_init/auroc": Estimate(value, low, 0.2, 100)}
    assert verdict(figures, "gain over random init at 10%, CT") == expected


def test_selection_must_beat_random_centre_and_prior() -> None:
    def figures(times: float, centre: float, prior: float) -> dict[str, Estimate]:
        key = "slice_selection/attentive"
        return {
            f"{key}/hit@1": Estimate(0.5, 0.4, 0.6, 100),
            f"{key}/enrichment@1": Estimate(times, n=100),
            f"{key}/minus_centre/hit@1": Estimate(0.2, centre, 0.4, 100),
            f"{key}/minus_prior/hit@1": Estimate(0.2, prior, 0.4, 100),
        }

    name = "slice selection, attentive"
    assert verdict(figures(2.6, 0.1, 0.1), name) == "reached"
    for lacking in (figures(2.4, 0.1, 0.1), figures(2.6, -0.1, 0.1), figures(2.6, 0.1, 0.0)):
        assert verdict(lacking, name) == "missed"


def test_method_at_work_needs_falling_losses_and_no_warning() -> None:
    def figures(icl: float, warnings: float) -> dict[str, Estimate]:
        return {
            "training/l_icl_first": Estimate(3.0),
            "training/l_icl_last": Estimate(icl),
            "training/warnings": Estimate(warnings),
        }

    assert verdict(figures(2.0, 0.0), "method at work") == "reached"
    assert verdict(figures(3.5, 0.0), "method at work") == "missed"
    assert verdict(figures(2.0, 1.0), "method at work") == "missed"


def test_terminal_table_shows_every_row_in_line() -> None:
    figures = {"zero_shot/ct/auroc": Estimate(0.71, 0.6, 0.8, 400), "supervised/ct/auroc": Estimate(0.9)}
    first, second = as_text(headline(figures, JUDGED_FROM, phantom=True)).splitlines()
    assert first.endswith("0.710  0.600 to 0.800   ≥ 0.72: missed")
    assert second.startswith("  same encoder")
    assert first.index("0.710") == second.index("0.900")


def test_printed_values_have_no_minus_zero_and_no_nan() -> None:
    ours = {"zero_shot/ct/auroc": Estimate(-0.0001, -0.2, 0.2, 9), "space/modality_probe": Estimate(math.nan)}
    assert [(row.value, row.interval) for row in headline(ours, 0, phantom=True)] == [
        ("0.000", "-0.200 to 0.200"),
        ("not defined", ""),
    ]
