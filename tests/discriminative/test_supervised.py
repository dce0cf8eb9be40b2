"""The supervised baseline: the labels alone, with FM-GAN's discriminator and optimizer."""

import torch
from helpers.tiny import sntg, started, streams

from discriminative.supervised import Supervised
from gan_sntg.networks.dense_gan import DenseDiscriminator
from gan_sntg.schedules import LinearTail


def supervised(schedule: LinearTail | None = None, **options) -> Supervised:
    torch.manual_seed(0)
    given = {"learning_rate": 3e-3, "stream": "two", "consistency_weight": 0.0, "adam_epsilon": "inside_sqrt"}
    method = Supervised(DenseDiscriminator((1, 4, 4), 3, widths=(12, 8)), schedule or LinearTail(), sntg=sntg(options), **(given | options))
    method.seed(0, "cpu")
    return method


def test_the_only_term_is_the_mean_cross_entropy_of_the_labelled_images():
    s = streams()
    method = started(supervised(), s)
    for noise in method.net.noise:
        noise.std = 0.0
    batch = next(iter(s.epoch()))
    terms = method.terms(batch, 0)
    expected = torch.nn.functional.cross_entropy(method.net(batch.labeled.x)[1], batch.labeled.y)
    torch.testing.assert_close(terms, {"net/labeled": expected})


def test_unlabelled_images_change_nothing():
    s = streams()
    batches = list(s.epoch())
    nets = []
    for scale in (1.0, 0.0):
        method = started(supervised(), s)
        for k, batch in enumerate(batches):
            method.step(batch._replace(unlabeled=batch.unlabeled._replace(x=scale * batch.unlabeled.x)), k)
        nets.append(method.state_dict())
    assert all(torch.equal(nets[0][k], nets[1][k]) for k in nets[0])


def test_it_learns_from_its_labels():
    s = streams()
    method = started(supervised(LinearTail(30)), s)
    for t in range(30):
        for batch in s.epoch():
            method.step(batch, t)
    labeled = s.pool.view(s.pool.labeled)
    assert (method.net.eval()(labeled.x)[1].argmax(1) == labeled.y).all()


def test_without_a_graph_two_streams_are_one_of_labelled_images():
    assert supervised().views == ("labeled",)
    assert supervised(weight=0.1).views == ("labeled", "unlabeled")
    assert supervised(stream="mixed").views == ("unlabeled",)
