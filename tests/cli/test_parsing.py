"""A dataclass of options becomes a parser: positional words, lists, ranges, choices; a sentence for what is wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from unimedi.cli.options import POSITIONAL, Argument
from unimedi.cli.parsing import Parser, add_options, own_words, parse
from unimedi.ranges import at_least


@dataclass(frozen=True)
class Options:
    """Do something."""

    files: Annotated[list[Path], POSITIONAL]
    """what is read"""
    out: Path
    """what is written"""
    count: Annotated[int | None, at_least(1)] = None
    """how many"""
    split: Literal["validation", "test"] = "test"
    """which part"""
    column: Annotated[list[str], Argument(metavar="OURS=THEIRS", repeated=True)] = field(default_factory=list)
    """a name"""
    with_: list[str] = field(default_factory=list)
    """others"""
    per_second: float = 5.0
    """how fast"""
    resume: bool = False
    """go on"""


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="unimedi try")
    add_options(parser, Options)
    return parser


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a b --out c", {"files": [Path("a"), Path("b")], "out": Path("c")}),
        ("a --out=c --count 3 --resume", {"count": 3, "resume": True, "split": "test", "per_second": 5.0}),
        ("a --out c --column x=y --column=z=w --with p q", {"column": ["x=y", "z=w"], "with_": ["p", "q"]}),
        ("a --out c --per-second 0.5 --split validation", {"per_second": 0.5, "split": "validation"}),
    ],
)
def test_words_become_the_fields(parser: Parser, words: str, expected: dict[str, Any]) -> None:
    made = parse(parser, Options, words.split())
    assert {name: getattr(made, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--out c", "the following arguments are required: files"),
        ("a --out c --count 0", "--count: expected a whole number from 1 on, got '0'"),
        ("a --out c --count many", "--count: expected a whole number from 1 on, got 'many'"),
        ("a --out c --split train", "--split: "),
        ("a --out c --resme", "--resme is not known (did you mean '--resume'?)"),
        ("a --out c --res", "--res is not known"),
        ("a --out c --per-second fast", "--per-second: expected a number, got 'fast'"),
    ],
)
def test_a_wrong_word_is_a_sentence(
    parser: Parser, words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(parser, Options, words.split())
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.startswith("usage: unimedi try")
    assert sentence in said


def test_words_of_settings_are_told_from_those_of_the_subcommand(parser: Parser) -> None:
    words = "a --model.slices 3 --out c b --seed=4 --frozen true --resume"
    own, settings = own_words(words.split(), parser)
    assert own == ["a", "--out", "c", "b", "--resume"]
    assert settings == ["--model.slices", "3", "--seed=4", "--frozen", "true"]
