"""Durations as people write them; schedules against their formulas, step by step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.optimization.schedule import EpochLength, ScheduleError, cosine, ramp, steps, warmup_cosine

PACE = EpochLength(examples_per_step=64, steps_per_epoch=10)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("600 steps", 600),
        ("1 step", 1),
        ("3 epochs", 30),
        ("0.5 epochs", 5),
        ("40000 examples", 625),
        ("1 example", 1),  # less than a step is still one
        ("10 percent", 20),
        ("2.5%", 5),
        ("0 percent", 0),
        (7, 7),
    ],
)
def test_durations_in_every_unit(duration: str | int, expected: int) -> None:
    assert steps(duration, PACE, total=200) == expected


@pytest.mark.parametrize(
    ("duration", "sentence"),
    [
        ("600 steps 3 epochs", "2 lengths at once"),
        ("3 epochs, 600 steps", "2 lengths at once"),
        ("600", "an amount and its unit"),
        ("many steps", "an amount and its unit"),
        ("-3 steps", "an amount and its unit"),
        ("3 stops", "an amount and its unit"),
    ],
)
def test_durations_that_cannot_be_read(duration: str, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        steps(duration, PACE, total=200)


def test_the_whole_run_is_no_percentage_of_itself() -> None:
    with pytest.raises(ScheduleError, match="percentage of itself"):
        steps("50 percent", PACE)


def test_warmup_cosine_is_its_formula() -> None:
    for step in range(20):
        cosine_part = 0.1 + 0.9 * (1 + math.cos(math.pi * (step - 4) / 15)) / 2
        expected = (step + 1) / 5 if step < 5 else cosine_part
        assert warmup_cosine(step, warmup=5, total=20, min_lr_ratio=0.1) == pytest.approx(expected, rel=1e-12)
    assert warmup_cosine(4, warmup=5, total=20) == 1.0
    assert warmup_cosine(19, warmup=5, total=20, min_lr_ratio=0.1) == 0.1
    assert warmup_cosine(30, warmup=5, total=20, min_lr_ratio=0.1) == 0.1


@given(st.integers(0, 50), st.integers(1, 200), st.floats(0, 1))
def test_the_rate_stays_between_nothing_and_its_peak(warmup: int, total: int, min_lr_ratio: float) -> None:
    rates = [warmup_cosine(step, warmup=warmup, total=total, min_lr_ratio=min_lr_ratio) for step in range(total)]
    assert all(0 <= rate <= 1 for rate in rates)
    after = rates[min(warmup, total) :]
    assert after == sorted(after, reverse=True)
    assert rates[: min(warmup, total)] == sorted(rates[: min(warmup, total)])


def test_cosine_and_ramp_stand_still_outside_their_interval() -> None:
    assert [cosine(step, start=2, end=4, first=0.5, last=1.0) for step in (0, 2, 3, 4, 9)] == [
        0.5, 0.5, pytest.approx(0.75), 1.0, 1.0,
    ]  # fmt: skip
    assert [ramp(step, start=2, end=4) for step in (0, 2, 3, 4, 9)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert ramp(0, start=0, end=0) == 1.0  # no ramp at all
