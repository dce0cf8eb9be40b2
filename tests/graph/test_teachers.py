"""Teachers: what each predicts, from which generator, and never with a gradient."""

import pytest
import torch
from helpers.tiny import gan, started, streams

from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass


def setting(teacher):
    s = streams()
    method = started(gan(teacher=teacher, weight=1.0), s)
    view = next(iter(s.epoch())).unlabeled
    _, logits = method.discriminate(view.x)
    return method, view, logits


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("teacher", [SamePass(), SecondPass(), NoiseFree(), Averaged(), Ensemble()])
def test_every_teacher_gives_probabilities_without_a_gradient_and_leaves_the_mode(teacher):
    method, view, logits = setting(teacher)
    targets = teacher.targets(method.discriminator, view, logits, generator())
    assert not targets.requires_grad and method.discriminator.training
    torch.testing.assert_close(targets.sum(1), torch.ones(10))


def test_the_second_pass_has_noise_of_its_own_from_the_given_generator():
    teacher = SecondPass()
    method, view, logits = setting(teacher)
    before = method.generators["noise"].get_state()
    a, b, c = (teacher.targets(method.discriminator, view, logits, generator(k)) for k in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, logits.softmax(1))
    assert torch.equal(before, method.generators["noise"].get_state())


def test_the_noise_free_teacher_is_the_net_in_evaluation_mode():
    teacher = NoiseFree()
    method, view, logits = setting(teacher)
    expected = method.discriminator.eval()(view.x)[1].softmax(1)
    method.discriminator.train()
    torch.testing.assert_close(teacher.targets(method.discriminator, view, logits, generator()), expected.detach())


def test_the_averaged_teacher_is_the_average_and_not_the_student():
    teacher = Averaged(decay=0.9)
    method, view, logits = setting(teacher)
    s = streams()
    for k, batch in enumerate(s.epoch()):
        method.step(batch, k)
    assert teacher.average.count == s.steps_per_epoch
    targets = teacher.targets(method.discriminator, view, logits, generator())
    assert torch.equal(targets, teacher.average.net(view.x)[1].softmax(1))
    assert not torch.allclose(targets, method.discriminator.eval()(view.x)[1].softmax(1))


def test_the_ensemble_is_the_debiased_average_of_earlier_visits():
    teacher = Ensemble(alpha=0.6)
    method, view, _ = setting(teacher)
    passes = [torch.randn(10, 3, generator=generator(k)) for k in range(5)]
    targets = [teacher.targets(method.discriminator, view, logits, generator()) for logits in passes]
    assert torch.equal(targets[0], passes[0].softmax(1))  # never seen before: the present prediction
    for n in range(1, 5):
        z = sum(0.4 * 0.6 ** (n - 1 - k) * passes[k].softmax(1) for k in range(n))
        torch.testing.assert_close(targets[n], z / (1 - 0.6**n))


def test_the_ensemble_does_not_fold_in_what_telemetry_looks_at():
    teacher = Ensemble()
    method, view, logits = setting(teacher)
    before = teacher.visits.clone()
    teacher.targets(method.discriminator.eval(), view, logits, generator())
    assert torch.equal(before, teacher.visits)
