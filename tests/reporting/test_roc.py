"""The picture of ROC curves holds scikit-learn's, of the studies whose label is known."""

import io
import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Plot
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from unimedi.evaluation.record import ZeroShot
from unimedi.reporting import plots
from unimedi.reporting.zero_shot import ranked


def drawn(findings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Plot, bytes]:
    """The plot before it is closed, and its picture."""
    kept: list[Plot] = []
    png = plots.png
    monkeypatch.setattr(plots, "png", lambda plot: kept.append(plot) or png(plot))
    picture = plots.roc_curves(findings)
    return kept[0], picture


def test_the_lines_are_the_library_s_and_unknown_labels_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(0)
    labels = {name: draws.choice([0.0, 1.0, np.nan], 40) for name in ("lymph_node", "mass")}
    odds = {name: draws.normal(0, 30, 40) for name in labels}
    findings = ranked(ZeroShot(odds, labels, {}))
    plot, picture = drawn(findings, monkeypatch)
    (axis,) = plot.axes
    chance, *lines = axis.get_lines()
    assert np.array_equal(chance.get_xydata(), [[0, 0], [1, 1]])
    legend = [text.get_text() for text in axis.get_legend().get_texts()]
    for line, said, (name, label) in zip(lines, legend, labels.items(), strict=True):
        known = ~np.isnan(label)
        assert 0 < known.sum() < 40
        false_alarms, hits, _ = roc_curve(label[known], odds[name][known])
        np.testing.assert_array_equal(line.get_xdata(), false_alarms)
        np.testing.assert_array_equal(line.get_ydata(), hits)
        assert said == f"{roc_auc_score(label[known], odds[name][known]):.3f}  {name.replace('_', ' ')}"
    with Image.open(io.BytesIO(picture)) as image:
        assert len(image.convert("L").getcolors() or []) > 10  # not one colour


def test_twelve_findings_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    present = np.array([True, False, True])
    plot, _ = drawn({f"f{i}": (np.array([0.3, 0.1, float(i)]), present) for i in range(12)}, monkeypatch)
    looks = {(line.get_color(), line.get_linestyle()) for line in plot.axes[0].get_lines()[1:]}
    assert len(looks) == 12


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("expected finite scores")):
        plots.roc_curves({"mass": (np.array([np.nan, 1.0]), np.array([True, False]))})
