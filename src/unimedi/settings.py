"""Typed settings from words of a command line and from files: dataclasses say fields, types, choices and ranges."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from unimedi.errors import InputError, nearest

T = TypeVar("T")

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "tuple": "a list"}


class SettingsError(InputError):
    """A setting that is not known, or a value that cannot be used; the sentence names the setting."""


def read_settings(kind: type[T], words: Sequence[str] = (), values: Mapping[str, Any] | None = None) -> T:
    """An instance of a dataclass, which may have dataclasses as sections.

    Args:
        kind: the dataclass; its types are checked, and what its ``__post_init__`` checks.
        words: ``["--steps", "100", "--model.slices=3"]``, as on a command line; they come before ``values``.
        values: of its fields, sections as mappings; the other fields have their defaults.

    Raises:
        SettingsError: an option that is not known (the nearest is named), a value of another type, or one that the
            dataclass refuses.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    known = keys_of(cast("type", kind))
    for option in options_in(words):
        if said := unknown(option, known):
            raise SettingsError(f"unknown option --{said}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, None, as_group=False)
    try:
        read = parser.parse_args([*words], namespace=parser.parse_object(dict(values or {})))
        made = parser.instantiate_classes(read)
        return kind(**{field.name: made[field.name] for field in fields(kind)})  # type: ignore[arg-type]
    except (ArgumentError, ValueError, TypeError) as error:
        raise SettingsError(plain(str(error))) from error


def options_in(words: Sequence[str]) -> list[str]:
    """``["--a.b", "3", "--c=4"]`` as ``["a.b", "c"]``."""
    return [match[1] for word in words if (match := re.match(r"--([^=\s]+)", word))]


@cache
def keys_of(kind: type) -> frozenset[str]:
    """Every key of a dataclass of dataclasses, sections included: ``model``, ``model.slices``."""
    found = set[str]()
    for name, hint in get_type_hints(kind).items():
        found.add(name)
        if isinstance(hint, type) and is_dataclass(hint):
            found |= {f"{name}.{key}" for key in keys_of(hint)}
    return frozenset(found)


def unknown(key: str, known: frozenset[str]) -> str:
    """What to say of a key that is not among ``known``, with the nearest of them; '' of one that is."""
    if key in known:
        return ""
    names = sorted(known)
    meant = nearest(key, names, 0.7) or nearest(key, names, 0.7, lambda name: name.rpartition(".")[2])
    return f"{key}{meant or '; known are ' + ', '.join(names)}"


def plain(message: str) -> str:
    """What jsonargparse says of a value, in our words: ``seed: expected a whole number, got x``."""
    message = " ".join(message.split())
    message = re.sub(r'Parser key "([^"]+)":', r"\1:", message)
    message = re.sub(
        r"Expected an? (.+?)\. Got value: (.*)", lambda m: f"expected {_type(m[1])}, got {m[2]!r}", message
    )
    return re.sub(r"<class '(\w+)'>", r"\1", message)


def _type(name: str) -> str:
    if "Literal" in name:
        return "one of " + ", ".join(re.findall(r"'([^']+)'", name))
    name = re.sub(r"<class '(\w+)'>", r"\1", name)
    return KINDS.get(name, name)
