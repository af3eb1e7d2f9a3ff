"""A resolved recipe that an earlier version wrote, as one of today's: of run folders and of results."""

from collections.abc import Mapping
from typing import Any, Final

# Keys that are gone, each with the one value at which a run was what every run without the key is.
GONE: Final = {"batch.grad_accum_steps": 1}


def completed(
    saved: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """``saved`` with the default of each key that only ``given`` has, and these as ``key value``; without ``GONE``."""
    whole, missing = without_gone(saved, prefix), list[str]()
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(saved.get(key, {}), Mapping):
            inner = completed(saved.get(key, {}), value, defaults.get(key, {}), f"{prefix}{key}.")
            whole[key], missing = inner[0], missing + inner[1]
        elif key not in saved and key in defaults:
            whole[key] = defaults[key]
            missing.append(f"{prefix}{key} {defaults[key]!r}")
    return whole, missing


def without_gone(values: Mapping[Any, Any], prefix: str = "") -> dict[Any, Any]:
    """``values`` (keys and sections) without the keys that are gone and had the value that all have now."""
    kept = {key: value for key, value in values.items() if value != GONE.get(f"{prefix}{key}", object())}
    return {
        key: without_gone(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in kept.items()
    }
