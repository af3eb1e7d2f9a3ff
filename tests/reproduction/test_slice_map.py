"""The map of slices: from nothing to its table and pictures, and what stands in them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pretraining.toy_run import RECIPE
from unimedi.cli import main
from unimedi.errors import InputError
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.phantom.hospital import HospitalError
from unimedi.phantom.presets import PRESETS
from unimedi.reproduction import slice_map
from unimedi.reproduction.results import Result, find_result, read_results, write_result
from unimedi.reproduction.slice_map import AXES, CENTRE, POINTS, Axis, Point, SliceMap, chosen_points
from unimedi.reproduction.slice_map_page import BEGIN, END, pictures, readings, table
from unimedi.reproduction.terms import Terms

SMALL = replace(
    PRESETS["focal"],
    train_xray=6,
    train_ct=8,
    validation_paired=2,
    test_paired=10,
    ct_shape=(16, 32, 32),
    xray_size=(32, 40),
)
WIDE, DOUBLE = Point("wide", hospital={"lesion_width_mm": (70, 90)}), Point("double", steps=2.0)
AXIS = Axis("width", "width", {"50-90": CENTRE, "70-90": "wide"})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SliceMap:
    folder = tmp_path_factory.mktemp("map")
    (folder / "toy.yaml").write_text(yaml.safe_dump(RECIPE))
    return SliceMap(SMALL, folder / "toy.yaml", folder / "out", folder / "results", steps=2, say=lambda _: None)


@pytest.mark.slow
def test_from_nothing_to_table_and_pictures(small: SliceMap, tmp_path: Path) -> None:
    said = list[str]()
    points = (Point(CENTRE), WIDE, DOUBLE)
    files = replace(small, say=said.append).run(points)
    assert [line for line in said if line.startswith("---")] == [
        "--- focal, seed 0, 2 steps",
        "--- wide, seed 0, 2 steps",
        "--- double, seed 0, 4 steps",
    ]
    results = [next(r for r in read_results(small.results) if r.terms.name == point.name) for point in points]
    assert [result.steps for result in results] == [2, 2, 4]
    assert results[0].terms.store == results[2].terms.store != results[1].terms.store
    assert sorted(path.name for path in small.out.iterdir() if "hospital" in path.name) == ["hospital", "hospital-wide"]
    for result in results:
        hit = result.measurements.one(task="slice_selection", method="attentive", metric="hit@1")
        assert hit is not None
        assert (
            hit.n
            == result.measurements.select(task="input_ablation", metric="r@10")["input_ablation/as_shipped/r@10"].n
        )
        assert {row.method for row in result.measurements.values()} <= {*slice_map.SELECTORS, *slice_map.INPUTS}
        assert result.machine.endswith("fp32")
    text = table(results, points)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| point", "| focal", "| wide", "| double"]
    assert len({len(row) for row in rows}) == 1
    (picture,) = pictures(results, tmp_path, [AXIS])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert pictures(results[:1], tmp_path, [AXIS]) == []  # one point is no axis

    said.clear()
    assert replace(small, say=said.append).run(points) == files
    assert len(said) == len(points)
    assert all("finished before" in line for line in said)


def test_a_finished_point_serves_on_its_own_terms_alone(small: SliceMap) -> None:
    kept = [result_of(terms=small.terms(Point(CENTRE), seed, "a")) for seed in (0, 1)]
    others = [
        result_of(terms=replace(small, steps=3).terms(Point(CENTRE), 0, "a")),
        result_of(terms=small.terms(Point(CENTRE, ("--model.slices", "1")), 0, "a")),
        result_of(terms=small.terms(WIDE, 0, "b")),
    ]
    assert small.current([*others, *kept], [Point(CENTRE)]) == kept
    twice = [*kept, result_of(terms=small.terms(Point(CENTRE), 0, "b"))]
    with pytest.raises(InputError, match=r"focal is there of several hospitals \(a, b\)"):
        small.current(twice, [Point(CENTRE)])


def test_a_hospital_of_another_preset_is_refused(small: SliceMap) -> None:
    """A preset may change from version to version: what lies below ``out`` is not taken for the new one."""
    small.store(Point(CENTRE))
    with pytest.raises(HospitalError, match="look_alikes"):
        replace(small, preset=replace(small.preset, look_alikes=(0, 3))).store(Point(CENTRE))


def test_the_maps_own_points_and_axes_go_together() -> None:
    """Each is a recipe that can be read and a hospital that can be built; an axis has the centre and two others."""
    control = slice_map.of_control(Path("out"), Path("results"))
    for point in POINTS:
        assert control.terms(point, 0, "store").name == point.name
        control.preset.with_options(point.hospital)
    names = [point.name for point in POINTS]
    assert len(set(names)) == len(names)
    for axis in AXES:
        assert len(axis.points) == 3
        assert CENTRE in axis.points.values()
        assert {*axis.points.values()} <= {*names}
    halved = control.terms(next(p for p in POINTS if p.name == "steps-half"), 0, "store").budget
    assert halved == f"{control.steps // 2} steps"


def test_points_by_name() -> None:
    assert [point.name for point in chosen_points(["volume-32", CENTRE])] == [CENTRE, "volume-32"]
    assert chosen_points() == list(POINTS)
    with pytest.raises(
        InputError, match=r"no point volume-23 \(did you mean 'volume-32'\?\) in the map; there are focal"
    ):
        chosen_points(["volume-23"])


# -- the page ---------------------------------------------------------------------------------------------------------

TERMS = Terms(CENTRE, 0, "2 steps", "a", {"seed": 0})


def result_of(*rows: Measurement, terms: Terms = TERMS) -> Result:
    return Result(terms, 2, 1.0, "x86_64, 1 thread, fp32", Measurements(rows), software="unimedi 0")


def row(value: float, spread: float = 0.01, **name: Any) -> Measurement:
    return named(Estimate(value, value - spread, value + spread, 400), **name)


def inputs(metric: str, shipped: float, alone: float, random: float, spread: float) -> list[Measurement]:
    """As slice-eval writes them: differences to the volume alone, and of the others to what ships."""
    of: dict[str, Any] = {"task": "input_ablation", "metric": metric}
    values = {"as_shipped": shipped, "volume_alone": alone, "random_slices": random}
    found = [row(value, **of, method=name) for name, value in values.items()]
    found.append(row(shipped - alone, spread, **of, method="as_shipped", minus="volume_alone"))
    found.append(row(random - shipped, spread, **of, method="random_slices", minus="as_shipped"))
    return found


def hits(ours: float, **others: float) -> list[Measurement]:
    of: dict[str, Any] = {"task": "slice_selection", "metric": "hit@1"}
    found = [row(value, **of, method=name) for name, value in {"attentive": ours, **others}.items()]
    return found + [row(ours - value, 0.05, **of, method="attentive", minus=name) for name, value in others.items()]


def cells(results: Sequence[Result]) -> dict[str, str]:
    lines = [line.strip("| ").split(" | ") for line in table(results).splitlines() if line.startswith("| ")]
    return dict(zip(map(str, range(len(lines[0]))), lines[1], strict=True))


def test_a_row_says_what_slices_bring_and_marks_what_every_seed_shows() -> None:
    rows = [*hits(0.8, random=0.2, intensity=0.5), *inputs("detail_auroc", 0.7, 0.6, 0.65, 0.02)]
    unsure = [*hits(0.8, random=0.2, intensity=0.78), *inputs("detail_auroc", 0.7, 0.6, 0.65, 0.2)]
    one, both = result_of(*rows), [result_of(*rows), result_of(*unsure, terms=replace(TERMS, seed=1))]
    assert list(cells([one]).values())[:5] == ["focal", "1", "2", "0.800 ▲", "0.500 brightest anomalous patch"]
    assert list(cells([one]).values())[7:11] == ["0.700 ▲", "0.600", "0.650", "–"]
    assert cells(both)["3"] == "0.800 ± 0.000 ≈"
    assert cells(both)["7"] == "0.700 ± 0.000 ≈"
    assert readings([one], [Point(CENTRE)]) == [
        "focal: details +0.100 (outside the interval in 1 of 1) over the volume alone, +0.050 (outside the interval in "
        "1 of 1) over random slices."
    ]
    assert "+0.100 (outside the interval in 1 of 2) over the volume alone" in readings(both)[0]
    below = result_of(*inputs("r@10", 0.3, 0.4, 0.3, 0.02))
    assert "R@10 -0.100 (outside the interval in 1 of 1) over the volume alone, +0.000 (outs" in readings([below])[0]
    assert set(list(cells([result_of()]).values())[3:]) == {"–"}
    assert readings([result_of()]) == ["focal: no details and no reports to measure."]


def test_innocents_are_compared_with_planes_that_show_a_lesion() -> None:
    of: dict[str, Any] = {"task": "slice_selection", "metric": "innocents@1", "method": "attentive"}
    rows = [row(0.4, **of), row(0.15, **of, minus="random"), row(-0.01, 0.05, **of, minus="oracle")]
    assert cells([result_of(*rows)])["6"] == "0.400 ≈"
    assert cells([result_of(row(math.nan, **of))])["6"] == "–"


def test_the_committed_map_is_that_of_the_committed_points() -> None:
    docs = Path(__file__).parents[2] / "docs"
    control = slice_map.of_control(Path("out"), folder := docs / "results" / "slices")
    shown = (docs / "results.md").read_text().split(BEGIN)[1].split(END)[0]
    assert shown.strip() == table(control.current(read_results(folder), POINTS))


def test_without_any_point_there_is_no_table() -> None:
    with pytest.raises(InputError, match="expected finished points of the map of slices, found none"):
        table([result_of(terms=replace(TERMS, name="other"))])


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_fills_the_page(
    small: SliceMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the control hospital at toy size."""
    monkeypatch.setattr(slice_map, "of_control", lambda out, results, steps=None: replace(small, results=results))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nbehind\n")
    words = ["reproduce", "slices", "--out", str(small.out), "--results", str(tmp_path), "--rows", CENTRE]
    assert main([*words, "--page", str(page)]) == 0
    told = capsys.readouterr().out
    assert "| focal | 1 | 2 |" in told
    assert "focal: details" in told
    assert page.read_text().startswith(f"before\n{BEGIN}\nTest CTs: ")
    (file,) = (tmp_path / "slices").glob("*/*.json")
    terms = small.terms(Point(CENTRE), 0, read_results(tmp_path / "slices")[0].terms.store)
    assert find_result(tmp_path / "slices", terms) is not None
    assert file.parent.name == "2-steps"
    before = page.read_text()
    page.write_text(f"<!-- results:begin -->\n<!-- results:end -->\n{before.replace('focal', 'gone')}")
    write_result(result_of(terms=replace(TERMS, recipe={})), tmp_path)  # a row of the comparison
    assert main(["reproduce", "tables", "--results", str(tmp_path), "--page", str(page)]) == 0
    assert page.read_text().endswith(before)  # nothing is trained, and no hospital is needed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", "5"], "the map of slices is of equal steps: --budget, --task and --recipes do not go with it"),
        (["--rows", "joint"], "no point joint in the map"),
        (["--data", "store"], "expected one of: the word phantom, slices or tables"),
    ],
)
def test_what_does_not_go_with_the_map(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "slices", "--results", str(tmp_path / "r"), "--out", str(tmp_path), *words]) != 0
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_page_without_the_markers_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (page := tmp_path / "page.md").write_text("no markers")
    words = ["--results", str(tmp_path / "r"), "--out", str(tmp_path / "out"), "--page", str(page)]
    assert main(["reproduce", "slices", *words]) != 0
    assert f"expected the markers {BEGIN} and {END}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
