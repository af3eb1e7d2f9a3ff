"""Results on disk and the table that is built from them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from unimedi.errors import InputError
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurements, named
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.run_folder import plain
from unimedi.reproduction.results import UNTRAINED, Result, find_result, read_results, result_file, write_result
from unimedi.reproduction.table import BEGIN, END, show, tables, write_tables
from unimedi.reproduction.terms import Terms

AUROC = {"task": "zero_shot", "modality": "xray", "metric": "auroc"}
MEASURED = Measurements(
    [
        named(Estimate(0.7, 0.6, 0.8, 400), **AUROC),
        named(Estimate(0.55, 0.5, 0.6, 400), **UNTRAINED["probe 10 % X-ray"]),
    ]
)
TERMS = Terms("unimedi", 0, "60 steps", "abcdef", {"method": "unimedi", "seed": 0})
RESULT = Result(TERMS, 60, 120.0, "x86_64, 2 threads", MEASURED)


def on(**changes: object) -> Result:
    """The row on other terms."""
    return replace(RESULT, terms=replace(TERMS, **changes))  # type: ignore[arg-type]


def with_auroc(value: float, **changes: object) -> Result:
    measured = Measurements(
        named(Estimate(value, 0.0, 1.0, 400), **AUROC) if row.task == "zero_shot" else row for row in MEASURED.values()
    )
    return replace(on(**changes), measurements=measured)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_result(RESULT, tmp_path)
    assert path == result_file(tmp_path, TERMS)
    assert path.parent == tmp_path / "60-steps"
    assert path.name.startswith("unimedi-0-")
    assert read_results(tmp_path) == [RESULT]
    assert list(path.parent.iterdir()) == [path]


def test_a_row_of_before_a_key_came_serves_and_one_with_another_value_does_not(tmp_path: Path) -> None:
    whole = {key: value for key, value in plain(Recipe()).items() if key != "duration"}
    before = {key: value for key, value in whole.items() if key != "experiment"}
    before["batch"] = {"grad_accum_steps": 1, **{k: v for k, v in whole["batch"].items() if k != "effective"}}
    write_result(old := on(recipe=before), tmp_path)
    wanted = replace(TERMS, recipe=whole)
    assert find_result(tmp_path, wanted) == old
    assert old.terms.recipe_key == wanted.recipe_key
    for changed in ({"experiment": "alignment"}, {"batch": {**whole["batch"], "effective": 128}}):
        assert find_result(tmp_path, replace(TERMS, recipe={**whole, **changed})) is None


OTHER_TERMS = [
    {"name": "joint"},
    {"seed": 1},
    {"budget": "61 steps"},
    {"store": "abcdeg"},
    {"recipe": {"method": "joint", "seed": 0}},
    {"format": TERMS.format + 1},
]


@pytest.mark.parametrize("changed", OTHER_TERMS, ids=lambda changed: next(iter(changed)))
def test_a_row_serves_on_its_own_terms_and_none_is_written_over(tmp_path: Path, changed: dict[str, object]) -> None:
    other = on(**changed)
    write_result(other, tmp_path)
    assert find_result(tmp_path, TERMS) is None
    write_result(RESULT, tmp_path)
    assert find_result(tmp_path, TERMS) == RESULT
    assert find_result(tmp_path, other.terms) == other


def test_a_row_that_was_copied_is_not_another_seed(tmp_path: Path) -> None:
    path = write_result(RESULT, tmp_path)
    path.with_name("copy of it.json").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"the same row as .*remove one"):
        read_results(tmp_path)


def test_what_an_earlier_version_wrote_is_named(tmp_path: Path) -> None:
    """Its rows have flat keys and no fields: they are measured again, or their file goes."""
    raw = json.loads(write_result(RESULT, tmp_path).read_text())
    file = tmp_path / "60-steps" / "before-0.json"
    figures = {"zero_shot/xray/auroc": {"value": 0.7, "low": 0.6, "high": 0.8, "n": 400}}
    file.write_text(json.dumps(raw | {"measurements": figures}))
    with pytest.raises(InputError, match=r"before-0.json: not a result of this version .*evaluate the run again"):
        read_results(tmp_path)
    file.write_text(json.dumps({name: value for name, value in raw.items() if name != "recipe"} | {"figures": figures}))
    with pytest.raises(InputError, match=r"before-0.json: not a result of this version"):
        read_results(tmp_path)


def test_the_committed_table_is_that_of_the_committed_rows() -> None:
    docs = Path(__file__).parents[2] / "docs"
    shown = (docs / "results.md").read_text().split(BEGIN)[1].split(END)[0]
    assert shown.strip() == tables(read_results(docs / "results"))


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
        ([(0.01, 0.03), (math.nan, math.nan)], "0.700 ± 0.000 |"),
    ],
)
def test_a_difference_counts_where_every_seed_shows_it(intervals: list[tuple[float, float]], mark: str) -> None:
    gaps = [Measurements([named(Estimate(0.0, low, high), **AUROC)]) for low, high in intervals]
    key = TERMS.recipe_key
    rows = [replace(on(name="joint", seed=seed), minus_reference=gap, reference=key) for seed, gap in enumerate(gaps)]
    text = tables([RESULT, *rows])
    assert f"| joint | 2 | 60 | 2.0 | {mark}" in text
    assert "not significant; no mark" in text
    for others in (rows, [on(recipe={"method": "joint"}), *rows], [RESULT, on(recipe={"method": "joint"}), *rows]):
        assert "| joint | 2 | 60 | 2.0 | 0.700 ± 0.000 |" in tables(others)  # compared with what is not in the table


def test_other_data_or_another_budget_is_another_table() -> None:
    text = tables([RESULT, on(budget="5 minutes"), on(store="other")])
    assert text.count("| method |") == 3


def test_two_recipes_of_one_name_are_two_rows() -> None:
    changed = with_auroc(0.9, recipe={"method": "unimedi", "seed": 0, "contrastive_weight": 2.0})
    unknown = with_auroc(0.8, recipe={}, format=1)
    text = tables([RESULT, on(seed=1, recipe={**TERMS.recipe, "seed": 1}), changed, unknown])
    assert f"| unimedi (recipe {TERMS.recipe_key}) | 2 | 60 | 2.0 | 0.700 ± 0.000 |" in text
    assert f"| unimedi (recipe {changed.terms.recipe_key}) | 1 | 60 | 2.0 | 0.900 |" in text
    assert "| unimedi (recipe not recorded) | 1 | 60 | 2.0 | 0.800 |" in text


def test_the_page_keeps_what_stands_around(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    show([RESULT], page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n**60 steps a run**")
    assert text.endswith(f"\n{END}\nbehind\n")
    assert "old" not in text
    with pytest.raises(ValueError, match="found none"):
        show([], page)
    assert page.read_text() == text
    page.write_text("no markers")
    with pytest.raises(ValueError, match="expected the markers"):
        write_tables([RESULT], page)
