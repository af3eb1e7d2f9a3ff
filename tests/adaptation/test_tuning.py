"""Fine-tuning: one path for both kinds, the choice made on validation, the same seed gives the same figures."""

from dataclasses import replace
from pathlib import Path
from statistics import stdev
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score

from tests.hospital import FINDINGS, write_hospital, write_pretrained
from tests.tiny import tiny_batch, tiny_model
from unimedi.adaptation.classifier import Classifier, finding_loss, image_tokens, label_matrix
from unimedi.adaptation.fine_tune import FindingModel, finding_task, fine_tune
from unimedi.adaptation.settings import FineTuneSettings
from unimedi.adaptation.training import BestWeights, DivergedError, train
from unimedi.adaptation.tuning import train_best
from unimedi.inputs.labels import subsample
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.classification import NO_CHOICE, best_threshold
from unimedi.metrics.measurement import Measurements

QUICK = FineTuneSettings(
    fractions=(0.5, 1.0), seeds=(0, 1), steps=3, batch=4, learning_rates=(1e-3,), checks=1, resamples=20
)


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tuning")
    write_hospital(folder / "store")
    return write_pretrained(folder / "run" / "pretrained").parent, folder / "store"


@pytest.fixture(scope="module")
def figures(ground: tuple[Path, Path]) -> Measurements:
    return fine_tune(*ground, QUICK, silent)


@pytest.mark.parametrize("slices", [0, 2])
def test_the_classifier_reads_what_the_model_embeds(slices: int) -> None:
    model, batch = tiny_model(slices=slices), tiny_batch()
    for stored in (batch.radiographs, batch.hires_volumes):
        assert stored is not None
        expected = model.encode_images(stored).cls
        assert torch.equal(model.vision(image_tokens(model, stored)).cls, expected)


def test_loss_of_known_labels_by_hand() -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]])
    labels = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    terms = [-np.log(1 / (1 + np.exp(-0.3))), -np.log(1 - 1 / (1 + np.exp(-2.0))), -np.log(1 / (1 + np.exp(-0.5)))]
    assert finding_loss(logits, labels).item() == pytest.approx(np.mean(terms), rel=1e-6)
    assert finding_loss(logits, torch.full((2, 2), float("nan"))).item() == 0


def test_every_row_of_both_kinds_is_there(figures: Measurements) -> None:
    for kind in ("xray", "ct"):
        for fraction in ("50%", "100%"):
            for arm in ("", "random_init/"):
                row = f"fine_tune/{kind}/{arm}{fraction}"
                one = figures[f"{row}/auroc"]
                assert one.low <= one.value <= one.high
                for metric in ("auroc", "ap", "acc", "balanced_acc", "f1", "ece"):
                    by_finding = {f"{row}/{metric}/{name}" for name in FINDINGS}
                    assert {f"{row}/{metric}", *by_finding} <= set(figures)
            ours, other = (figures[f"fine_tune/{kind}/{arm}{fraction}/auroc"] for arm in ("", "random_init/"))
            gained = figures[f"fine_tune/{kind}/{fraction}/minus_random_init/auroc"].value
            assert gained == pytest.approx(ours.value - other.value)
        assert figures[f"fine_tune/{kind}/50%/training_studies"].value == 6


def test_same_seed_same_figures(ground: tuple[Path, Path], figures: Measurements) -> None:
    assert fine_tune(*ground, QUICK, silent) == figures


def test_spread_over_seeds_is_that_of_single_seeds_and_every_metric_is_their_mean(
    ground: tuple[Path, Path], figures: Measurements
) -> None:
    settings = replace(QUICK, kinds=("xray",), fractions=(0.5,))
    single = [fine_tune(*ground, replace(settings, seeds=(seed,)), silent) for seed in QUICK.seeds]
    for row in ("fine_tune/xray", "fine_tune/xray/random_init"):
        values = [one[f"{row}/50%/auroc"].value for one in single]
        spread_of = figures[f"{row}/50%/auroc_seed_sd"]
        assert (spread_of.value, spread_of.n) == (pytest.approx(stdev(values)), 2)
        assert f"{row}/100%/auroc_seed_sd" not in figures
        for metric in ("auroc", "ap", "acc", "balanced_acc/nodule", "f1", "ece"):
            mean = np.mean([one[f"{row}/50%/{metric}"].value for one in single])
            assert figures[f"{row}/50%/{metric}"].value == pytest.approx(mean)
    assert not [key for one in single for key in one if key.endswith("seed_sd")]


