"""MGCA's protocol learns what is linear, stops early, and takes the weights of the best validation loss."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.evaluation.probes.test_linear import world
from unimedi.evaluation.probes import gradient as gradient_probe
from unimedi.evaluation.probes.gradient import fit_and_score_by_gradient
from unimedi.evaluation.probes.linear import Features


def test_what_is_linear_is_learnt_and_the_same_studies_give_the_same_scores() -> None:
    train, validation, test = world(400, 0), world(100, 1), world(300, 2)
    scores = fit_and_score_by_gradient(train, validation, test)
    assert (
        roc_auc_score(test.labels["linear"], scores["linear"]) > 0.8
    )  # at its low rate: not done after 50 epochs of so few studies
    again = fit_and_score_by_gradient(train, validation, test)
    assert all((scores[name] == again[name]).all() for name in scores)


def test_a_batch_that_holds_everything_is_plain_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch an epoch, no early stop: the same as torch's AdamW step by step."""
    monkeypatch.setattr(gradient_probe, "EPOCHS", 7)
    train, test = world(31, 0), world(20, 2)  # odd: no gradient of a bias is a zero that AdamW would enlarge
    head = torch.nn.Linear(12, 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimiser = torch.optim.AdamW(
        [{"params": [head.weight], "weight_decay": 1e-6}, {"params": [head.bias], "weight_decay": 0}], 5e-4
    )
    x, y = torch.from_numpy(train.x).float(), torch.tensor(np.stack(list(train.labels.values()), 1)).float()
    for _ in range(7):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(x), y).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
    expected = head(torch.from_numpy(test.x).float()).detach().numpy()
    scores = fit_and_score_by_gradient(train, train, test)
    np.testing.assert_allclose(np.stack(list(scores.values()), 1), expected, atol=1e-5)


def test_it_stops_ten_epochs_after_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation labels that contradict the training ones: the start is the best, and nothing is learnt after all."""
    train = world(48, 0)
    contrary = Features(train.x, {name: 1 - values for name, values in train.labels.items()})
    steps: list[int] = []
    real = gradient_probe.finding_loss
    monkeypatch.setattr(gradient_probe, "finding_loss", lambda a, b: steps.append(1) or real(a, b))
    fit_and_score_by_gradient(train, contrary, train)
    assert len(steps) == 2 * (1 + gradient_probe.PATIENCE)  # one batch and one validation an epoch


def test_unknown_labels_and_one_class_do_no_harm() -> None:
    train, validation, test = world(60, 0), world(40, 1), world(30, 2)
    train.labels["linear"][:20] = np.nan
    train.labels["nothing"][:] = 0
    assert all(np.isfinite(values).all() for values in fit_and_score_by_gradient(train, validation, test).values())
