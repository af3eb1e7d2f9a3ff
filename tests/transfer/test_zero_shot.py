"""Prompts are read and checked; the score is the two-way softmax of the formula."""

import math
from pathlib import Path

import numpy as np
import pytest

from unimedi.transfer.zero_shot import finding_scores, read_prompts

TWELVE = {
    "nodule", "mass", "consolidation", "ground_glass", "atelectasis", "pleural_effusion", "pneumothorax",
    "cardiomegaly", "emphysema", "fibrosis", "lymph_node", "rib_fracture",
}  # fmt: skip


def test_shipped_prompts_name_every_finding_and_both_sides() -> None:
    prompts = read_prompts()
    assert set(prompts.findings) == TWELVE
    assert (prompts.version, prompts.language) == (1, "en")
    for name in ("nodule", "pleural_effusion", "pneumothorax", "rib_fracture"):
        text = " ".join(prompts.findings[name].present)
        assert "right" in text
        assert "left" in text


def test_score_is_the_softmax_of_the_formula(tmp_path: Path) -> None:
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

    scores = finding_scores(images, encode, read_prompts(path), ["x", "no_prompts"], scale=10.0)
    assert asked == ["a", "b", "c"]
    assert set(scores) == {"x"}
    for row, image in enumerate(images):
        mean = (vectors["a"] + vectors["b"]) / 2
        present = math.exp(10 * float(image @ mean) / math.sqrt(float(mean @ mean)))
        absent = math.exp(10 * float(image @ vectors["c"]))
        assert scores["x"][row] == pytest.approx(present / (present + absent), abs=1e-9)


def test_a_finding_without_absent_sentences_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nlanguage: en\nfindings:\n  mass:\n    present: [a]\n    absent: []\n")
    with pytest.raises(ValueError, match="'absent' sentence for mass"):
        read_prompts(path)
