"""What tests run on two ranks: a pool of two processes, and steps of one method by one process, by hand, and by both of them."""

import copy
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
import torch.distributed as dist
from methods import ALL, made, prepared
from tiny import UnitRange64, gan, started, streams
from torch import nn

from discriminative.passes import Divisor, Stream
from gan_sntg.core.average import Average
from gan_sntg.core.data.augment import Augmentation
from gan_sntg.core.data.streams import Batch, View
from gan_sntg.core.draws import Dropout, GaussianNoise
from gan_sntg.core.engine import parameters
from gan_sntg.core.graph import AllPairs, Graph, Halves, Sampled, pair_loss
from gan_sntg.core.layers import BatchNorm
from gan_sntg.core.mean_only import MeanOnlyLinear
from gan_sntg.core.parallel import join
from gan_sntg.core.ranks import Scope
from gan_sntg.core.team import Team
from gan_sntg.losses import Matching
from gan_sntg.teachers import Averaged, Ensemble, NoiseFree, SamePass

WORLD, BATCH, T = 2, 12, 2


class Ranks:
    """Two processes of one group; `run` calls a function in both and gives what each returns."""

    def __init__(self, file: str):
        self.pool = ProcessPoolExecutor(WORLD, mp_context=get_context("spawn"))
        self.both(begin, file)

    def both(self, function, *arguments) -> list:
        futures = [self.pool.submit(call, function, rank, arguments) for rank in range(WORLD)]
        return [future.result(timeout=120) for future in futures]

    def run(self, function, *arguments) -> list:
        return self.both(by_rank, function, *arguments)


def call(function, rank: int, arguments: tuple):
    return function(rank, *arguments)


def begin(rank: int, file: str) -> None:
    """Each waits for the other here, so that neither process takes both places."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=WORLD)


def by_rank(_: int, function, *arguments):
    """A process keeps the rank that it began with, whichever future it takes; results come in no order, and name it."""
    dist.barrier()
    return dist.get_rank(), function(*arguments)


class Normed(nn.Module):
    """x [B, 1, 4, 4] -> (h [B, 8], logits [B, 3]), with every kind of norm and noise that draws or averages over a batch."""

    def __init__(self, noise: float):
        super().__init__()
        torch.manual_seed(0)
        layers = [GaussianNoise(noise), MeanOnlyLinear(16, 12), nn.LeakyReLU(0.1), BatchNorm(12), Dropout(2 * noise)]
        self.hidden, self.out = nn.Sequential(nn.Flatten(), *layers, MeanOnlyLinear(12, 8), nn.LeakyReLU(0.1)), nn.Linear(8, 3)

    def forward(self, x):
        h = self.hidden(x)
        return h, self.out(h)


def fm_gan(**options):
    """A GAN in float64 and its streams."""
    source = streams(batch_size=BATCH, normalization=UnitRange64)
    return started(gan(dtype=torch.float64, graph_weight=0.7, **options), source), source


def discriminative(name: str, noise: float = 0.1, **options):
    """Any method of the family in float64 and its streams."""
    net = Normed(noise)
    method = made(name, noise, **options)
    method.net = net
    method.optimizers["net"] = type(method.optimizers["net"])(net.parameters(), lr=0.01)
    if name == "mean_teacher":
        method.teacher = copy.deepcopy(net).requires_grad_(False)
    else:
        method.average = Average(net, 0.9)
    return method, prepared(method, batch_size=BATCH, dtype=torch.float64)


AUGMENTED = {"augmentation": Augmentation(translation=1, flip=True)}
CASES = {
    "gan, second pass, halves": (fm_gan, {}),
    "gan, averaged, sampled": (fm_gan, {"teacher": Averaged(0.9), "pairing": Sampled(7), "matching": Matching.absolute}),
    "gan, ensemble, labelled pairs": (fm_gan, {"teacher": Ensemble(), "pairing": AllPairs(), "graph_labeled": True}),
    "gan, same pass, soft": (fm_gan, {"teacher": SamePass(), "pairing": AllPairs(), "graph": Graph.soft}),
    "gan, noise free": (fm_gan, {"teacher": NoiseFree(), "graph_labeled": True}),
    **{f"{name}": (discriminative, {"name": name, **AUGMENTED}) for name in ALL},
    "pi, two streams": (discriminative, {"name": "pi", "stream": Stream.two, "divisor": Divisor.labeled, **AUGMENTED}),
    "pi, labelled divisor": (discriminative, {"name": "pi", "divisor": Divisor.labeled, "pairing": AllPairs()}),
    "vat, sampled": (discriminative, {"name": "vat", "pairing": Sampled(9), **AUGMENTED}),
}


def case(name: str):
    make, options = CASES[name]
    return make(**copy.deepcopy(options))


def gradients_of(method, batch: Batch) -> dict:
    """Terms and gradients of one step's every descent in epoch T, before anything is updated, then the state of what was touched."""
    found = {}
    for prefix, (_, terms_of) in method.losses.items():
        params = parameters(method.optimizers[prefix])
        found |= method.descent(method, params, terms_of, batch, T)
        found |= {f"{prefix}'s {k}": p.grad.clone() for k, p in enumerate(params)}
    return found | kept(method)


def kept(method) -> dict:
    """Weights, statistics and ensembles, and the states of the generators."""
    return {k: v.clone() for k, v in method.state_dict().items()} | {k: g.get_state() for k, g in method.generators.items()}


