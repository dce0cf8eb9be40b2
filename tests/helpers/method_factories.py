"""The discriminative methods as tests make them: on 4 x 4 pixels, from the streams that each asks for."""

import torch
from torch import nn

from discriminative.mean_teacher import MeanTeacher
from discriminative.pi_model import PiModel
from discriminative.supervised import Supervised
from discriminative.temporal_ensembling import TemporalEnsembling
from discriminative.vat import VAT
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Loader, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.data.splits import make_split
from gan_sntg.networks.gan import DenseDiscriminator
from gan_sntg.schedules import LinearTail, RampedWeight
from helpers.tiny import Squares, UnitRange64, sntg

ALL = {
    "supervised": (Supervised, {"consistency_weight": 0.0}),
    "pi": (PiModel, {}),
    "tempens": (TemporalEnsembling, {}),
    "mean_teacher": (MeanTeacher, {"decay": 0.9}),
    "vat": (VAT, {"epsilon": 0.5, "entropy_weight": 0.3}),
}


def prepared(
    method,
    labels: int = 6,
    batch_size: int = 10,
    labeled_batch_size: int | None = None,
    dtype=torch.float32,
    device="cpu",
    source: Dataset | None = None,
) -> Loader:
    """Seed the method, give it streams over the squares, or over another source, and start it."""
    source = source or Squares()
    split = make_split(source, labels, 0, False)
    normalization = UnitRange() if dtype == torch.float32 else UnitRange64()
    pool = Pool(source.train_x, source.train_y, split.known(source), split.pool(source), normalization, device)
    streams = Loader(pool, batch_size, 0, labeled_batch_size=labeled_batch_size, views=method.views)
    method.to(device, dtype).prepare(source, pool)
    method.seed(0, device)
    method.start(streams.example(30, "start"))
    return streams


def net(noise: float = 0.1) -> nn.Module:
    """A small dense network; with noise 0 both of its passes are the same."""
    torch.manual_seed(0)
    return DenseDiscriminator((1, 4, 4), 3, widths=(12, 8), input_noise=noise, hidden_noise=noise)


def made(name: str, noise: float = 0.1, **options):
    """A method of ALL, its ramps past their end from the second epoch on, with a graph unless told otherwise."""
    kind, own = ALL[name]
    options = {"schedule": LinearTail(), "learning_rate": 1e-2} | own | options
    w = RampedWeight(options.pop("max_weight", 1.0), options.pop("ramp_epochs", 0), options.pop("scaled", False))
    graph = sntg(options, weight=0.5, ramp_epochs=options.pop("sntg_ramp", 0))
    return kind(net=net(noise), w=w, sntg=graph, **options)
