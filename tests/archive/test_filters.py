"""A filter means the same as a mask in memory and as an expression of the database, whatever letters are in it."""

import datetime
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.archive.filters import Filter
from unimedi.archive.study import joined, parted

LETTERS = st.sampled_from(
    ["'", '"', "''", "\\", "%", "_", ";", "--", "`", "(", "é", "雪", " ", "a", "B", "*", "$1", "?"]
)
NAMES = st.lists(LETTERS, min_size=1, max_size=6).map("".join)
DATES = st.dates(datetime.date(2023, 12, 1), datetime.date(2024, 2, 1))
ROWS = [  # what real rows hold, so that some filters hold for some
    ("CT", "p'1", "test", ("it's", "a"), datetime.date(2024, 1, 1)),
    ("DX", "p1", "train", ("a", "%"), None),
    ("'", "", "", (), datetime.date(2023, 12, 24)),
    ("x' OR '1'='1", "\\", "test", ("_", "aB", "''"), datetime.date(2024, 1, 31)),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    draws = np.random.default_rng(0)
    letters = ["'", '"', "\\", "%", "_", "a", "B", "é", "雪"]
    rows = [*ROWS]
    for _ in range(60):
        names = ["".join(draws.choice(letters, draws.integers(1, 4))) for _ in range(5)]
        rows.append(
            (names[0], names[1], names[2], tuple(names[3:]), datetime.date(2024, 1, int(draws.integers(1, 28))))
        )
    names = ("modality", "patient_id", "split", "findings", "date")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["findings"] = [joined(one) for one in columns["findings"]]
    columns["key"] = list(range(len(rows)))
    made = lancedb.connect(tmp_path_factory.mktemp("db")).create_table("t", pa.table(columns))
    return made, made.to_arrow()


def values(column: str) -> st.SearchStrategy[tuple[str, ...]]:
    place = {"modality": 0, "patient": 1, "split": 2}[column]
    return st.lists(NAMES | st.sampled_from([row[place] for row in ROWS]), max_size=3).map(tuple)


@settings(max_examples=150)
@given(
    st.builds(
        lambda dates, **named: Filter(since=dates[0], until=dates[1], **named),
        st.lists(DATES, min_size=2, max_size=2).map(sorted) | st.tuples(st.none() | DATES, st.none()),
        modality=values("modality"),
        patient=values("patient"),
        split=values("split"),
        not_patient=values("patient"),
        finding=st.lists(NAMES | st.sampled_from(["it's", "a", "%", "_", "''"]), max_size=1).map(tuple),
    )
)
def test_mask_expression_and_loop_agree(table: Any, allowed: Filter) -> None:
    made, columns = table
    expected = [
        row["key"]
        for row in columns.to_pylist()
        if (not allowed.modality or row["modality"] in allowed.modality)
        and (not allowed.patient or row["patient_id"] in allowed.patient)
        and (not allowed.split or row["split"] in allowed.split)
        and row["patient_id"] not in allowed.not_patient
        and set(allowed.finding) <= set(parted(row["findings"]))
        and (allowed.since is None or (row["date"] is not None and row["date"] >= allowed.since))
        and (allowed.until is None or (row["date"] is not None and row["date"] <= allowed.until))
    ]
    assert np.flatnonzero(allowed.mask(columns)).tolist() == expected
    assert bool(allowed) == (allowed != Filter())
    if allowed:
        found = made.search().where(allowed.expression()).select(["key"]).to_arrow()
        assert sorted(found["key"].to_pylist()) == expected
    else:
        assert allowed.expression() is None


@given(st.lists(NAMES, max_size=4).map(tuple))
def test_findings_come_back_from_their_text(names: tuple[str, ...]) -> None:
    assert parted(joined(names)) == names
