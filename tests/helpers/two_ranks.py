"""What tests run on two ranks: a pool of two processes, and steps of one method by one process, by hand, and by both of them."""

import contextlib
import copy
import io
import os
import signal
import socket
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from gan_sntg.commands.main import main
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import Batch, Examples
from gan_sntg.distributed.process_group import started
from gan_sntg.distributed.ranks import Scope, SingleProcess, stepping
from gan_sntg.errors import StoppedError
from gan_sntg.graph.adjacency import DrawnNeighborGraph
from gan_sntg.graph.fixed_graphs import write_neighbors
from gan_sntg.graph.loss import Graph, pair_loss
from gan_sntg.graph.neighbors import nearest
from gan_sntg.graph.pairs import AllPairs, Halves, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass
from gan_sntg.losses import Matching
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.weight_norm import MeanOnlyLinear
from gan_sntg.runs.folder import RunFolder
from gan_sntg.training.data_parallel import join
from gan_sntg.training.method import parameters
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import Squares, UnitRange64, gan, streams
from helpers.tiny import started as initialised

WORLD, BATCH, T = 2, 12, 2


class Ranks:
    """Two processes, as torchrun starts them; what a function returns in each, by rank."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = get_context("spawn")
        places, gate = context.Queue(), context.Barrier(WORLD)
        for rank in range(WORLD):
            places.put(rank)
        self.pool = ProcessPoolExecutor(WORLD, context, initializer=begin, initargs=(places, gate, port))
        self.processes = self(os.getpid)

    def __call__(self, function, *arguments) -> list:
        futures = [self.pool.submit(entered, function, *arguments) for _ in range(WORLD)]
        return [found for _, found in sorted((future.result(timeout=100) for future in futures), key=lambda pair: pair[0])]

    def end(self) -> None:
        """Processes that wait for each other in vain, too."""
        for process in self.processes:
            os.kill(process, signal.SIGKILL)
        self.pool.shutdown()


def begin(places, gate, port: int) -> None:
    """In each process, once."""
    global GATE
    GATE = gate
    torch.set_num_threads(1)
    os.environ |= {"WORLD_SIZE": str(WORLD), "RANK": str(places.get()), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def entered(function, *arguments) -> tuple:
    """(rank, what the function returns), once both processes are here: none does the work of both."""
    GATE.wait(120)
    return int(os.environ["RANK"]), function(*arguments)


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
    return initialised(gan(dtype=torch.float64, weight=0.7, **options), source), source


def discriminative(name: str, noise: float = 0.1, batch_size: int = BATCH, **options):
    """Any method of the family in float64 and its streams."""
    net = Normed(noise)
    method = made(name, noise, **options)
    method.net = net
    method.optimizers["net"] = type(method.optimizers["net"])(net.parameters(), lr=0.01)
    if name == "mean_teacher":
        method.teacher = copy.deepcopy(net).requires_grad_(False)
    else:
        method.average = Average(net, 0.9)
    return method, prepared(method, batch_size=batch_size, dtype=torch.float64)


def neighbours() -> DrawnNeighborGraph:
    """A graph that draws the second half of its batches."""
    with tempfile.TemporaryDirectory() as folder:
        write_neighbors(Path(folder) / "knn.npz", Squares().sha256, torch.cat(list(nearest(Squares().train_x, 4))))
        return DrawnNeighborGraph(str(Path(folder) / "knn.npz"))


AUGMENTED = {"augmentation": Augmentation(translation=1, flip=True)}
CASES = {
    "gan, second pass, halves": (fm_gan, {}),
    "gan, averaged, sampled": (fm_gan, {"teacher": Averaged(0.9), "pairing": Sampled(7), "matching": Matching.absolute}),
    "gan, ensemble, labelled pairs": (fm_gan, {"teacher": Ensemble(), "pairing": AllPairs(), "labeled": True}),
    "gan, same pass, soft": (fm_gan, {"teacher": SamePass(), "pairing": AllPairs(), "graph": Graph.soft}),
    "gan, noise free": (fm_gan, {"teacher": NoiseFree(), "labeled": True}),
    **{f"{name}": (discriminative, {"name": name, **AUGMENTED}) for name in ALL},
    "pi, two streams": (discriminative, {"name": "pi", "stream": "two", "divisor": "labeled", **AUGMENTED}),
    "pi, labelled divisor": (discriminative, {"name": "pi", "divisor": "labeled", "pairing": AllPairs()}),
    "pi, drawn neighbours of odd halves": (discriminative, {"name": "pi", "batch_size": 14, "graph": neighbours()}),
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
        found |= method.gradients(method, prefix, params, terms_of, batch, T)
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


def together(name: str, team: SingleProcess) -> tuple[dict, dict]:
    """What each rank finds of the same batch, and holds after the same steps."""
    held = []
    for _ in range(2):
        method, source = case(name)
        join(team, method, source)
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


def every_case() -> dict:
    with started(Scope.all) as team:
        return {name: together(name, team) for name in CASES}


# --- ranks that pair and normalise by themselves ----------------------------------------------------------------------

QUIET = {f"{name}": {"name": name, "noise": 0.0, "pairing": AllPairs()} for name in ALL}


def quiet(name: str):
    return discriminative(**copy.deepcopy(QUIET[name]))


def sliced(batch: Batch, rank: int) -> Batch:
    return Batch(*(view and Examples(*(t[rank::WORLD] for t in view)) for view in batch))


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


def quiet_together(name: str, team: SingleProcess) -> dict:
    method, source = quiet(name)
    join(team, method, source)
    if name == "vat":
        method.direction = lambda x, targets, noise: direction_of(x, team.rank)
    return gradients_of(method, next(source.epoch()))


def every_quiet() -> dict:
    with started(Scope.rank) as team:
        return {name: quiet_together(name, team) for name in QUIET} | {"gan": gan_together(team)}


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


def gan_together(team: SingleProcess) -> dict:
    method, source = quiet_gan()
    join(team, method, source)
    return gradients_of(method, next(source.epoch()))


def joined() -> dict:
    """Nets that each rank initialised in its own way, once the ranks have joined."""
    with started(Scope.all) as team:
        method = gan(seed=team.rank)
        join(team, method, streams())
        return method.state_dict()


# --- layers -------------------------------------------------------------------------------------------------------------


def layer_of(kind: type) -> nn.Module:
    """With weights that are no ones and zeros."""
    torch.manual_seed(0)
    layer = kind(3).double()
    for p in layer.parameters():
        nn.init.normal_(p)
    return layer


def passed(kind: type, team: SingleProcess) -> dict:
    """Outputs, gradients and statistics of one pass over maps, whole: the ranks' rows put together."""
    layer, x = layer_of(kind), 5 + torch.randn(8, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    own = team.sliced(x).to(memory_format=torch.channels_last).requires_grad_()
    with stepping(team):
        y = layer(own)
        (y.sin().mean() if y.dim() > 1 else y.sin().sum()).backward()
        grads = [p.grad for p in layer.parameters()]
        if team.world > 1:
            team.average(grads)
        whole = {"y": team.gathered(y) if y.dim() > 1 else y, "x": team.gathered(own.grad) / team.world}
    return {k: v.detach() for k, v in whole.items()} | {f"p{k}": g for k, g in enumerate(grads)} | dict(layer.state_dict())


def every_layer(kinds: list[type]) -> list[dict]:
    with started(Scope.all) as team:
        return [passed(kind, team) for kind in kinds]


# --- the command --------------------------------------------------------------------------------------------------------


def at_step(step: int, act, rank: int = 1):
    """Lets FeatureMatchingGAN's step, once in its `step`-th call on this rank, act before it returns its terms."""
    real, calls = FeatureMatchingGAN.step, iter(range(1, 10**6))

    def acting(self, *arguments):
        terms = real(self, *arguments)
        if next(calls) == step and os.environ["RANK"] == str(rank):
            act()
        return terms

    return patch.object(FeatureMatchingGAN, "step", acting)


def ended(words: list[str]) -> tuple[int, str, str]:
    """Status of the command, what it printed on stdout, and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def signalled(words: list[str], step: int) -> tuple[int, str, str]:
    with at_step(step, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        return ended(words)


def lost(words: list[str], step: int) -> tuple[int, str, str]:
    """A rank fails by itself, as no other does."""

    def fail():
        raise StoppedError("this rank alone fails", 3)

    with at_step(step, fail):
        return ended(words)


def spoiled(words: list[str], step: int) -> tuple[int, str, str]:
    """A term is NaN on one rank."""
    real, calls = FeatureMatchingGAN.discriminator_terms, iter(range(1, 10**6))

    def spoil(self, *arguments):
        terms = real(self, *arguments)
        if next(calls) == step and os.environ["RANK"] == "1":
            terms["d/unlabeled"] = terms["d/unlabeled"] * torch.nan
        return terms

    with patch.object(FeatureMatchingGAN, "discriminator_terms", spoil):
        return ended(words)


def unwritable(words: list[str]) -> tuple[int, str, str]:
    """The first rank cannot log."""

    def fail(*_):
        raise OSError("no space")

    with patch.object(RunFolder, "log", fail):
        return ended(words)


def apart(words: list[str]) -> tuple[int, str, str]:
    """A rank's generator goes its own way."""
    with patch.object(FeatureMatchingGAN, "end_epoch", lambda self: self.generators["z"].manual_seed(int(os.environ["RANK"]))):
        return ended(words)
