"""Weights that others trained, by local folder or cached name: what is wrong with them, in one sentence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError

from unimedi.errors import InputError, UnimediError

NAMED: Final = 4  # names in a sentence, before the rest are counted


class PretrainedError(InputError):
    """A folder or name that cannot be used; the sentence says what was expected there."""


@contextmanager
def opened(name_or_folder: str | Path, kind: str) -> Iterator[None]:
    """Turn what transformers says about a folder or name of a ``kind`` ("a ViT") into a :class:`PretrainedError`."""
    try:
        yield
    except UnimediError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if not Path(name_or_folder).is_dir():
            raise PretrainedError(
                f"expected the folder of {kind}, or a name under which this machine's cache holds its config.json and "
                f"model.safetensors, got {name_or_folder}: neither is there, and nothing is downloaded here"
            ) from error
        raise PretrainedError(
            f"{name_or_folder} is not {kind} as transformers saves it, with config.json and model.safetensors (weights "
            f"in a pickle are never read, convert them first): {str(error).splitlines()[0]}"
        ) from error


def refuse_architecture(name_or_folder: str | Path, kind: str, model_type: str) -> None:
    """Another architecture's weights may fit in part, and the rest would start at random."""
    raise PretrainedError(f"{name_or_folder}: expected {kind}, its config.json says that it is a {model_type!r}")


def refuse_missing(missing: Iterable[str], name_or_folder: str | Path, kind: str) -> None:
    """Weights that the file lacks would start at random, unseen. The pooler is not used and may be missing."""
    if lacking := sorted(name for name in missing if "pooler." not in name):
        raise PretrainedError(f"{name_or_folder} lacks {_weights(lacking, kind)}")


def refuse_unmatched(found: Mapping[str, Iterable[Any]], name_or_folder: str | Path, kind: str) -> None:
    """Weights that are not those that the folder's own configuration asks for.

    Args:
        found: what transformers' ``from_pretrained`` says with ``output_loading_info``: ``missing_keys``,
            ``unexpected_keys``, and ``mismatched_keys``: a name, the file's shape and the model's.
        name_or_folder: what the sentence names.
        kind: "a UniMedI model".

    Raises:
        PretrainedError: a count and the first names of each sort.
    """
    other = [f"{name} {tuple(its)} in place of {tuple(ours)}" for name, its, ours in found["mismatched_keys"]]
    sorts = {
        "lacks": found["missing_keys"],
        "has more than its config.json asks for,": found["unexpected_keys"],
        "has in other shapes": other,
    }
    if faults := [f"{sort} {_weights(sorted(names), kind)}" for sort, names in sorts.items() if names]:
        raise PretrainedError(f"{name_or_folder} {'; '.join(faults)}")


def _weights(names: Sequence[str], kind: str) -> str:
    """How many, and the first of them: ``7 weights of a ViT: a, b, c, d and 3 more``."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} weight{'s' * (len(names) > 1)} of {kind}: {', '.join(names[:NAMED])}{more}"
