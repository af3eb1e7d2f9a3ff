"""The printed table of slice-eval: every figure under its own head, and the verdict the right way round."""

from typing import Any

from unimedi.evaluation.slices.table import as_text
from unimedi.metrics.measurement import Measurement, Measurements


def selected(method: str, *numbers: float, **fields: Any) -> Measurement:
    return Measurement(*numbers, task="slice_selection", method=method, **fields)


FIGURES = Measurements(
    [
        selected("attentive", 0.5, 0.4, 0.6, n=9, metric="hit@1"),
        selected("attentive", 0.625, n=9, metric="hit@2"),
        selected("attentive", 0.375, n=9, metric="coverage@2"),
        selected("attentive", 12.4, n=9, metric="depth_error_mm@1"),
        selected("attentive", 0.75, n=9, metric="auroc"),
        selected("attentive", 0.25, n=9, metric="ap"),
        selected("attentive", 2.5, n=9, metric="enrichment@1"),
        selected("random", 0.2, 0.1, 0.3, n=9, metric="hit@1"),
        selected("centre", 0.8, 0.7, 0.9, n=9, metric="hit@1"),
        selected("prior", 0.55, 0.4, 0.7, n=9, metric="hit@1"),
        selected("attentive", 0.3, 0.1, 0.5, n=9, minus="random", metric="hit@1"),
        selected("attentive", -0.3, -0.5, -0.1, n=9, minus="centre", metric="hit@1"),
        selected("attentive", -0.05, -0.2, 0.1, n=9, minus="prior", metric="hit@1"),
        selected("attentive", 0.125, n=4, metric="hit@1", finding="nodule"),
        selected("centre", 0.25, n=4, metric="hit@1", finding="nodule"),
    ]
)


def line(text: str, start: str) -> list[str]:
    (found,) = (row.split() for row in text.splitlines() if row.startswith(start))
    return found


def test_every_figure_under_its_head() -> None:
    text = as_text(FIGURES)
    heads, ours = line(text, "selector")[1:], line(text, "attentive: ")[5:]
    assert heads[:1] == ["hit@1"]
    assert ours == ["0.500", "0.40-0.60", "2.500", "0.625", "0.375", "12", "0.750", "0.250"]


def test_the_verdict_is_seen_from_attentive() -> None:
    text = as_text(FIGURES)
    assert line(text, "random")[-1] == "ahead"
    assert line(text, "centre")[-1] == "behind"
    assert line(text, "lesion frequency by depth")[-2:] == ["not", "significant"]


def test_groups_have_their_count_and_notes_come_last() -> None:
    text = as_text(FIGURES, ["a note"])
    assert line(text, "nodule") == ["nodule", "4", "0.125", "0.250"]
    assert text.endswith("a note")
    assert "Jaccard" not in text


def test_distractors_stand_beside_chance() -> None:
    shown = [
        selected("attentive", 0.125, 0.1, 0.15, n=9, metric="innocents@1"),
        selected("random", 0.1, 0.08, 0.12, n=9, metric="innocents@1"),
        selected("attentive", 0.025, -0.01, 0.06, n=9, minus="random", metric="innocents@1"),
    ]
    text = as_text(FIGURES | Measurements(shown))
    rows = text[text.index("innocents@1") :].splitlines()
    assert rows[0].split() == ["innocents@1", "share", "95", "%", "attentive", "minus", "this"]
    assert rows[1].split()[-2:] == ["0.125", "0.10-0.15"]
    assert rows[2].split(maxsplit=3) == ["random", "0.100", "0.08-0.12", "0.025 (-0.01 to 0.06), not significant"]
    assert rows[3].startswith("How often the chosen plane shows a distractor")
    assert "distractor" not in as_text(FIGURES)


def test_layers_are_called_by_their_number() -> None:
    layers = [Measurement(0.1 * n, n=9, task="slice_selection", method=f"layer_{n}", metric="hit@1") for n in (1, 2, 3)]
    text = as_text(FIGURES | Measurements(layers))
    assert line(text, "layer 2 of 3 alone") == ["layer", "2", "of", "3", "alone", "0.200"]


def ablated(method: str, *numbers: float, **fields: Any) -> Measurement:
    return Measurement(*numbers, task="input_ablation", method=method, **fields)


INPUTS = Measurements(
    [
        ablated("as_shipped", 0.8, n=9, metric="auroc"),
        ablated("as_shipped", 0.7, n=9, metric="auroc", finding="ground_glass"),
        ablated("as_shipped", 0.6, n=9, metric="auroc", finding="nodule"),
        ablated("as_shipped", 0.5, n=9, metric="auroc", finding="nodule", size="under_10mm"),
        ablated("as_shipped", 0.95, n=9, metric="auroc", finding="nodule", size="from_30mm"),
        ablated("as_shipped", 0.4, n=9, metric="r@10"),
        ablated("as_shipped", 0.1, 0.05, 0.15, n=9, minus="volume_alone", metric="auroc"),
        ablated("as_shipped", -0.1, -0.15, -0.05, n=9, minus="volume_alone", metric="auroc", finding="nodule"),
        ablated("as_shipped", 0.1, -0.1, 0.3, n=9, minus="volume_alone", metric="r@10"),
        ablated("volume_alone", 0.7, n=9, metric="auroc"),
        ablated("volume_alone", 0.65, n=9, metric="auroc", finding="ground_glass"),
        ablated("volume_alone", 0.7, n=9, metric="auroc", finding="nodule"),
        ablated("volume_alone", 0.45, n=9, metric="auroc", finding="nodule", size="under_10mm"),
        ablated("volume_alone", 0.3, n=9, metric="r@10"),
        ablated("volume_alone", -0.1, -0.15, -0.05, n=9, minus="as_shipped", metric="auroc"),
    ]
)


def test_inputs_stand_against_the_volume_alone() -> None:
    text = as_text(INPUTS, ["a note"])
    assert line(text, "input ") == ["input", "zero-shot", "R@10", "glass", "nodule", "<", "10", "mm", "volume", "alone"]
    assert line(text, "as shipped")[2:] == ["0.800+", "0.400", "0.700", "0.600-", "0.500", "ahead"]
    assert line(text, "volume alone, no")[4:] == ["0.700", "0.300", "0.650", "0.700", "0.450"]
    assert "random slices" not in text
    assert "0.95" not in text
    assert "R@10 from image" not in as_text(FIGURES)
