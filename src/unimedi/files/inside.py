"""Whether a path stays under a folder when its links are followed: nothing outside a root is read or listed."""

import os
from functools import lru_cache


def inside(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is ``root`` or lies under it, ``..`` and symbolic links followed."""
    folder, name = os.path.split(path)
    whole = not name or ".." in os.fspath(path).split(os.sep) or os.path.islink(path)
    real = os.path.realpath(path) if whole else os.path.join(_real(folder), name)  # a folder of thousands: asked once
    top = _real(os.fspath(root))
    return os.path.commonpath([real, top]) == top


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
