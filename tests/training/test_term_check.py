"""Liveness: healthy methods pass; a dead, misdirected, never-rising or non-finite term is named, so is a teacher that is the student."""

import copy

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import gan, streams

from discriminative.mean_teacher import MeanTeacher
from discriminative.pi_model import PiModel
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged, Ensemble, SecondPass
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.passes import Precision
from gan_sntg.schedules import LinearTail, RampedWeight
from gan_sntg.training.optim import trainable
from gan_sntg.training.term_check import TermReport, examine, last_with_all, own_networks


def health(method, steps: int = 3) -> TermReport:
    return examine(method, prepared(method), t=5, steps=steps)


@pytest.mark.parametrize("name", ALL)
def test_every_method_is_healthy_and_every_weighted_term_is_seen(name):
    method = made(name)
    found = health(method)
    assert found.faults == {}
    assert set(found.terms) == {term for term, weight in method.weights().items() if weight}
    follower = "teacher" if name == "mean_teacher" else "average"
    assert found.moved == {"net": {"net"}, "step": {"net", follower}}
    assert not any(p.requires_grad for p in method.networks[follower].parameters())


@pytest.mark.parametrize("teacher", [SecondPass, Averaged, Ensemble])
def test_the_gan_is_healthy_and_its_terms_go_where_they_should(teacher):
    method = gan(weight=0.5, teacher=teacher(), average_decay=0.9)
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {}
    assert found.moved["d"] == {"discriminator"} and found.moved["g"] == {"generator"}
    assert {"discriminator", "generator", "average"} <= found.moved["step"]
    assert set(found.terms) == {"d/labeled", "d/unlabeled", "d/generated", "d/graph", "g/matching"}
    assert found.gradients["d/graph"]["generator"] == [0, 0] and found.gradients["g/matching"]["generator"][0] > 0


def test_a_healthy_method_is_healthy_in_bfloat16_too():
    method, seen = made(next(iter(ALL))), []
    method.net.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    assert examine(method, prepared(method), t=5, steps=2, precision=Precision.bfloat16).faults == {}
    assert any(seen)  # not the initialisation from data, but the steps


def test_a_weight_of_0_is_no_fault():
    assert examine(gan(weight=0.0, average_decay=0.9), streams(), t=5, steps=2).faults == {}


def test_a_graph_that_waits_for_a_sure_teacher_is_not_dead():
    method = gan(weight=0.5, teacher=Averaged(), average_decay=0.9)
    method.sntg.confidence = 1.0
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {} and found.gradients["d/graph"]["discriminator"][0] > 0


class SelfTaught(MeanTeacher):
    """The teacher compared with itself, as in two suites that are much used."""

    def passes(self, batch):
        found = super().passes(batch)
        return found._replace(consistency=(found.targets, found.targets.log()))


class Detached(PiModel):
    """A student whose logits are cut off from its weights."""

    def passes(self, batch):
        found = super().passes(batch)
        return found._replace(consistency=(found.targets.detach(), found.consistency[1].detach()))


def given(**options) -> dict:
    net = made("pi").net
    return {"net": net, "schedule": LinearTail(), "learning_rate": 1e-2, "w": RampedWeight(1.0, 0, False), "sntg": SNTG(0.5)} | options


@pytest.mark.parametrize("kind", [SelfTaught, Detached])
def test_a_consistency_that_compares_what_cannot_learn_is_dead(kind):
    assert health(kind(**given())).faults == {"net/consistency gives net no gradient: it is dead": "dead"}


def test_a_ramp_that_never_rises_is_named_with_its_terms(monkeypatch):
    monkeypatch.setattr("gan_sntg.schedules.ramp_up", lambda *arguments: 0.0)
    weights = {"net/consistency": "1", "net/graph": "0.5"}
    texts = [f"{term} has weight {w} but is never there: its ramp does not rise" for term, w in weights.items()]
    assert health(PiModel(**given())).faults == dict.fromkeys(texts, "absent")


