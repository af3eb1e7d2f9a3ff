"""What a number may be is said once, and the sentence names it: on the command line, in recipes and in settings."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_type_hints

import pytest

from unimedi.adaptation.settings import SegmentSettings
from unimedi.cli import main
from unimedi.errors import InputError
from unimedi.evaluation.options import EvaluationOptions
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import RecipeError, load_recipe
from unimedi.ranges import (
    NOT_NEGATIVE,
    PART,
    POSITIVE,
    SEED,
    SHARE,
    SOME_SHARE,
    Range,
    at_least,
    check_settings,
)
from unimedi.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (at_least(1), [1, 2.0, 10**9], [0, -1, 1.5, math.nan, math.inf, "3", None]),
        (SEED, [0, 2**32 - 1], [-1, 2**32]),
        (POSITIVE, [1e-9, 5], [0, -1e-9, math.nan, math.inf]),
        (NOT_NEGATIVE, [0, 0.5], [-0.1, -math.inf]),
        (SHARE, [0, 0.5, 1], [-0.01, 1.01, math.nan]),
        (SOME_SHARE, [0.01, 1], [0, 1.01]),
        (PART, [0, 0.99], [1, -0.01]),
    ],
)
def test_what_a_range_holds(allowed: Range, inside: list[Any], outside: list[Any]) -> None:
    assert [value for value in inside if value not in allowed] == []
    assert [value for value in outside if value in allowed] == []


def test_a_range_in_words() -> None:
    words = [str(each) for each in (at_least(1), SEED, POSITIVE, NOT_NEGATIVE, SHARE, SOME_SHARE, PART)]
    assert words == [
        "a whole number from 1 on",
        "a whole number from 0 to 4294967295",
        "a number above 0",
        "a number from 0 on",
        "a number from 0 to 1",
        "a number above 0 and up to 1",
        "a number from 0 and below 1",
    ]


@dataclass
class Section:
    rates: Annotated[tuple[float, ...], POSITIVE] = (0.1,)
    cap: Annotated[int | None, at_least(1)] = None
    way: Literal["short", "long"] = "short"
    ways: tuple[Literal["short", "long"], ...] = ("short", "long")


@dataclass
class Whole:
    section: Section


def test_a_field_says_its_range_and_its_choices() -> None:
    check_settings(Whole(Section((0.1, 1.0), 3, "long")))
    for section, sentence in (
        (Section(rates=(0.1, -1.0)), r"section\.rates: expected a number above 0, got -1\.0"),
        (Section(cap=0), r"section\.cap: expected a whole number from 1 on, got 0"),
        (Section(way="far"), r"section\.way: expected one of short, long, got 'far'"),  # type: ignore[arg-type]
        (Section(ways=("long", "far")), r"section\.ways: expected one of short, long, got 'far'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=sentence):
            check_settings(Whole(section))


def numbers(kind: type, prefix: str = "") -> set[str]:
    """Every field of a dataclass of dataclasses that holds whole or real numbers."""
    found = set()
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found |= numbers(hint, f"{prefix}{name}.")
        elif {int, float} & {hint, *get_args(hint)}:
            found.add(prefix + name)
    return found


def ranged(kind: type, prefix: str = "") -> set[str]:
    """Every field whose type says a range."""
    found = set()
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            found |= ranged(hint, f"{prefix}{name}.")
        elif any(isinstance(mark, Range) for mark in getattr(hint, "__metadata__", ())):
            found.add(prefix + name)
    return found


def test_every_number_of_recipes_and_settings_has_a_range() -> None:
    checked_there = {name for name in numbers(Recipe) if name.startswith("preprocess.")}
    assert numbers(Recipe) - checked_there == ranged(Recipe)
    assert numbers(SegmentSettings) == ranged(SegmentSettings)
    assert numbers(EvaluationOptions) == ranged(EvaluationOptions)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seed", "-1"], "seed: expected a whole number from 0 to 4294967295, got -1"),
        (["--teacher.momentum", "2"], r"teacher\.momentum: expected a number from 0 to 1, got 2"),
        (["--optimization.learning_rate", "0"], r"learning_rate: expected a number above 0, got 0"),
        (["--optimization.learning_rate=-1"], r"learning_rate: expected a number above 0, got -1"),
        (["--optimization.learning_rate", ".nan"], r"learning_rate: expected a number above 0, got nan"),
        (["--optimization.beta1", "1"], r"beta1: expected a number from 0 and below 1, got 1"),
        (["--model.slices=-1"], r"model\.slices: expected a whole number from 0 on, got -1"),
        (["--model.slices=17"], r"model\.slices: expected up to 16, one a slab, got 17"),
        (["--batch.radiographs=0", "--batch.volumes=0"], "expected radiographs or volumes in a step"),
        (["--batch.volume_augmentation.shift", "1"], "shift: expected a number from 0 and below 1, got 1"),
        (["--text.num_attention_heads", "5"], "text: hidden_size 128 is not a multiple of its 5 heads"),
        (["--duration", "0 steps"], "duration: expected more than nothing, got '0 steps'"),
        (["--duration", "soon"], "duration: duration 'soon': expected an amount and its unit"),
        (["--duration", "-5 epochs"], "expected an amount and its unit"),
        (["--checkpoint_every", "0 percent"], "checkpoint_every: expected more than nothing"),
        (["--optimization.warmup", "150 percent"], r"warmup: expected up to 100 percent, got '150 percent'"),
        (["--duration", "50 percent"], "duration: expected steps, epochs or examples, got '50 percent'"),
        (
            ["--distillation.ramp_start", "80 percent", "--distillation.ramp_end", "20 percent"],
            r"ramp_end: expected 80 percent \(ramp_start\) or later, got 20 percent",
        ),
        (["--preprocess.hu_window=[-1000, .nan]"], "hu_window: expected"),
        (["--preprocess.radiograph_size=[0, 64]"], "radiograph_size: expected 2 positive sizes"),
    ],
)
def test_a_recipe_refuses_what_cannot_be_meant(words: list[str], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        load_recipe("tiny", words)


@pytest.mark.parametrize("words", [["--resamples", "0"], ["--seeds=[-1]"], ["--learning_rates=[0]"], ["--warm_up=2"]])
def test_the_settings_of_a_training_refuse_them_too(words: list[str]) -> None:
    with pytest.raises(SettingsError, match=r": expected a .*number .*, got "):
        read_settings(SegmentSettings, words)


@pytest.mark.parametrize(
    "words",
    [
        ["phantom", "out", "--patients", "0"],
        ["phantom", "out", "--seed", "-1"],
        ["cohort", "folder", "in", "--out", "c.csv", "--seed=-1"],
        ["cohort", "dicomweb", "http://localhost", "--out", "c.csv", "--per-second", "0"],
        ["prepare", "c.csv", "--out", "s", "--config", "tiny", "--workers=-1"],
        ["prepare", "c.csv", "--out", "s", "--config", "tiny", "--seconds", "nan"],
        ["prepare", "c.csv", "--out", "s", "--config", "tiny", "--memory", "0"],
        ["prepare", "c.csv", "--out", "s", "--config", "tiny", "--strict", "2"],
        ["doctor", "c.csv", "--workers", "1.5"],
        ["pretrain", "--config", "tiny", "--data", "s", "--out", "r", "--steps", "0"],
        ["pretrain", "--config", "tiny", "--data", "s", "--out", "r", "--seed", "-1"],
        ["pretrain", "--config", "tiny", "--data", "s", "--out", "r", "--devices", "0"],
        ["pretrain", "--config", "tiny", "--data", "s", "--out", "r", "--workers", "-1"],
        ["evaluate", "r", "--data", "s", "--supervised", "-1"],
        ["reproduce", "--data", "s", "--budget", "0"],
        ["reproduce", "--data", "s", "--seeds", "0"],
    ],
)
def test_the_command_line_says_what_a_number_may_be(
    words: list[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "expected a " in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
