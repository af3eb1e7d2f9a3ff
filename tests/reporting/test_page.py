"""The page of a record made by hand: every section says what its record says, and text from outside stays text."""

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.evaluation.test_saved import record
from tests.reporting.test_zero_shot import view
from unimedi.doctor import histograms
from unimedi.evaluation.examples.space_map import LEAST, space_map
from unimedi.evaluation.record import EvaluationRecord, Failures
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting.failures import failures_section
from unimedi.reporting.page import render
from unimedi.reporting.report import draw
from unimedi.reporting.schema import Cell, Section, Table, Tile
from unimedi.reporting.sections import retrieval_section, slices_section, space_section, training_section
from unimedi.reporting.tiles import in_words, panels
from unimedi.reporting.zero_shot import zero_shot_section


def words(page: str) -> str:
    """What a reader sees of a page."""
    return html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)))


@pytest.fixture
def drawable() -> EvaluationRecord:
    """The record by hand with zero-shot of both classes and no task: all of it can be drawn."""
    made = record()
    one = made.zero_shot["xray"]
    labels = {"mass": np.array([1.0, 0.0])}
    zero_shot = {"xray": replace(one, log_odds={"mass": np.array([2.0, -1.0])}, labels=labels)}
    return replace(made, zero_shot=zero_shot, task=None)


def test_text_from_outside_stays_text() -> None:
    sneaky = "<script>alert(1)</script>"
    table = Table(sneaky, (sneaky,), [[sneaky, Cell(sneaky, "soft", below=[("soft", sneaky)])]], folded=sneaky)
    section = Section(
        "one", sneaky, sneaky, [(sneaky, [sneaky])], [table], [Tile(sneaky, "data:,")], [(sneaky, [Tile(sneaky)])]
    )
    page = render(sneaky, sneaky, [section, replace(section, files=[(sneaky, sneaky)])])
    assert "<script" not in page
    assert words(page).count(sneaky) > 20


def test_the_contents_name_all_sections_but_the_first() -> None:
    page = render(
        "t", "s", [Section("a", "First"), Section("b", "Second"), Section("c", "Third, at length", short="C")]
    )
    assert re.findall(r'<a href="#(\w)">([^<]*)</a>', page) == [("b", "Second"), ("c", "C")]


def test_every_section_of_a_record_is_drawn(drawable: EvaluationRecord) -> None:
    auroc = {"task": "zero_shot", "modality": "xray", "metric": "auroc"}
    rows = [Measurement(0.5, **auroc), Measurement(0.5, **auroc, finding="mass")]
    page = draw(drawable, Measurements(rows))
    for id in (
        "summary", "figures", "compare", "cohort", "training", "slices-over-time", "zero-shot", "failures", "slices",
        "attention",
    ):  # fmt: skip
        assert f'<section id="{id}">' in page
    for said in ("no masks", "unimedi evaluate run", "seed: 0", "Derrame “pequeño”.", "Warnings: collapse."):
        assert said in words(page)
    assert '<section id="task">' not in page


def test_failures_in_words() -> None:
    (calls, late, planes) = failures_section(record()).tiles
    assert calls[0] == "Zero-shot, X-ray, misses: 1 studies"
    assert calls[1][0].caption == "s1: missed mass (0.10). Has: pleural effusion"
    assert late[1][0].caption == "s1: own report at rank 2 of 2. Has: pleural effusion; first answer: no known finding"
    assert planes[1][0].caption == "s1: plane 4, lesion in 6, 4 mm away. Has: pleural effusion"
    assert not failures_section(replace(record(), failures=Failures())).filled


def test_queries_become_panels() -> None:
    (queries,) = record().reports
    made = panels(queries)
    assert (made.name, made.text_query, made.text_answers) == ("X-ray → report", False, True)
    (answer,) = made.panels[0].answers
    assert (answer.caption, answer.right, answer.text[:7], answer.image) == ("1. ", True, "Derrame", "")
    assert made.panels[0].query.image.startswith("data:image/png;base64,")
    assert in_words(["pleural_effusion", "mass"]) == "pleural effusion, mass"


