"""Weights that others trained, by local folder or cached name: what is wrong with them, in one sentence."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from unimedi.errors import InputError, UnimediError


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
    lacking = sorted(name for name in missing if "pooler." not in name)
    if lacking:
        raise PretrainedError(f"{name_or_folder} lacks {len(lacking)} weights of {kind}, the first is {lacking[0]}")
