"""The printed table of slice-eval: every figure under its own head, and the verdict the right way round."""

from unimedi.evaluation.slices.table import as_text
from unimedi.metrics.bootstrap import Estimate

FIGURES = {
    "slice_selection/attentive/hit@1": Estimate(0.5, 0.4, 0.6, n=9),
    "slice_selection/attentive/hit@2": Estimate(0.625, n=9),
    "slice_selection/attentive/coverage@2": Estimate(0.375, n=9),
    "slice_selection/attentive/depth_error_mm@1": Estimate(12.4, n=9),
    "slice_selection/attentive/auroc": Estimate(0.75, n=9),
    "slice_selection/attentive/ap": Estimate(0.25, n=9),
    "slice_selection/attentive/times_random/hit@1": Estimate(2.5, n=9),
    "slice_selection/random/hit@1": Estimate(0.2, 0.1, 0.3, n=9),
    "slice_selection/centre/hit@1": Estimate(0.8, 0.7, 0.9, n=9),
    "slice_selection/prior/hit@1": Estimate(0.55, 0.4, 0.7, n=9),
    "slice_selection/attentive/minus_random/hit@1": Estimate(0.3, 0.1, 0.5, n=9),
    "slice_selection/attentive/minus_centre/hit@1": Estimate(-0.3, -0.5, -0.1, n=9),
    "slice_selection/attentive/minus_prior/hit@1": Estimate(-0.05, -0.2, 0.1, n=9),
    "slice_selection/attentive/hit@1/nodule": Estimate(0.125, n=4),
    "slice_selection/centre/hit@1/nodule": Estimate(0.25, n=4),
}


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


def test_layers_are_called_by_their_number() -> None:
    layers = {f"slice_selection/layer_{n}/hit@1": Estimate(0.1 * n, n=9) for n in (1, 2, 3)}
    text = as_text(FIGURES | layers)
    assert line(text, "layer 2 of 3 alone") == ["layer", "2", "of", "3", "alone", "0.200"]


INPUTS = {
    "slice_inputs/as_shipped/auroc": Estimate(0.8, n=9),
    "slice_inputs/as_shipped/auroc/ground_glass": Estimate(0.7, n=9),
    "slice_inputs/as_shipped/auroc/nodule": Estimate(0.6, n=9),
    "slice_inputs/as_shipped/auroc/nodule/under_10mm": Estimate(0.5, n=9),
    "slice_inputs/as_shipped/auroc/nodule/from_30mm": Estimate(0.95, n=9),
    "slice_inputs/as_shipped/r@10": Estimate(0.4, n=9),
    "slice_inputs/as_shipped/minus_volume_alone/auroc": Estimate(0.1, 0.05, 0.15, n=9),
    "slice_inputs/as_shipped/minus_volume_alone/auroc/nodule": Estimate(-0.1, -0.15, -0.05, n=9),
    "slice_inputs/as_shipped/minus_volume_alone/r@10": Estimate(0.1, -0.1, 0.3, n=9),
    "slice_inputs/volume_alone/auroc": Estimate(0.7, n=9),
    "slice_inputs/volume_alone/auroc/ground_glass": Estimate(0.65, n=9),
    "slice_inputs/volume_alone/auroc/nodule": Estimate(0.7, n=9),
    "slice_inputs/volume_alone/auroc/nodule/under_10mm": Estimate(0.45, n=9),
    "slice_inputs/volume_alone/r@10": Estimate(0.3, n=9),
    "slice_inputs/volume_alone/minus_as_shipped/auroc": Estimate(-0.1, -0.15, -0.05, n=9),
}


def test_inputs_stand_against_the_volume_alone() -> None:
    text = as_text(INPUTS, ["a note"])
    assert line(text, "input ") == ["input", "zero-shot", "R@10", "glass", "nodule", "<", "10", "mm", "volume", "alone"]
    assert line(text, "as shipped")[2:] == ["0.800+", "0.400", "0.700", "0.600-", "0.500", "ahead"]
    assert line(text, "volume alone, no")[4:] == ["0.700", "0.300", "0.650", "0.700", "0.450"]
    assert "random slices" not in text
    assert "0.95" not in text
    assert "R@10 from image" not in as_text(FIGURES)