def test_precision_by_class_is_a_row_for_each_class() -> None:
    drawn = {"task": "retrieval", "modality": "xray", "variant": "2x10"}
    rows = [Measurement(k / 20, **drawn, metric=f"p@{k}") for k in (1, 5, 10)]
    rows += [Measurement(k / 10, **drawn, metric=f"p@{k}", finding="lymph_node") for k in (1, 5, 10)]
    rows.append(Measurement(0.5, n=20, **drawn, metric="chance"))
    (table,) = retrieval_section(record(), Measurements(rows)).tables
    assert table.rows == [
        ["2 classes, 10 studies each", "0.050", "0.250", "0.500", "0.500"],
        ["lymph node", "0.100", "0.500", "1.000", "0.500"],
    ]
    assert table.styles == ["ours", ""]


def test_what_was_not_measured_has_no_section() -> None:
    empty = replace(record(), slices=None, space=None, training=replace(record().training, curves={}))
    assert not slices_section(empty, Measurements()).filled
    assert not space_section(empty, Measurements()).filled
    assert not training_section(empty, Measurements()).filled
    assert histograms.measure_histograms([]) is None


def test_a_map_has_a_place_for_each_study_and_few_studies_have_none() -> None:
    embedding = np.random.default_rng(0).normal(size=(LEAST, 4)).astype(np.float32)
    labels = {"mass": [1.0] * 5 + [0.0] * (LEAST - 5)}
    first, again = (space_map({"xray": view(labels, embedding)}, seed=3) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.places.shape == (LEAST, 2)
    np.testing.assert_array_equal(first.places, again.places)
    assert first.findings == (("mass",),) * 5 + (("normal",),) * (LEAST - 5)
    few = {"mass": labels["mass"][1:]}
    assert space_map({"xray": view(few, embedding[1:])}, seed=3) is None


@pytest.mark.parametrize("findings", [True, False], ids=["beside findings", "alone"])
def test_details_have_a_table_where_zero_shot_stands(drawable: EvaluationRecord, findings: bool) -> None:
    ct: dict[str, Any] = {"task": "zero_shot", "modality": "xray"}
    rows = [Measurement(0.5, **ct, metric="auroc"), Measurement(0.5, **ct, metric="auroc", finding="mass")]
    detailed = [
        Measurement(0.61, 0.55, 0.67, 9, **ct, metric="detail_auroc"),
        Measurement(0.625, 0.5, 0.7, 9, **ct, metric="auroc", finding="part_solid"),
    ]
    record = drawable if findings else replace(drawable, zero_shot={})
    plain = zero_shot_section(record, Measurements(rows if findings else []))
    section = zero_shot_section(record, Measurements([*(rows if findings else []), *detailed]))
    (table,) = [one for one in section.tables if one.name not in {each.name for each in plain.tables}]
    assert table.name == "X-ray: what the reports say of lesions (counts in no mean over findings)"
    assert [[*row] for row in table.rows] == [
        ["all details", "0.610 (0.55–0.67)"],
        ["part solid", "0.625 (0.50–0.70)"],
    ]
    assert section.pictures == plain.pictures
    assert section.filled


def test_the_page_says_how_often_chosen_planes_show_a_distractor(drawable: EvaluationRecord) -> None:
    of: dict[str, Any] = {"task": "slice_selection", "metric": "innocents@1"}
    rows = [
        Measurement(0.125, 0.1, 0.15, 9, **of, method="attentive"),
        Measurement(0.25, 0.2, 0.3, 9, **of, method="random"),
        Measurement(-0.125, -0.2, -0.05, 9, **of, method="attentive", minus="random"),
    ]
    said = slices_section(drawable, Measurements(rows)).text
    assert (
        "the 9 with a distractor, which no report mentions, the one chosen plane shows it in 0.125 (0.10–0.15), "
        in said
    )
    assert "a random one in 0.250 (0.20–0.30): " in said
    assert said.endswith("the difference is -0.125 (-0.20 to -0.05), lower.")
    assert "distractor" not in slices_section(drawable, Measurements(rows[:1])).text
