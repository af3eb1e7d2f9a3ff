"""The EMA teacher against a running formula; it never receives a gradient."""

import pytest
import torch
from torch import nn

from tests.tiny import tiny_batch, tiny_model
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import DistillationRecipe, Recipe
from unimedi.pretraining.step import Pretraining
from unimedi.pretraining.teacher import make_teacher, momentum_at, update_teacher


def test_average_equals_the_formula() -> None:
    student = nn.Linear(2, 1)
    teacher = make_teacher(student)
    expected = student.weight[0].tolist()
    for step in range(6):
        with torch.no_grad():
            student.weight.add_(step * 0.1)
        update_teacher(teacher, student, 0.9)
        expected = [0.9 * e + 0.1 * s for e, s in zip(expected, student.weight[0].tolist(), strict=True)]
    assert teacher.weight[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_buffers_are_copied_not_averaged() -> None:
    student = nn.BatchNorm1d(2)
    teacher = make_teacher(student)
    student.running_mean.fill_(3.0)
    update_teacher(teacher, student, 0.99)
    assert teacher.running_mean.tolist() == [3.0, 3.0]


def test_momentum_starts_low_and_ends_at_one() -> None:
    values = [momentum_at(step, 10_000, 0.996) for step in range(10_001)]
    assert values[0] == pytest.approx(0.1)
    assert values[-1] == pytest.approx(10_001 / 10_010)
    assert momentum_at(500, 500, 0.9) == pytest.approx(501 / 510)
    assert momentum_at(5000, 5000, 0.9, final=0.95) == pytest.approx(0.95)
    assert values == sorted(values)


def test_a_step_moves_the_student_and_gives_the_teacher_no_gradient() -> None:
    recipe = Recipe(distillation=DistillationRecipe(prototypes=6, head_hidden_size=8, head_bottleneck_size=4))
    training = Pretraining(tiny_model(), recipe, Milestones(10, 0, 0, 0)).train()
    before = {name: value.clone() for name, value in training.teacher.state_dict().items()}
    training(tiny_batch(), step=0).loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in training.teacher.parameters())
    assert all(p.grad is None and not p.requires_grad for p in training.teacher_head.parameters())
    unused = [name for name, p in training.student.named_parameters() if p.grad is None]
    assert unused == []
    assert all(torch.equal(before[name], value) for name, value in training.teacher.state_dict().items())
    assert not training.train().teacher.training
