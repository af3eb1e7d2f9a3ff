"""L_icl and L_pcl, centring and Sinkhorn against plain loops."""

import math

import pytest
import torch

from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import (
    STUDENT_TEMPERATURE,
    centred_targets,
    distillation_loss,
    entropy,
    sinkhorn_targets,
    updated_centre,
)


def slow_softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(x - top) for x in row]
    return [p / sum(powers) for p in powers]


def slow_loss(student: list[list[float]], teacher: list[list[float]], centre: list[float], tau: float) -> float:
    """-sum_k p_t log p_s with p_t = softmax((z_t - c)/tau_t), p_s = softmax(z_s/0.1); the mean over the rows."""
    total = 0.0
    for zs, zt in zip(student, teacher, strict=True):
        p_t = slow_softmax([(z - c) / tau for z, c in zip(zt, centre, strict=True)])
        p_s = slow_softmax([z / STUDENT_TEMPERATURE for z in zs])
        total -= sum(a * math.log(b) for a, b in zip(p_t, p_s, strict=True))
    return total / len(student)


def test_cross_entropy_with_centring_equals_the_loops() -> None:
    torch.manual_seed(1)
    student, teacher = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    centre = torch.randn(7, dtype=torch.float64)
    loss = distillation_loss(student, centred_targets(teacher, centre, 0.04))
    expected = slow_loss(student.tolist(), teacher.tolist(), centre.tolist(), 0.04)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_a_sharp_teacher_copied_by_the_student_costs_its_entropy() -> None:
    logits = torch.randn(4, 6)
    targets = centred_targets(logits, torch.zeros(6), STUDENT_TEMPERATURE)
    assert float(distillation_loss(logits, targets)) == pytest.approx(float(entropy(targets)), rel=1e-5)


def test_centre_is_an_exponential_mean() -> None:
    centre = torch.zeros(3)
    history = [torch.randn(4, 3) for _ in range(5)]
    slow = [0.0] * 3
    for batch in history:
        centre = updated_centre(centre, batch)
        slow = [0.9 * c + 0.1 * float(batch[:, k].mean()) for k, c in enumerate(slow)]
    assert centre.tolist() == pytest.approx(slow, rel=1e-5)


def test_sinkhorn_uses_every_prototype_alike_and_equals_the_loops() -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 4)
    targets = sinkhorn_targets(logits, torch.zeros(4), 0.3)
    q = [[math.exp(float(logits[i, k]) / 0.3) for i in range(12)] for k in range(4)]
    for _ in range(3):
        q = [[x / sum(row) / 4 for x in row] for row in q]
        columns = [sum(q[k][i] for k in range(4)) for i in range(12)]
        q = [[q[k][i] / columns[i] / 12 for i in range(12)] for k in range(4)]
    expected = torch.tensor([[q[k][i] * 12 for k in range(4)] for i in range(12)])
    torch.testing.assert_close(targets, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(targets.sum(1), torch.ones(12))
    assert float((targets.mean(0) - 0.25).abs().max()) < 0.06  # three rounds


def test_the_head_sees_directions_only_and_has_its_own_prototypes_for_patches() -> None:
    torch.manual_seed(0)
    head = DinoHead(hidden_size=6, width=8, bottleneck=4, prototypes=5)
    tokens = torch.randn(3, 6)
    assert head.cls(tokens).shape == (3, 5)
    assert not torch.allclose(head.cls(tokens), head.patches(tokens))
    bottleneck = head.body(tokens).detach()
    for n in range(3):
        for k in range(5):
            weight = head.cls_prototypes.weight[k].detach()
            cosine = float(bottleneck[n] @ weight / bottleneck[n].norm() / weight.norm())
            assert float(head.cls(tokens).detach()[n, k]) == pytest.approx(cosine, rel=1e-4, abs=1e-6)
