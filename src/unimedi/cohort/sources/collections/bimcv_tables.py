"""What BIMCV writes into the cells of its tables: lists of findings, and reports as Python shows them."""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping

from unimedi.cohort.sources.collections.listing import snake

LEAST = 50  # studies with a finding: with fewer it is no label column
NO_FINDING = ("exclude", "")  # sentences without one


def findings_of(cell: str) -> frozenset[str] | None:
    """``"['pleural effusion', ' nodule', 'exclude']"`` as names; None where it is empty, or no list."""
    try:
        names = ast.literal_eval(cell) if cell else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    if not isinstance(names, list):
        return None
    return frozenset(snake(str(name)) for name in names if snake(str(name)) not in NO_FINDING)


def label_columns(found: Iterable[frozenset[str] | None]) -> list[str]:
    """The findings with enough studies to be a column, sorted: ``LEAST``, or a tenth of a small cohort."""
    listed = [names for names in found if names is not None]
    counts = Counter(name for names in listed for name in names)
    return sorted(name for name, count in counts.items() if count >= min(LEAST, len(listed) // 10 + 1))


def labels_of(names: frozenset[str] | None, columns: Iterable[str]) -> Mapping[str, bool | None]:
    """Each column's finding as present or absent; unknown where the study was not labelled."""
    return {column: None if names is None else column in names for column in columns}


def text_of(cell: str) -> str:
    """A report; ``"['one', 'two']"``, as the tables of sessions have it, is joined to lines."""
    if not cell.startswith("["):
        return cell
    try:
        lines = ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cell
    return "\n".join(" ".join(str(line).split()) for line in lines) if isinstance(lines, list) else cell