def toy_model(validation: np.ndarray, test: np.ndarray, shift: float = 0.0) -> FindingModel:
    """Rows of (label, logit) a split; ``shift`` is added to the test logits."""
    rows = np.concatenate([validation, test])
    logits = rows[:, 1] + shift * (np.arange(len(rows)) >= len(validation))
    studies = [
        SimpleNamespace(patient_id=str(i), labels={"x": None if np.isnan(row[0]) else bool(row[0])})
        for i, row in enumerate(rows)
    ]
    classifier, store = Classifier.__new__(Classifier), Store.__new__(Store)  # no model, no file: logits and labels
    vars(classifier).update(findings=("x",), module=None, scores=lambda _, part: {"x": logits[list(part)]})
    vars(store).update(studies=studies, findings=("x",))
    count = len(validation)
    return FindingModel(classifier, store, range(count), range(count, len(rows)), resamples=5)


def toy_split(seed: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    label = np.append(draws.random(40) < 0.3, [True, False]) * 1.0
    return np.stack([label, 1.5 * label + draws.normal(size=42) - 1], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_scikit_learns_at_the_threshold_of_validation(seed: int) -> None:
    """The test logits are shifted, so that their own best threshold is another one."""
    validation, test = toy_split(2 * seed), toy_split(2 * seed + 1)
    figures = toy_model(validation, test, shift=1.0).test()
    label, score = test[:, 0] == 1, expit(test[:, 1] + 1.0)
    called, own = (
        score >= best_threshold(*pair) for pair in ((expit(validation[:, 1]), validation[:, 0] == 1), (score, label))
    )
    assert (called != own).any()
    expected = {
        "auroc": roc_auc_score(label, score),
        "ap": average_precision_score(label, score),
        "acc": accuracy_score(label, called),
        "balanced_acc": balanced_accuracy_score(label, called),
        "f1": f1_score(label, called),
    }
    for metric, value in expected.items():
        assert figures[metric].value == figures[f"{metric}/x"].value == pytest.approx(value, abs=1e-9)
    assert figures["balanced_acc"].value < balanced_accuracy_score(label, own)


def test_without_a_choice_half_a_probability_decides() -> None:
    test = np.array([[1.0, 0.1], [0.0, -0.1], [1.0, 2.0], [0.0, 1.0], [np.nan, 9.0]])
    for validation in (np.array([[1.0, 3.0], [1.0, 2.0]]), np.array([[1.0, 3.0], [np.nan, 2.0]])):
        assert toy_model(validation, test).test()["acc"].value == 3 / 4
    chosen = toy_model(np.array([[1.0, 3.0], [0.0, 1.5], [np.nan, 0.0]]), test)  # from expit(3) on: none is called
    assert chosen.test()["acc"].value == 2 / 4
    chosen.held_out = chosen.validation
    assert chosen.test()["acc"].value == 1 / 2  # what is measured chooses nothing: both are called
    assert NO_CHOICE == 0.5


def task_of(ground: tuple[Path, Path], **changes: object) -> tuple[object, FineTuneSettings, Store]:
    store = Store.open(ground[1])
    settings = FineTuneSettings(steps=6, batch=8, resamples=5, **changes)  # type: ignore[arg-type]
    return finding_task("xray", store, settings), settings, store


def test_the_test_split_has_no_part_in_the_choice(ground: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study whose pixels are read while it trains and chooses is of another split."""
    task, settings, store = task_of(ground)
    seen: set[int] = set()
    real = Store.pixels
    monkeypatch.setattr(Store, "pixels", lambda self, index: seen.add(index) or real(self, index))
    train_best(task, tiny_model(), task.train, settings, 0, silent)  # type: ignore[attr-defined, arg-type]
    assert {str(store.studies[i].split) for i in seen} == {"train", "validation"}


def test_frozen_leaves_the_encoder_alone(ground: tuple[Path, Path]) -> None:
    model = tiny_model()
    before = {name: value.clone() for name, value in model.vision.state_dict().items()}
    for frozen in (True, False):
        task, settings, _ = task_of(ground, frozen=frozen, learning_rates=(1e-2,))
        _, tuned = train_best(task, model, task.train, settings, 0, silent)  # type: ignore[attr-defined, arg-type]
        after = tuned.module["vision"].state_dict()  # type: ignore[index]
        assert all(torch.equal(after[name], value) for name, value in before.items()) == frozen
    assert all(torch.equal(model.vision.state_dict()[name], value) for name, value in before.items())


def test_training_learns_what_pixels_show(ground: tuple[Path, Path]) -> None:
    store = Store.open(ground[1])
    studies = store.select(split="train", image_kind="xray")
    learner = Classifier(tiny_model(), FINDINGS)
    first = learner.loss(store, studies).item()
    optimiser = torch.optim.AdamW(learner.module.parameters(), 3e-3)
    train(learner.module, optimiser, lambda _: learner.loss(store, studies), lambda _: 3e-3, 60)
    assert learner.loss(store, studies).item() < 0.65 * first
    assert label_matrix(store, studies, FINDINGS).shape == (len(studies), 3)


def test_best_weights_and_divergence() -> None:
    layer = torch.nn.Linear(1, 1)
    best = BestWeights(layer)
    for value, weight in ((0.1, 1.0), (0.7, 2.0), (float("nan"), 3.0), (0.5, 4.0)):
        torch.nn.init.constant_(layer.weight, weight)
        best.offer(value, int(weight))
    best.restore()
    assert (layer.weight.item(), best.value, best.when) == (2.0, 0.7, 2)
    with pytest.raises(DivergedError, match="step 0 is nan"):
        train(
            layer, torch.optim.SGD(layer.parameters(), 1.0), lambda _: layer.weight.sum() * torch.nan, lambda _: 1.0, 1
        )
    assert layer.weight.item() == 2.0


def test_a_rate_that_diverges_loses_and_all_of_them_are_an_error(
    ground: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, settings, _ = task_of(ground, learning_rates=(1e-3, 1e-2))
    said: list[str] = []
    monkeypatch.setattr(Classifier, "loss", lambda self, *_: self.head.weight.sum() * torch.nan)
    with pytest.raises(DivergedError, match=r"not finite with any of \(0.001, 0.01\)"):
        train_best(task, tiny_model(), task.train, settings, 0, said.append)  # type: ignore[attr-defined, arg-type]
    assert len(said) == 2


def test_what_lacks_labels_is_said(ground: tuple[Path, Path], tmp_path: Path) -> None:
    write_hospital(tmp_path / "unlabelled", labelled=False)
    with pytest.raises(NotComputable, match="0 labelled training, 0 validation and 0 test"):
        fine_tune(ground[0], tmp_path / "unlabelled", QUICK, silent)
    write_hospital(tmp_path / "flat", ndims=(2,))
    said: list[str] = []
    found = fine_tune(ground[0], tmp_path / "flat", QUICK, said.append)
    assert {key.split("/")[1] for key in found} == {"xray"}
    assert any("fine-tuning, ct: 0 labelled" in line for line in said)


def test_what_the_cap_leaves_of_validation_is_what_counts(ground: tuple[Path, Path], tmp_path: Path) -> None:
    """Nodules are labelled in two validation studies, the others in all: the cap may leave nodules out."""
    whole, records = Store.open(ground[1]), []
    validation = whole.select("validation", "xray")
    rare = [i for i in validation if i not in subsample(validation, 6, seed=0)][:2]
    for index in whole.select(image_kind="xray"):
        labels = dict(whole.studies[index].labels)
        if whole.studies[index].split == "validation" and index not in rare:
            labels["nodule"] = None
        records.append(Record(replace(whole.studies[index], labels=labels, has_mask=False), whole.pixels(index)))
    store = write_store(tmp_path / "store", records, whole.preprocess, FINDINGS)
    settings = replace(QUICK, kinds=("xray",), fractions=(1.0,))
    said: list[str] = []
    for cap, findings in ((10, FINDINGS), (6, FINDINGS[1:])):
        task = finding_task("xray", store, replace(settings, validation_cap=cap), said.append)
        assert tuple(task.labels) == findings
    (sentence,) = said
    assert sentence.startswith("fine-tuning, xray: nodule left out, without a label in one of the splits")
    figures = fine_tune(ground[0], store.path, replace(settings, validation_cap=6), silent)
    assert "fine_tune/xray/100%/auroc/cardiomegaly" in figures
    with pytest.raises(NotComputable, match="both classes in the 1 validation studies"):
        finding_task("xray", store, replace(settings, validation_cap=1))
