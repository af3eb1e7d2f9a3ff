"""The subcommands by name, and how the words of a command line find theirs; nothing heavy is imported for help."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from unimedi.cli import (
    adapt,
    archive,
    cohort,
    embed,
    evaluate,
    explain,
    export,
    info,
    phantom,
    plan,
    prepare,
    pretrain,
    reproduce,
    serve,
)
from unimedi.errors import nearest
from unimedi.settings import keys_of, options_in

if TYPE_CHECKING:
    from unimedi.cli.parsing import Parser

SHELLS: Final = ("bash", "zsh", "tcsh")
ABOUT: Final = "One space for 2D and 3D medical images and their reports."


@dataclass(frozen=True)
class Command:
    """A subcommand; ``options`` is a dataclass whose docstring is its help, with a method ``run``.

    ``settings``, where it is there, gives the dataclass whose fields may be set as ``--a.b VALUE`` as well; ``run``
    then takes those words, unread.
    """

    name: str
    options: type
    settings: Callable[[], type] | None = None

    def run(self, words: Sequence[str]) -> None:
        """Read the words and run; SystemExit where they are wrong, or ask for help."""
        options, settings = self.read(words)
        options.run(settings) if self.settings else options.run()

    def check(self, words: Sequence[str]) -> None:
        """SystemExit where the words are wrong, or ask for help."""
        self.read(words)

    def read(self, words: Sequence[str]) -> tuple[Any, list[str]]:
        from unimedi.cli.parsing import own_words, parse

        if {"-h", "--help"} & set(words):
            self.parser().print_help()
            raise SystemExit(0)
        parser = self.parser(whole=False)
        own, settings = own_words(words, parser) if self.settings else (list(words), [])
        if self.settings:
            self._refuse_misspelt(settings, parser)
        return parse(parser, self.options, own), settings

    def _refuse_misspelt(self, settings: Sequence[str], parser: "Parser") -> None:
        """Leave with a sentence where a word is no setting and near to an option of the subcommand's own."""
        assert self.settings is not None
        keys = {f"--{key}" for key in keys_of(self.settings())}
        own = {name for action in parser._actions for name in action.option_strings}
        for option in sorted({f"--{name}" for name in options_in(settings)} - keys):
            if (meant := nearest(option, own, 0.8)) and meant == nearest(option, own | keys, 0.8):
                parser.error(f"{option} is not known{meant}")

    def parser(self, whole: bool = True) -> "Parser":
        """With the options of its own and, if ``whole``, each of its settings with type, default and a line."""
        from unimedi.cli.parsing import Parser, add_options

        parser = Parser(prog=f"unimedi {self.name}", description=self.options.__doc__)
        add_options(parser, self.options)
        if whole and self.settings:
            parser.usage = f"{parser.format_usage().removeprefix('usage: ').strip()} [--SETTING VALUE ...]"
            own = {name[2:] for action in parser._actions for name in action.option_strings}
            keys = keys_of(self.settings())
            parser.add_class_arguments(self.settings(), None, skip=own & keys)
            for action in parser._actions:
                if action.dest in keys - own:
                    action.required = False  # without a default: the preset says it
                if any(key.startswith(f"{action.dest}.") for key in keys):
                    action.help = argparse.SUPPRESS  # a section as a whole
        return parser


def _recipe() -> type:
    from unimedi.pretraining.recipe import Recipe

    return Recipe


def _hospital() -> type:
    from unimedi.phantom.presets import HospitalPreset

    return HospitalPreset


def _fine_tuning() -> type:
    from unimedi.adaptation.settings import FineTuneSettings

    return FineTuneSettings


def _segmentation() -> type:
    from unimedi.adaptation.settings import SegmentSettings

    return SegmentSettings


def commands() -> dict[str, Command]:
    """Every subcommand by its name; those of ``cohort`` by two words."""
    found = [
        Command("phantom", phantom.Phantom, _hospital),
        *(Command(f"cohort {name}", kind) for name, kind in cohort.SOURCES.items()),
        Command("translate", cohort.Translate),
        Command("prepare", prepare.Prepare, _recipe),
        Command("doctor", prepare.Doctor),
        Command("plan", plan.Plan, _recipe),
        Command("pretrain", pretrain.Pretrain, _recipe),
        Command("evaluate", evaluate.Evaluate),
        Command("report", evaluate.Report),
        Command("slice-eval", evaluate.SliceEval),
        Command("reproduce", reproduce.Reproduce),
        Command("finetune", adapt.FineTune, _fine_tuning),
        Command("segment", adapt.Segment, _segmentation),
        Command("predict", adapt.Predict),
        Command("embed", embed.Embed),
        Command("index", archive.Index),
        Command("search", archive.Search),
        Command("search-eval", archive.SearchEval),
        Command("serve", serve.Serve),
        Command("forget", archive.Forget),
        Command("export", export.Export),
        Command("explain", explain.Explain),
        Command("explain-eval", explain.ExplainEval),
        Command("info", info.Info),
    ]
    return {command.name: command for command in found}


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The subcommand that ``words`` begin with, and the words behind its name.

    Raises:
        SystemExit: none is named, it is not known, or help or a completion script was asked for and is printed.
    """
    known = commands()
    if list(words[:1]) == ["--print_completion"] and set(words[1:2]) & set(SHELLS):
        _whole_parser(known).parse_args([f"--print_completion=shtab-{words[1]}"])
    first, rest = list(words[:1]), list(words[1:])
    names = dict.fromkeys(name.split()[0] for name in known)
    about = {name: _short(known[name].options.__doc__) if name in known else cohort.ABOUT for name in names}
    _choose("unimedi", ABOUT, about, words[:2] if first == ["--print_completion"] else first)
    if first[0] in known:
        return known[first[0]], rest
    ways = {name.split()[1]: _short(one.options.__doc__) for name, one in known.items() if " " in name}
    _choose(f"unimedi {first[0]}", cohort.ABOUT, ways, rest[:1])
    return known[f"{first[0]} {rest[0]}"], rest[1:]


def _choose(called: str, about: str, choices: Mapping[str, str], words: Sequence[str]) -> None:
    """Print the help, or what is wrong, and leave, where ``words`` is not one of ``choices``."""
    parser = argparse.ArgumentParser(called, description=about, epilog=f"{called} SUBCOMMAND --help says more.")
    if called == "unimedi":
        parser.add_argument("--print_completion", choices=SHELLS, help="a script for the shell's completion")
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, line in choices.items():
        subcommands.add_parser(name, help=line, add_help=False)
    parser.parse_args(words)


def _short(docstring: str | None) -> str:
    return (docstring or "").split("\n\n")[0].split(". ")[0].strip().rstrip(".")


def _whole_parser(known: Mapping[str, Command]) -> "Parser":
    """All subcommands with all their options, from which a script for the shell is made."""
    from unimedi.cli.parsing import Parser

    whole = Parser(prog="unimedi", description=ABOUT)
    subcommands = whole.add_subcommands(dest="subcommand")
    ways = Parser(prog="unimedi cohort", description=cohort.ABOUT)
    subcommands.add_subcommand("cohort", ways, help=cohort.ABOUT)
    sources = ways.add_subcommands(dest="source")
    for name, command in known.items():
        under = sources if " " in name else subcommands
        under.add_subcommand(name.split()[-1], command.parser(), help=_short(command.options.__doc__))
    return whole
