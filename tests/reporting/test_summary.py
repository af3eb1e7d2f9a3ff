"""The lines at the top claim what an interval carries, and nothing else."""

from unimedi.metrics.bootstrap import Estimate
from unimedi.reporting.summary import summary


def said(figures: dict[str, Estimate], shown: bool) -> str:
    return " | ".join(text for lead, items in summary(figures) if lead.startswith("Shown") is shown for text in items)


def test_findings_are_read_blind_or_neither() -> None:
    key = "zero_shot/xray/auroc"
    figures = {
        key: Estimate(0.7, 0.6, 0.8, 400),
        f"{key}/mass": Estimate(0.9, 0.85, 0.95, 400),
        f"{key}/nodule": Estimate(0.52, 0.45, 0.6, 400),
        f"{key}/fibrosis": Estimate(0.65, 0.55, 0.75, 400),
        "zero_shot/xray/ece": Estimate(0.3, 0.28, 0.33, 400),
    }
    assert said(figures, True) == "reading mass off an X-ray without a label (AUROC 0.90)"
    assert "telling nodule from chance on an X-ray" in said(figures, False)
    assert "ECE 0.300" in said(figures, False)
    assert "fibrosis" not in said(figures, True) + said(figures, False)


def test_retrieval_is_shown_above_chance_only() -> None:
    def figures(low: float) -> dict[str, Estimate]:
        return {
            "cross_modal/xray_to_ct/paired/r@10": Estimate(0.1, low, 0.2, 400),
            "cross_modal/xray_to_ct/paired/chance@10": Estimate(0.025),
        }

    assert "4.0 times chance" in said(figures(0.05), True)
    assert "4.0 times chance" in said(figures(0.02), False)


def test_features_must_beat_pixels_too() -> None:
    def figures(pca: Estimate) -> dict[str, Estimate]:
        key = "linear_probe/ct/10%"
        return {
            f"{key}/auroc": Estimate(0.7, 0.65, 0.75, 400),
            f"{key}/minus_random_init/auroc": Estimate(0.1, 0.05, 0.15, 400),
            f"{key}/minus_pca/auroc": pca,
        }

    assert "from 10 % of the labels" in said(figures(Estimate(0.1, 0.05, 0.15)), True)
    assert "-0.030 on PCA of the pixels (worse)" in said(figures(Estimate(-0.03, -0.05, -0.01)), False)
    assert "(not significant)" in said(figures(Estimate(0.03, -0.05, 0.1)), False)


def test_slices_must_beat_all_blind_rules() -> None:
    key = "slice_selection/attentive"
    figures = {
        f"{key}/hit@1": Estimate(0.5, 0.4, 0.6, 200),
        f"{key}/minus_random/hit@1": Estimate(0.3, 0.2, 0.4, 200),
        f"{key}/minus_centre/hit@1": Estimate(0.1, 0.05, 0.2, 200),
    }
    assert "choosing the slice" in said(figures, True)
    figures[f"{key}/minus_prior/hit@1"] = Estimate(0.0, -0.1, 0.1, 200)
    assert "+0.000 on the usual depth (not significant)" in said(figures, False)


def test_nothing_measured_says_nothing() -> None:
    assert summary({}) == []
