"""Slice selection over time: a section where the log has it, and every line of its picture."""

import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from unimedi.evaluation.record import Curves, Training
from unimedi.reporting import selection_over_time
from unimedi.reporting.selection_over_time import selection_curves, selection_over_time_section


def curves(layers: int = 12, worth: bool = True) -> Curves:
    names = ["volumes", "hit@1", "auroc", "random_hit@1", "innocents_hit@1", "innocents_random_hit@1"]
    names += [f"layer_{n}/{metric}" for n in range(1, layers + 1) for metric in ("hit@1", "auroc")]
    names += [
        f"l_vl/{name}" for name in ("attentive", "volume_alone", "random_slices", "oracle_slices", "chance") if worth
    ]
    steps, draws = np.arange(4, 100, 5), np.random.default_rng(0)
    return {name: (steps, draws.random(len(steps))) for name in names}


def test_the_section_says_how_many_volumes_there_are() -> None:
    measured = curves()
    measured = {**measured, "volumes": (measured["hit@1"][0], np.full(20, 64.0))}
    section = selection_over_time_section(Training(100, {}, (), measured))
    assert "with 64 validation CTs that have a masked focal lesion" in section.text
    assert len(section.pictures) == 1
    assert "A distractor looks like a lesion" in section.text
    del measured["innocents_hit@1"]
    assert "distractor" not in selection_over_time_section(Training(100, {}, (), measured)).text


def test_a_run_that_measured_none_of_it_has_no_section() -> None:
    assert not selection_over_time_section(Training(100, {}, ())).filled


def test_every_curve_is_drawn_and_layers_stand_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[plt.Figure] = []
    monkeypatch.setattr(selection_over_time, "png", lambda plot: drawn.append(plot) or b"")
    selection_curves(curves())
    hits, aurocs, worth = drawn[0].axes
    assert [len(axis.lines) for axis in (hits, aurocs, worth)] == [12 + 4, 12 + 2, 5]
    np.testing.assert_array_equal(hits.lines[1].get_ydata(), curves()["layer_2/hit@1"][1])  # not layer 10
    labels = hits.get_legend_handles_labels()[1]
    assert labels == ["layer 1", "layer 12", "the teacher's score", "random", "shows a distractor", "· random"]
    plt.close(drawn[0])


@pytest.mark.parametrize(("layers", "worth"), [(1, True), (2, False)])
def test_it_is_a_picture_without_some_of_it_too(layers: int, worth: bool) -> None:
    assert Image.open(io.BytesIO(selection_curves(curves(layers, worth)))).width > 800
