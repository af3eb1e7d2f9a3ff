"""Prompts are read and checked; the score is the two-way softmax of the formula."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from tests.reporting.test_zero_shot import view
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.zero_shot.prompts import DEFAULT_PROMPTS, PROMPTS, embed_prompts, read_prompts
from unimedi.evaluation.zero_shot.tasks import detail_zero_shot, log_odds, other_prompts, single_pair_scores, zero_shot
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable
from unimedi.phantom.patient.catalogue import DETAILS
from unimedi.representation.embedder import Embedder

TWELVE = {
    "nodule", "mass", "consolidation", "ground_glass", "atelectasis", "pleural_effusion", "pneumothorax",
    "cardiomegaly", "emphysema", "fibrosis", "lymph_node", "rib_fracture",
}  # fmt: skip


def test_shipped_prompts_name_every_finding_and_both_sides() -> None:
    prompts = read_prompts()
    assert set(prompts.findings) == TWELVE
    assert (prompts.version, prompts.language) == (2, "en")
    for name in ("nodule", "pleural_effusion", "pneumothorax", "rib_fracture"):
        text = " ".join(prompts.findings[name].present)
        assert "right" in text
        assert "left" in text


def test_probability_is_the_softmax_of_the_formula(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 3\nlanguage: en\nfindings:\n  x:\n    present: [a, b]\n    absent: [c]\n")
    draws = np.random.default_rng(0)
    vectors = {text: v / np.linalg.norm(v) for text, v in zip("abc", draws.normal(size=(3, 5)), strict=True)}
    images = draws.normal(size=(4, 5))
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    asked: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.stack([vectors[text] for text in texts])

    odds = log_odds(images, embed_prompts(encode, read_prompts(path), ["x", "no_prompts"]), scale=10.0)
    assert asked == ["a", "b", "c"]
    assert set(odds) == {"x"}
    for row, image in enumerate(images):
        mean = (vectors["a"] + vectors["b"]) / 2
        present = math.exp(10 * float(image @ mean) / math.sqrt(float(mean @ mean)))
        absent = math.exp(10 * float(image @ vectors["c"]))
        assert expit(odds["x"][row]) == pytest.approx(present / (present + absent), abs=1e-9)


def test_a_finding_without_absent_sentences_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nlanguage: en\nfindings:\n  mass:\n    present: [a]\n    absent: []\n")
    with pytest.raises(ValueError, match="'absent' sentence for mass"):
        read_prompts(path)


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_names_the_same_findings_and_is_what_its_name_says(path: Path) -> None:
    prompts = read_prompts(path)
    assert set(prompts.findings) == TWELVE
    assert f"_{prompts.language}_" in path.stem
    assert path.stem.endswith(f"v{prompts.version}")
    for finding, prompt in {**prompts.findings, **prompts.details}.items():
        for side in (prompt.present, prompt.absent):
            assert len(side) >= 3, finding
            assert len(set(side)) == len(side), finding
            assert all(text.endswith(".") and text[0].isupper() and "  " not in text for text in side), finding
        assert not set(prompt.present) & set(prompt.absent)


def test_lists_are_combined_and_an_empty_word_leaves_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    side = "{sentence: '{severity} {sign} {place}.', severity: ['', large], sign: [mass], place: [left, right]}"
    path.write_text(f"version: 1\nlanguage: en\nfindings:\n  mass:\n    present: {side}\n    absent: [No mass.]\n")
    assert read_prompts(path).findings["mass"].present == (
        "Mass left.",
        "Mass right.",
        "Large mass left.",
        "Large mass right.",
    )


@pytest.mark.parametrize("lists", ["sign: [a], extra: [b]", "other: [a]", ""])
def test_placeholders_without_a_list_are_named(tmp_path: Path, lists: str) -> None:
    path = tmp_path / "p.yaml"
    side = f"{{sentence: '{{sign}}.', {lists}}}"
    path.write_text(f"version: 1\nlanguage: en\nfindings:\n  mass:\n    present: {side}\n    absent: [No.]\n")
    with pytest.raises(ValueError, match=r"p\.yaml: mass, present: expected a list for each of \['sign'\]"):
        read_prompts(path)


def test_single_pairs_order_images_as_each_pair_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nlanguage: en\nfindings:\n  x:\n    present: [a, b]\n    absent: [c, d]\n")
    draws = np.random.default_rng(1)
    vectors = dict(zip("abcd", draws.normal(size=(4, 5)), strict=True))
    images = draws.normal(size=(6, 5))
    (prompt,) = embed_prompts(lambda texts: np.stack([vectors[t] for t in texts]), read_prompts(path), ["x"]).values()
    pairs = single_pair_scores(images, prompt)
    expected = [[image @ vectors[p] - image @ vectors[a] for p in "ab" for a in "cd"] for image in images]
    np.testing.assert_allclose(pairs, expected, atol=1e-9)


def test_a_finding_can_be_held_against_the_others(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nlanguage: en\nagainst_others: true\nfindings:\n"
        "  x: {present: [a, both], absent: [none]}\n  y: {present: [b, both], absent: [none]}\n"
    )
    findings = read_prompts(path).findings
    assert findings["x"].present == ("a", "both")
    assert findings["x"].absent == ("none", "b")
    assert findings["y"].absent == ("none", "a")


class Placed(Embedder):
    """Three sentences at places of a plane, and a strong scale."""

    scale = 100.0  # type: ignore[assignment]

    def __init__(self) -> None:
        """Without a model."""

    def texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
        places = {"there": [1.0, 0.0], "away": [-1.0, 0.0], "nearly": [-0.96, 0.28]}
        return np.array([places[text] for text in texts])


def test_log_odds_of_50_and_60_are_ranked(tmp_path: Path) -> None:
    """As probabilities both are 1: an AUROC of them would be .5, the choice between two findings a tie."""
    sides = "{present: [there], absent: [away]}, y: {present: [there], absent: [nearly]}"
    own = tmp_path / "own_en_v1.yaml"
    own.write_text(f"version: 1\nlanguage: en\nfindings: {{x: {sides}}}\n")
    embedder = Placed()
    cosine = np.array([0.25, 0.3, 0.25, 0.3])
    images = np.stack([cosine, -np.sqrt(1 - cosine**2)], axis=1)
    np.testing.assert_allclose(
        log_odds(images, embed_prompts(embedder.texts, read_prompts(own), ["x"]), 100.0)["x"], [50, 60, 50, 60]
    )
    seen = view({"x": [0.0, 1.0, 0.0, 1.0], "y": [1.0, 0.0, 1.0, 0.0]}, images)
    store = Store.__new__(Store)
    store.studies = (SimpleNamespace(language="en"),)  # type: ignore[assignment]
    options = EvaluationOptions(prompts=own, classes=("x", "y"), multiclass=True)
    result = zero_shot(seen, store, embedder, options)
    figures = result.measurements
    figures |= other_prompts(view({"x": [0.0, 1.0, 0.0, 1.0]}, images), store, embedder, options).measurements
    assert result.predictions is not None
    assert result.predictions.probabilities["x"].tolist() == [1.0] * 4
    for key in ("zero_shot/xray/auroc/x", "zero_shot/xray/ap/x", "zero_shot_by_prompts/xray/own_en_v1/auroc"):
        assert figures[key].value == 1.0
    assert figures["zero_shot/xray/acc/x"].value == 0.5
    assert figures["zero_shot/xray/multiclass_accuracy"].value == 0.5  # y scores higher in all four, which is no tie


def test_what_has_no_prompt_is_said_where_nothing_else_can_be_measured(tmp_path: Path) -> None:
    own = tmp_path / "own_en_v1.yaml"
    own.write_text("version: 1\nlanguage: en\nfindings: {x: {present: [there], absent: [away]}}\n")
    seen = view({"x": [1.0, 1.0], "xx": [0.0, 1.0]}, np.eye(2))
    said = "no finding has both classes in this split; no prompts in own_en_v1 for xx"
    with pytest.raises(NotComputable, match=said):
        zero_shot(seen, Store.__new__(Store), Placed(), EvaluationOptions(prompts=own))


# -- details ----------------------------------------------------------------------------------------------------------


def without_details(path: Path) -> Path:
    """The shipped file as it was before it had details."""
    text = DEFAULT_PROMPTS.read_text(encoding="utf-8")
    path.write_text(text[: text.index("details:\n")], encoding="utf-8")
    return path


def test_details_change_no_sentence_of_a_finding(tmp_path: Path) -> None:
    before, now = read_prompts(without_details(tmp_path / "before.yaml")), read_prompts()
    assert before.findings == now.findings
    assert not before.details
    assert tuple(now.details) == EvaluationOptions().details == DETAILS
    said = {text for prompt in now.findings.values() for side in (prompt.present, prompt.absent) for text in side}
    for prompt in now.details.values():
        assert not {*prompt.present, *prompt.absent} & said
        for side in (prompt.present, prompt.absent):
            assert sum("right" in text for text in side) == sum("left" in text for text in side) == len(side) / 2


def test_a_detail_is_compared_with_its_own_absent_sentences_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nlanguage: en\nagainst_others: true\nfindings:\n"
        "  x: {present: [a], absent: [none]}\n  y: {present: [b], absent: [none]}\n"
        "details:\n  rough: {present: [r], absent: [s]}\n  hard: {present: [h], absent: [k]}\n"
    )
    prompts = read_prompts(path)
    assert prompts.findings["x"].absent == ("none", "b")
    assert prompts.details["rough"].absent == ("s",)
    vectors = dict(zip(("r", "s", "h", "k", "a", "b", "none"), np.eye(7), strict=True))
    found = embed_prompts(lambda texts: np.stack([vectors[t] for t in texts]), prompts, ["rough", "x"])
    assert found["rough"].absent.tolist() == [vectors["s"].tolist()]


class Drawn(Embedder):
    """Each sentence somewhere, the same each time."""

    scale = 10.0  # type: ignore[assignment]

    def __init__(self) -> None:
        """Without a model."""

    def texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
        rows = np.stack([np.random.default_rng(list(text.encode())).normal(size=5) for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_details_have_a_mean_of_their_own_and_leave_that_of_findings_alone(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    images = draws.normal(size=(30, 5))
    labels = {name: draws.integers(0, 2, 30).tolist() for name in ("mass", "nodule")}
    rough = {"spiculated": draws.integers(0, 2, 30) * 1.0, "calcified": draws.integers(0, 2, 30) * 1.0}
    rough["calcified"][:5] = np.nan
    rough |= {"cavitating": np.ones(30), "lobulated": draws.integers(0, 2, 30) * 1.0}
    seen, store = view(labels, images), Store.__new__(Store)
    store.studies = ()  # type: ignore[assignment]
    object.__setattr__(seen, "name", "validation")
    plain = zero_shot(seen, store, Drawn(), EvaluationOptions(prompts=without_details(tmp_path / "before.yaml")))
    object.__setattr__(seen, "details", rough)
    now = zero_shot(seen, store, Drawn(), EvaluationOptions())
    assert now.measurements.to_json() == plain.measurements.to_json()
    result = detail_zero_shot(seen, Drawn(), EvaluationOptions())
    scores = log_odds(images, embed_prompts(Drawn().texts, read_prompts(), list(rough)), 10.0)
    areas = {}
    for name in ("spiculated", "calcified"):
        known = ~np.isnan(rough[name])
        areas[name] = roc_auc_score(rough[name][known], scores[name][known])
    found = {key: row.value for key, row in result.measurements.items()}
    each = {f"zero_shot/xray/auroc/{name}": value for name, value in areas.items()}
    assert found == pytest.approx({"zero_shot/xray/detail_auroc": np.mean([*areas.values()]), **each})
    assert result.notes == [
        "zero-shot of details, xray: no prompts in chest_en_v2 for lobulated",
        "zero-shot of details, xray: only one class in this split for cavitating",
    ]
    object.__setattr__(seen, "details", {"lobulated": rough["lobulated"]})
    with pytest.raises(NotComputable, match="no prompts in chest_en_v2 for any of lobulated"):
        detail_zero_shot(seen, Drawn(), EvaluationOptions())
