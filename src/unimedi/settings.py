"""Settings of a task from the words of a command line: ``["--steps", "100", "--fractions=[0.1,1]"]``."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from jsonargparse import ArgumentError, ArgumentParser

from unimedi.errors import InputError

T = TypeVar("T")


class SettingsError(InputError):
    """Words that are no settings of this task; the sentence names the one."""


def read_settings(kind: type[T], words: Sequence[str]) -> T:
    """An instance of the dataclass ``kind``, its defaults changed by ``words``.

    Raises:
        SettingsError: an option that is not known (the known ones are named), or a value of another type.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for word in words:
        if word.startswith("--") and word[2:].split("=")[0] not in known:
            raise SettingsError(f"unknown option {word.split('=')[0]}; known are {', '.join(known)}")
    parser: Any = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, None, as_group=False)
    try:
        values = parser.parse_args(list(words))
        return kind(**{name: values[name] for name in known})
    except (ArgumentError, ValueError, TypeError) as error:
        raise SettingsError(" ".join(str(error).split())) from error
