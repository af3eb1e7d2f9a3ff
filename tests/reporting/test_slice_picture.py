"""The picture of slice-eval is drawn from measurements alone, with an interval or without."""

import io

import numpy as np
from PIL import Image

from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.reporting.slice_picture import selection_picture


def row(method: str, value: float, metric: str = "hit@1", low: float = float("nan"), size: str = "") -> Measurement:
    estimate = Estimate(value, low, 2 * value - low, n=9)
    return named(estimate, task="slice_selection", method=method, metric=metric, size=size)


def pixels(rows: list[Measurement]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(selection_picture(Measurements(rows)))).convert("RGB"), dtype=np.int16)


def test_a_value_and_its_interval_are_seen_and_other_rows_are_not() -> None:
    rows = [row("attentive", 0.4, low=0.3), row("attentive", 0.6, "hit@2"), row("attentive", 0.5, size="under_10mm")]
    shown = pixels(rows)
    others = [
        row("attentive", 0.9, "coverage@1"),
        named(row("attentive", 0.1), minus="random"),
        named(row("attentive", 0.1), finding="nodule"),
    ]
    np.testing.assert_array_equal(shown, pixels([*rows, *others]))
    assert (shown != pixels([row("attentive", 0.8, low=0.3), *rows[1:]])).any()
    assert (shown != pixels([row("attentive", 0.4), *rows[1:]])).any()