def alone(name: str) -> tuple[dict, dict]:
    """What one process finds on a whole batch, and holds after three steps and the end of an epoch."""
    method, source = case(name)
    found = gradients_of(method, next(source.epoch()))
    return found, trained(*case(name))


def together(name: str, pairs: Scope, statistics: Scope) -> tuple[dict, dict]:
    """What each rank finds of the same batch, and holds after the same steps."""
    held = []
    for _ in range(2):
        method, source = case(name)
        join(Team(pairs, statistics), method, source)
        held.append((method, source))
    found = gradients_of(held[0][0], next(held[0][1].epoch()))
    return found, trained(*held[1])


def trained(method, source) -> dict:
    """After three steps and the end of an epoch."""
    batches = source.epoch()
    for _ in range(3):
        method.step(next(batches), T)
    method.end_epoch()
    return kept(method)


def every_case(pairs: Scope, statistics: Scope) -> dict:
    return {name: together(name, pairs, statistics) for name in CASES}


# --- ranks that pair and normalise by themselves ----------------------------------------------------------------------

QUIET = {f"{name}": {"name": name, "noise": 0.0, "pairing": AllPairs()} for name in ALL}


def quiet(name: str):
    return discriminative(**copy.deepcopy(QUIET[name]))


def sliced(batch: Batch, rank: int) -> Batch:
    return Batch(*(view and View(*(t[rank::WORLD] for t in view)) for view in batch))


def by_hand(name: str) -> dict:
    """The mean of what one process finds on each rank's rows alone."""
    found = []
    for rank in range(WORLD):
        method, source = quiet(name)
        if name == "vat":
            method.direction = lambda x, targets, noise, r=rank: direction_of(x, r)
        found.append(gradients_of(method, sliced(next(source.epoch()), rank)))
    return {k: combined(k, [one[k] for one in found]) for k in found[0]}


def combined(key: str, tensors: list) -> torch.Tensor:
    """Of predictions an image, that of the rank that saw it; of generators and counters, any; else the mean."""
    if key in ("latest", "seen"):
        return torch.stack(tensors).sum(0, dtype=tensors[0].dtype)
    return torch.stack(tensors).mean(0) if tensors[0].is_floating_point() else tensors[0]


def direction_of(x: torch.Tensor, rank: int) -> torch.Tensor:
    """A fixed direction for VAT: what is drawn for all, cut by hand."""
    d = torch.randn(WORLD * len(x), *x.shape[1:], dtype=x.dtype, generator=torch.Generator().manual_seed(3))[rank::WORLD]
    return d / d.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def quiet_together(name: str) -> dict:
    method, source = quiet(name)
    team = Team(Scope.rank, Scope.rank)
    join(team, method, source)
    if name == "vat":
        method.direction = lambda x, targets, noise: direction_of(x, team.rank)
    return gradients_of(method, next(source.epoch()))


def every_quiet() -> dict:
    return {name: quiet_together(name) for name in QUIET}


def quiet_gan():
    """A GAN whose D draws no noise."""
    method, source = fm_gan(pairing=Halves(), teacher=SamePass())
    for layer in method.discriminator.noise:
        layer.std = 0.0
    return method, source


def gan_by_hand() -> dict:
    """Its gradients where each rank normalises G's maps, and pairs, by itself, written out; the means of features are of all."""
    method, source = quiet_gan()
    d, g, batch = method.discriminator, method.generator, next(source.epoch())
    z = [method.draw_z(BATCH), method.draw_z(BATCH)]
    found = dict.fromkeys(("d/labeled", "d/unlabeled", "d/generated", "d/graph"), 0.0)
    for rank in range(WORLD):
        own = sliced(batch, rank)
        with torch.no_grad():
            fake = g(z[0][rank::WORLD])
        _, l_labeled = d(own.labeled.x)
        h, l_unlabeled = d(own.unlabeled.x)
        _, l_fake = d(fake)
        classes, pairs = l_unlabeled.argmax(1), Halves()(len(h), torch.Generator())
        w = (classes[pairs.i] == classes[pairs.j]).double()
        softplus, z_of = nn.functional.softplus, lambda logits: torch.logsumexp(logits, 1)
        found["d/labeled"] += nn.functional.cross_entropy(l_labeled, own.labeled.y) / WORLD
        found["d/unlabeled"] += 0.5 * softplus(-z_of(l_unlabeled)).mean() / WORLD
        found["d/generated"] += 0.5 * softplus(z_of(l_fake)).mean() / WORLD
        found["d/graph"] += 0.7 * pair_loss(h, pairs, w, 1.0, method.distance) / WORLD
    d_params, g_params = (parameters(method.optimizers[k]) for k in "dg")
    grads = {f"d's {k}": x for k, x in enumerate(torch.autograd.grad(sum(found.values()), d_params))}
    h_fake = torch.cat([d(g(z[1][rank::WORLD]))[0] for rank in range(WORLD)])
    found["g/matching"] = (d(batch.unlabeled_g.x)[0].mean(0).detach() - h_fake.mean(0)).square().mean()
    grads |= {f"g's {k}": x for k, x in enumerate(torch.autograd.grad(found["g/matching"], g_params))}
    return {k: v.detach() for k, v in found.items()} | grads


def gan_together() -> dict:
    method, source = quiet_gan()
    join(Team(Scope.rank, Scope.rank), method, source)
    return gradients_of(method, next(source.epoch()))
