"""Named warnings as functions of the log."""

import math
from typing import Any

import pytest

from unimedi.pretraining.monitors import NAN_PATIENCE, STUCK_AFTER, WINDOW, skipped_in_a_row, warnings_of

K = 64
HEALTHY = {
    "l_vl": 2.0,
    "ln_batch": math.log(64),
    "effective_rank": 20.0,
    "xray/teacher_entropy": 3.0,
    "ct/teacher_entropy": 3.0,
    "xray/prototype_use": 30.0,
    "ct/prototype_use": 12.0,
}


def records(count: int = 2 * WINDOW, first: int = STUCK_AFTER, **changes: float) -> list[dict[str, Any]]:
    return [
        {"step": first + n, **HEALTHY, **{k.replace("__", "/"): v for k, v in changes.items()}} for n in range(count)
    ]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [warning.name for warning in warnings_of(found, K)]


def test_a_healthy_run_is_left_alone() -> None:
    assert names(records()) == []
    assert names([]) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"effective_rank": 1.2}, "collapse/effective_rank"),
        ({"ct__teacher_entropy": 0.1}, "ct/collapse/teacher_entropy"),
        ({"xray__prototype_use": 1.1}, "xray/collapse/prototype_use"),
        ({"l_vl": math.log(64)}, "stuck/l_vl"),
    ],
)
def test_each_illness_has_its_name(change: dict[str, float], name: str) -> None:
    assert names(records(**change)) == [name]


def test_the_sentence_has_the_figures() -> None:
    (warning,) = warnings_of(records(effective_rank=1.2), K)
    assert "effective_rank 1.2 over 20 steps, expected 2 or more" in warning.message


def test_ln_batch_is_no_illness_at_the_start() -> None:
    assert names(records(first=0, l_vl=math.log(64))) == []


def test_one_bad_batch_is_no_illness() -> None:
    assert names([*records(), *records(1, effective_rank=1.0)]) == []
    assert names(records(WINDOW // 2 - 1, effective_rank=1.0)) == []


def test_a_skipped_step_is_named_and_counts_in_no_mean() -> None:
    skipped = {"step": 999, "skipped": True, "l_vl": None, "effective_rank": None}
    assert names([*records(), skipped]) == ["nan"]
    assert names([*records(), skipped, *records(1)]) == []


def test_skipped_steps_in_a_row() -> None:
    skipped = {"step": 0, "skipped": True}
    assert skipped_in_a_row([]) == 0
    assert skipped_in_a_row([skipped] * NAN_PATIENCE) == NAN_PATIENCE
    assert skipped_in_a_row([skipped, {"step": 1}, skipped, skipped]) == 2
    assert skipped_in_a_row([skipped, {"step": 1}]) == 0


def test_only_the_last_window_matters() -> None:
    """So a resumed run, which reads the window from its log, warns as if it had not been stopped."""
    history = [*records(100), *records(WINDOW, effective_rank=1.0)]
    assert warnings_of(history, K) == warnings_of(history[-WINDOW:], K)


def test_a_teacher_that_says_the_same_of_every_image_is_named_once_it_should_know_better() -> None:
    """Uniform probabilities use all prototypes alike: the prototype use looks perfect while nothing is taught."""
    uniform = {"ct/teacher_entropy": math.log(K), "ct/prototype_use": float(K)}
    assert names(records(**uniform)) == ["ct/collapse/uniform_teacher"]
    assert names(records(WINDOW, first=0, **uniform)) == []
