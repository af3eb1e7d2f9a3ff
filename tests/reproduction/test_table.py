"""Results on disk and the table that is built from them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from unimedi.reproduction.results import Result, read_results, result_file, write_result
from unimedi.reproduction.table import BEGIN, END, tables, write_tables

FIGURES = {
    "zero_shot/xray/auroc": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 400},
    "random_init/xray/10%/auroc": {"value": 0.55, "low": 0.5, "high": 0.6, "n": 400},
    "slice_selection/attentive/hit@1": {"value": None, "low": None, "high": None, "n": 0},
}
RESULT = Result("unimedi", 0, "60 steps", 60, 120.0, "abcdef", "x86_64, 2 threads", FIGURES)


def with_auroc(value: float, **changes: object) -> Result:
    figures = {**FIGURES, "zero_shot/xray/auroc": {"value": value, "low": 0.0, "high": 1.0, "n": 400}}
    return replace(RESULT, figures=figures, **changes)  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_result(RESULT, tmp_path)
    assert path == result_file(tmp_path, "unimedi", 0, "60 steps") == tmp_path / "60-steps" / "unimedi-0.json"
    assert read_results(tmp_path) == [RESULT]
    assert [child.name for child in path.parent.iterdir()] == ["unimedi-0.json"]


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"name": "x"})])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "60-steps").mkdir()
    (tmp_path / "60-steps" / "x-0.json").write_text(text)
    with pytest.raises(ValueError, match=r"x-0\.json: not a result"):
        read_results(tmp_path)


def test_a_row_is_the_mean_and_sd_over_seeds_the_reference_first() -> None:
    text = tables([with_auroc(0.6, name="joint"), with_auroc(0.70), with_auroc(0.74, seed=1)])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[0].startswith("| method | seeds | steps | minutes | zero-shot X-ray |")
    assert rows[1].startswith("| unimedi | 2 | 60 | 2.0 | 0.720 ± 0.028 | –")
    assert rows[2].startswith("| joint | 1 | 60 | 2.0 | 0.600 | –")
    assert rows[3].startswith("| never trained | 1 | 0 | 0 | – | – | – | – | – | – | 0.550 |")
    assert len({row.count("|") for row in rows}) == 1


@pytest.mark.parametrize(
    ("intervals", "mark"),
    [
        ([(0.01, 0.03), (0.02, 0.05)], "0.700 ± 0.000 ▲ |"),
        ([(-0.03, -0.01), (-0.2, -0.1)], "0.700 ± 0.000 ▼ |"),
        ([(0.01, 0.03), (-0.02, 0.05)], "0.700 ± 0.000 ≈ |"),
        ([(0.01, 0.03), (None, None)], "0.700 ± 0.000 |"),
    ],
)
def test_a_difference_counts_where_every_seed_shows_it(intervals: list[tuple[float, float]], mark: str) -> None:
    gaps = [{"zero_shot/xray/auroc": {"value": 0.0, "low": low, "high": high}} for low, high in intervals]
    rows = [replace(RESULT, name="joint", seed=seed, minus_reference=gap) for seed, gap in enumerate(gaps)]
    text = tables(rows)
    assert f"| joint | 2 | 60 | 2.0 | {mark}" in text
    assert "not significant; no mark" in text


def test_other_data_or_another_budget_is_another_table() -> None:
    text = tables([RESULT, replace(RESULT, budget="5 minutes"), replace(RESULT, store="other")])
    assert text.count("| method |") == 3


def test_the_page_keeps_what_stands_around(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    write_tables([RESULT], page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n**60 steps a run**")
    assert text.endswith(f"\n{END}\nbehind\n")
    assert "old" not in text
    page.write_text("no markers")
    with pytest.raises(ValueError, match="expected the markers"):
        write_tables([RESULT], page)
