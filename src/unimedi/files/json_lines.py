"""Logs of one JSON object a line, as a training run writes them."""

import json
from pathlib import Path
from typing import Any


def read_json_lines(path: Path, last: int = 0) -> list[dict[str, Any]]:
    """The objects of a file, in order; none where the file is not there.

    A killed process may have left half a line at the end: it is left out.

    Args:
        path: the file.
        last: how many lines at the end to look at; 0 takes all.
    """
    if not path.is_file():
        return []
    records: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines()[-last:]:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
