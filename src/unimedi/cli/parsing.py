"""From a dataclass of options to the parser of a subcommand: a field an option, its docstring the line of help."""

import re
import sys
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import jsonargparse
from docstring_parser import parse_from_object

from unimedi.cli.options import Argument
from unimedi.errors import nearest
from unimedi.ranges import Range
from unimedi.settings import plain

T = TypeVar("T")

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True, add_print_completion_argument=True)


class Parser(jsonargparse.ArgumentParser):  # type: ignore[misc]
    """Prints what is wrong in one sentence, behind a short usage; ``said`` is how the subcommand was called."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, allow_abbrev=False, formatter_class=_Help, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        self.print_usage(sys.stderr)
        sentence = re.sub(r"^argument (--\S+): ", r"\1: ", plain(message))
        sentence = re.sub(r"^(\w+): expected", lambda m: f"--{m[1].replace('_', '-')}: expected", sentence)
        print(f"{self.prog}: {sentence}", file=sys.stderr)
        raise SystemExit(2)


class _Help(jsonargparse.DefaultHelpFormatter):  # type: ignore[misc]
    """Types as people say them: ``a whole number from 1 on`` in place of ``Annotated[int, …]``."""

    def _get_default_metavar_for_optional(self, action: Any) -> str:
        several = "tuple[" in str(getattr(action, "_typehint", ""))
        return "[ITEM,...]" if several else str(super()._get_default_metavar_for_optional(action))

    def _expand_help(self, action: Any) -> str:
        text = super()._expand_help(action)
        text = re.sub(r"Annotated\[tuple\[[^\]]+\], ([^\]]+)\]", r"each \1", text)
        text = re.sub(r"Annotated\[[^,]+, ([^\]]+)\]", r"\1", text)
        text = re.sub(r"type: Literal\[[^\]]*\](, )?", "", text)  # the choices stand before it
        text = re.sub(r"(, )?type: (<class '\w+'>|None|str\b)|(, )?default: (null|\[\]|\(\))", "", text)
        return (
            re.sub(r"type: int\b", "type: a whole number", text)
            .replace("(, ", "(")
            .replace(" (default: False)", "")
            .replace(" ()", "")
        )


def add_options(parser: Parser, kind: type) -> None:
    """Give ``parser`` the options and positional arguments that the fields of ``kind`` are."""
    classes = [one for one in reversed(kind.__mro__) if is_dataclass(one)]
    lines = {line.arg_name: line.description for one in classes for line in parse_from_object(one).params}
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        name, how = _how(field, hints[field.name])
        parser.add_argument(name, help=lines.get(field.name), **how)


def parse(parser: Parser, kind: type[T], words: Sequence[str]) -> T:
    """The options that ``words`` say, the others at their defaults; a wrong word ends the process with a sentence."""
    known = [option for action in parser._actions for option in action.option_strings]
    for word in words:
        if word.startswith("--") and (option := word.split("=")[0]) not in known:
            parser.error(f"{option} is not known{nearest(option, known)}")
    given = parser.parse_args([*words], defaults=False)
    return kind(**{field.name: given[_key(field)] for field in fields(kind) if _key(field) in given})  # type: ignore[arg-type]


def own_words(words: Sequence[str], parser: Parser) -> tuple[list[str], list[str]]:
    """``words`` that are the subcommand's, and those of its settings: ``--a.b VALUE`` or ``--a.b=VALUE``."""
    known = {option for action in parser._actions for option in action.option_strings}
    own: list[str] = []
    settings: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--") or word.split("=")[0] in known:
            own.append(word)
            continue
        settings.append(word)
        if "=" not in word and left and not left[0].startswith("--"):
            settings.append(left.pop(0))
    return own, settings


def _how(field: "Field[Any]", hint: Any) -> tuple[str, dict[str, Any]]:
    """The name of an option, and how jsonargparse is told of it."""
    kind, marks = (hint.__origin__, hint.__metadata__) if hasattr(hint, "__metadata__") else (hint, ())
    argument = next((mark for mark in marks if isinstance(mark, Argument)), Argument())
    allowed = next((mark for mark in marks if isinstance(mark, Range)), None)
    required = field.default is MISSING and field.default_factory is MISSING
    how: dict[str, Any] = {"metavar": argument.metavar} if argument.metavar else {}
    if get_origin(kind) in (Union, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if kind is bool:
        how = {"action": "store_true"}
    elif get_origin(kind) is Literal:
        how["choices"] = get_args(kind)
    elif get_origin(kind) in (list, tuple):
        how |= {"action": "append"} if argument.repeated else {"nargs": "+"}
        how["type"] = get_args(kind)[0]
    else:
        how["type"] = allowed or kind
    if argument.positional:
        how |= {} if required or "nargs" in how else {"nargs": "?"}
        return field.name, how
    if kind is not bool:
        how |= {"required": True} if required else {}
    if not required and field.default_factory is MISSING and kind is not bool:
        how["default"] = field.default
    return f"{'--' if len(field.name) > 1 else '-'}{_key(field).replace('_', '-')}", how


def _key(field: "Field[Any]") -> str:
    """As jsonargparse keeps it: ``with`` for a field that must be called ``with_`` in Python."""
    return field.name.removesuffix("_")