def test_a_term_that_stops_is_looked_at_before():
    method = gan(weight=0.5, stop_epochs=7.5, average_decay=0.9)
    assert [last_with_all(method, epochs) for epochs in (3, 8, 30)] == [2, 7, 7] and last_with_all(gan(), 30) == 29
    assert examine(method, streams(), t=7, steps=2).faults == {}
    assert "d/graph has weight 0.5" in str(examine(gan(weight=0.5, stop_epochs=7.5, average_decay=0.9), streams(), t=8, steps=2).faults)


@pytest.mark.parametrize("make", [lambda: gan(decay_epochs=4), lambda: PiModel(**given(schedule=LinearTail(4)))])
def test_a_schedule_that_ends_before_the_run_is_the_only_fault(make):
    (fault,) = health(make()).faults.items()
    assert fault == (
        "the learning rate is 0 in epoch 6, where nothing is learned; "
        "give fewer --epochs, or a longer schedule (method.decay_epochs, or method.schedule)",
        "idle",
    )


def test_a_teacher_that_stays_the_student_is_named():
    text = "teacher equals the student after several steps: it is the student, or its decay is 0"
    assert health(MeanTeacher(decay=0.0, **given())).faults == {text: "follower"}


def test_a_teacher_that_never_moves_is_named():
    class Frozen(MeanTeacher):
        def follow(self, t):
            pass

    assert health(Frozen(**given())).faults == {"a step leaves teacher as it is": "unmoved"}


def test_a_term_that_is_not_finite_is_named():
    method = made("pi")
    method.divergence = lambda targets, logits: squash(logits)

    def squash(logits):
        return (logits * float("nan")).sum()

    assert health(method).faults["net/consistency is nan"] == "nonfinite"


def test_an_optimizer_that_holds_anothers_weights_is_caught():
    method = gan(weight=0.5, average_decay=0.9)
    method.optimizers["d"].add_param_group({"params": list(method.generator.parameters())})

    def both(batch, t):  # a term of D that reaches G
        fake = method.generator(method.draw_z(10))
        return {"d/labeled": method.discriminator(fake)[1].square().mean()}

    method.discriminator_terms = both
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults["descending d/... changed generator, which it must not touch"] == "leak"


def test_an_optimizer_without_the_students_weights_is_caught():
    method = made("pi")
    stranger = copy.deepcopy(method.net)
    method.optimizers = {"net": torch.optim.SGD(trainable(stranger), 0.1)}
    method.terms = lambda batch, t: {"net/labeled": stranger(batch.unlabeled.x)[1].square().mean()}
    faults = health(method).faults
    assert "descending net/... does not change net" in faults and "net/labeled gives net no gradient: it is dead" in faults


def test_a_small_batch_of_one_stream_is_given_labelled_images():
    method = made("pi")
    s = prepared(method, labels=3, batch_size=8)
    assert examine(method, s, t=5, steps=2).faults == {}


class TwoNetworks(FeatureMatchingGAN):
    """A GAN whose generator's descents move a second network, by a term of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.shift = torch.nn.Linear(16, 1)
        self.optimizers["g"].add_param_group({"params": list(self.shift.parameters())})

    @property
    def losses(self):
        return super().losses | {"g": (torch.nn.ModuleList([self.generator, self.shift]), self.generator_terms)}

    def generator_terms(self, batch, t):
        shift = self.shift(batch.unlabeled_g.x.flatten(1)).mean()
        return super().generator_terms(batch, t) | {"g/shift": shift, "g/rare": 0 * shift}


@pytest.fixture
def two() -> TwoNetworks:
    return gan(kind=TwoNetworks, weight=0.5, average_decay=0.9)


def test_terms_may_move_several_networks_and_need_a_gradient_into_one(two):
    assert own_networks(two, "g") == {"generator": two.generator, "shift": two.shift}
    assert examine(two, streams(), t=5, steps=2).faults == {"g/rare gives generator and shift no gradient: it is dead": "dead"}


def test_a_term_that_is_intermittent_may_have_no_gradient(two):
    two.intermittent = ("g/rare",)
    found = examine(two, streams(), t=5, steps=2)
    assert found.faults == {} and found.moved["g"] == {"generator", "shift"}


def test_each_of_several_networks_must_move(two):
    two.intermittent = ("g/rare",)
    del two.optimizers["g"].param_groups[1]
    assert list(examine(two, streams(), t=5, steps=2).faults.values()) == ["unmoved", "unmoved"]
