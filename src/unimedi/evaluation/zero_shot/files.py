"""Which prompt file is asked: the one that is named, or the shipped one in a language the model was trained with."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unimedi.errors import InputError, nearest
from unimedi.evaluation.task import EvaluationOptions
from unimedi.evaluation.zero_shot.scoring import DEFAULT_PROMPTS, PROMPTS, read_prompts

ENGLISH = "en"
PLAIN = re.compile(r"chest_([a-z]+)_v(\d+)")  # sentences written out; those combined from lists have a word more


def shipped_prompts() -> dict[str, Path]:
    """Name → file of every prompt file that comes with the package."""
    return {path.stem: path for path in sorted(PROMPTS.glob("*.yaml"))}


def find_prompts(name: str) -> Path:
    """A shipped prompt file by its name, or a file by its path.

    Raises ValueError with the nearest name where it is neither, or where what is in it are no prompts.
    """
    shipped = shipped_prompts()
    path = shipped.get(name, Path(name))
    if not path.is_file():
        hint = nearest(name, shipped)
        raise InputError(f"no prompts {name!r}{hint}: expected a file or one of {', '.join(shipped)}")
    read_prompts(path)  # what is wrong with it is said before any image is encoded
    return path


def prompts_for(languages: Sequence[str]) -> tuple[Path, list[str]]:
    """The prompt file for a model that was trained with reports in ``languages``, and a note where none speaks them.

    English where that is one of them or none is known; else the newest plain file of the first that has one.
    """
    if not languages or ENGLISH in languages:
        return DEFAULT_PROMPTS, []
    for language in languages:
        if (path := _newest(language)) is not None:
            return path, []
    trained = ", ".join(repr(language) for language in languages)
    return DEFAULT_PROMPTS, [
        f"no prompts in {trained}, which the model was trained with: {DEFAULT_PROMPTS.stem} is used"
    ]


def with_prompts(options: EvaluationOptions, languages: Sequence[str]) -> tuple[EvaluationOptions, list[str]]:
    """The options with a prompt file: their own, or that of :func:`prompts_for`, and its note."""
    if options.prompts:
        return options, []
    path, notes = prompts_for(languages)
    return replace(options, prompts=path), notes


def _newest(language: str) -> Path | None:
    plain = {path: PLAIN.fullmatch(name) for name, path in shipped_prompts().items()}
    versions = {int(found[2]): path for path, found in plain.items() if found and found[1] == language}
    return versions[max(versions)] if versions else None
