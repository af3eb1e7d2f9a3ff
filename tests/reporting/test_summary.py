"""The lines at the top claim what an interval carries, and nothing else."""

from typing import Any

from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting.summary import summary


def said(rows: list[Measurement], shown: bool) -> str:
    claims = summary(Measurements(rows))
    return " | ".join(text for lead, items in claims if lead.startswith("Shown") is shown for text in items)


def test_findings_are_read_blind_or_neither() -> None:
    xray: Any = {"task": "zero_shot", "modality": "xray"}
    auroc = xray | {"metric": "auroc"}
    rows = [
        Measurement(0.7, 0.6, 0.8, 400, **auroc),
        Measurement(0.9, 0.85, 0.95, 400, **auroc, finding="mass"),
        Measurement(0.52, 0.45, 0.6, 400, **auroc, finding="nodule"),
        Measurement(0.65, 0.55, 0.75, 400, **auroc, finding="fibrosis"),
        Measurement(0.3, 0.28, 0.33, 400, **xray, metric="ece"),
    ]
    assert said(rows, True) == "reading mass off an X-ray without a label (AUROC 0.90)"
    assert "telling nodule from chance on an X-ray" in said(rows, False)
    assert "ECE 0.300" in said(rows, False)
    assert "fibrosis" not in said(rows, True) + said(rows, False)


def test_retrieval_is_shown_above_chance_only() -> None:
    def rows(low: float) -> list[Measurement]:
        paired: Any = {"task": "cross_modal", "modality": "xray_to_ct", "variant": "paired"}
        return [
            Measurement(0.1, low, 0.2, 400, **paired, metric="r@10"),
            Measurement(0.025, **paired, metric="chance@10"),
        ]

    assert "4.0 times chance" in said(rows(0.05), True)
    assert "4.0 times chance" in said(rows(0.02), False)


def test_features_must_beat_pixels_too() -> None:
    def rows(*pca: float) -> list[Measurement]:
        probe: Any = {"task": "linear_probe", "modality": "ct", "share": 0.1, "metric": "auroc"}
        return [
            Measurement(0.7, 0.65, 0.75, 400, **probe),
            Measurement(0.1, 0.05, 0.15, 400, **probe, minus="random_init"),
            Measurement(*pca, **probe, minus="pca"),
        ]

    assert "from 10 % of the labels" in said(rows(0.1, 0.05, 0.15), True)
    assert "-0.030 on PCA of the pixels (worse)" in said(rows(-0.03, -0.05, -0.01), False)
    assert "(not significant)" in said(rows(0.03, -0.05, 0.1), False)


def test_slices_must_beat_all_blind_rules() -> None:
    hit: Any = {"task": "slice_selection", "method": "attentive", "metric": "hit@1"}
    rows = [
        Measurement(0.5, 0.4, 0.6, 200, **hit),
        Measurement(0.3, 0.2, 0.4, 200, **hit, minus="random"),
        Measurement(0.1, 0.05, 0.2, 200, **hit, minus="centre"),
        Measurement(0.9, 0.8, 1.0, 50, **hit, size="from_30mm"),
    ]
    assert "choosing the slice with the lesion (hit@1 0.500" in said(rows, True)
    rows.append(Measurement(0.0, -0.1, 0.1, 200, **hit, minus="prior"))
    assert "+0.000 on the usual depth (not significant)" in said(rows, False)


def test_nothing_measured_says_nothing() -> None:
    assert summary(Measurements()) == []
