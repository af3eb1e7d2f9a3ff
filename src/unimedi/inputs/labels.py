"""The labels of a store as arrays, and which studies have them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.errors import InputError, nearest
from unimedi.inputs.store import Store


def known_classes(store: Store, classes: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The label columns of ``classes`` that the store has, and a sentence for each that it has not.

    Raises:
        InputError: it has none of them.
    """
    has = ", ".join(store.findings) or "none"
    lacking = [
        f"no label column {name!r} in the store{nearest(name, store.findings)}; it has {has}"
        for name in classes
        if name not in store.findings
    ]
    if classes and len(lacking) == len(classes):
        raise InputError("; ".join(lacking))
    return tuple(name for name in classes if name in store.findings), lacking


def label_columns(
    store: Store, indices: Sequence[int], classes: Sequence[str] = ()
) -> dict[str, Float[ndarray, "studies"]]:
    """Finding → 1, 0 or NaN (unknown) for each study; findings unknown for all of them are left out.

    ``classes`` names those that are asked for, in their order; without it all are.
    """
    columns = {}
    for name in classes or store.findings:
        raw = [store.studies[i].labels.get(name) for i in indices]
        values = np.array([np.nan if v is None else float(v) for v in raw], dtype=np.float64)
        if not np.isnan(values).all():
            columns[name] = values
    return columns


def labelled(store: Store, split: str, kind: str, classes: Sequence[str] = ()) -> list[int]:
    """The studies of a split and a kind of which at least one finding (of ``classes``, if given) is known."""
    indices = store.select(split=split, image_kind=kind)
    names = classes or store.findings
    return [i for i in indices if any(store.studies[i].labels.get(name) is not None for name in names)]


def subsample(indices: Sequence[int], cap: int | None, seed: int) -> list[int]:
    """At most ``cap`` of the indices (None: all), drawn at random, in their order."""
    if cap is None or len(indices) <= cap:
        return list(indices)
    chosen = np.random.default_rng(seed).choice(len(indices), cap, replace=False)
    return [indices[i] for i in sorted(chosen)]
