"""Prompts: sentences that say of a finding that it is present, or absent. Files of them, and their embeddings.

A file may also have sentences of *details*: what a report says of a lesion beyond that it is there.

The shipped files lie under ``prompts/``. Their sentences are written out or, as in GLoRIA, combined from lists
(severity, sign, location).
"""

import itertools
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float
from numpy import ndarray

from unimedi.errors import InputError, nearest

TextEncoder = Callable[[list[str]], Float[ndarray, "texts dim"]]
PROMPTS = Path(__file__).parent / "prompts"
DEFAULT_PROMPTS = PROMPTS / "chest_en_v2.yaml"
ENGLISH = "en"
SECTIONS = ("findings", "details")
PLAIN = re.compile(r"chest_([a-z]+)_v(\d+)")  # sentences written out; those combined from lists have a word more


@dataclass(frozen=True, slots=True)
class Prompt:
    """The sentences that say a finding is there, and those that say it is not."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A versioned file of prompts: finding → sentences, and detail of a lesion → sentences."""

    name: str
    version: int
    language: str
    findings: Mapping[str, Prompt]
    details: Mapping[str, Prompt] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptVectors:
    """L2-normalised embeddings of the two sides of a prompt."""

    present: Float[ndarray, "present dim"]
    absent: Float[ndarray, "absent dim"]


def read_prompts(path: Path = DEFAULT_PROMPTS) -> PromptSet:
    """Read a prompt file.

    A side is a list of sentences, or a mapping of a ``sentence`` with placeholders and one list for each of them: every
    combination is a sentence. In a file with ``against_others: true`` the absent side of a finding goes on with the
    present sentences of all others; a detail keeps to its own. Raises InputError that names the file, where it is no
    such file, and the finding whose side is missing, or whose placeholders and lists do not match.
    """
    raw = _mapping(path)
    findings, details = (
        {name: _prompt(path.name, name, pair) for name, pair in raw[section].items()} for section in SECTIONS
    )
    if twice := sorted(findings.keys() & details.keys()):
        raise InputError(f"{path.name}: expected a finding or a detail, got {', '.join(twice)} as both")
    if raw.get("against_others", False):
        findings = {name: _against_others(name, findings) for name in findings}
    return PromptSet(path.stem, int(raw["version"]), str(raw["language"]), findings, details)


def _prompt(file: str, name: str, pair: Mapping[str, Any]) -> Prompt:
    sides = {}
    for side in ("present", "absent"):
        sides[side] = _sentences(pair.get(side) or (), f"{file}: {name}, {side}")
        if not sides[side]:
            raise InputError(f"{file}: expected at least one {side!r} sentence for {name}, got none")
    return Prompt(**sides)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
    kinds = {"version": int, "language": str, "findings": dict, "details": dict}
    found = {"details": {}, **raw} if isinstance(raw, dict) else {}
    whole = all(isinstance(found.get(key), kind) for key, kind in kinds.items())
    if not whole or not all(isinstance(pair, dict) for section in SECTIONS for pair in found[section].values()):
        raise InputError(
            f"{path.name}: expected version, language and findings (and details, if any), each with a present and an "
            "absent side"
        )
    return found


def _against_others(name: str, findings: Mapping[str, Prompt]) -> Prompt:
    mine = findings[name]
    theirs = [text for other, prompt in findings.items() if other != name for text in prompt.present]
    return Prompt(mine.present, tuple(dict.fromkeys([*mine.absent, *(t for t in theirs if t not in mine.present)])))


def _sentences(side: Any, where: str) -> tuple[str, ...]:
    if not isinstance(side, dict):
        if isinstance(side, str) or not all(isinstance(text, str) for text in side):
            raise InputError(f"{where}: expected a list of sentences, got {side!r}")
        return tuple(side)
    if "sentence" not in side:
        raise InputError(f"{where}: expected a sentence with placeholders, got the lists {', '.join(side)} alone")
    template, lists = side["sentence"], {name: values for name, values in side.items() if name != "sentence"}
    named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if named != set(lists):
        raise InputError(f"{where}: expected a list for each of {sorted(named)}, got {sorted(lists)}")
    combined = itertools.product(*([(name, value) for value in values] for name, values in lists.items()))
    plain = [" ".join(template.format(**dict(words)).split()) for words in combined]  # an empty word leaves no gap
    return tuple(dict.fromkeys(text[:1].upper() + text[1:] for text in plain))


def shipped_prompts() -> dict[str, Path]:
    """Name → file of every prompt file that comes with the package."""
    return {path.stem: path for path in sorted(PROMPTS.glob("*.yaml"))}


def find_prompts(name: str) -> Path:
    """A shipped prompt file by its name, or a file by its path.

    Raises InputError with the nearest name where it is neither, or where what is in it are no prompts.
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


def _newest(language: str) -> Path | None:
    plain = {path: PLAIN.fullmatch(name) for name, path in shipped_prompts().items()}
    versions = {int(found[2]): path for path, found in plain.items() if found and found[1] == language}
    return versions[max(versions)] if versions else None


def embed_prompts(encode: TextEncoder, prompts: PromptSet, findings: Sequence[str]) -> dict[str, PromptVectors]:
    """Embeddings of the sentences of those findings, or details, that have any.

    ``encode`` (sentences to L2-normalised rows) is called once, with every distinct sentence.
    """
    known = {**prompts.findings, **prompts.details}
    wanted = {name: known[name] for name in findings if name in known}
    sentences = list(dict.fromkeys(text for prompt in wanted.values() for text in (*prompt.present, *prompt.absent)))
    if not sentences:
        return {}
    rows = dict(zip(sentences, encode(sentences), strict=True))
    return {
        name: PromptVectors(*(np.stack([rows[text] for text in side]) for side in (prompt.present, prompt.absent)))
        for name, prompt in wanted.items()
    }
