"""What tests run on two ranks: a pool of two processes, and steps of one method by one process and by both of them."""

import contextlib
import copy
import io
import os
import signal
import socket
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from gan_sntg.__main__ import main
from gan_sntg.distributed import all_gather, own_rows, rank, world_size
from gan_sntg.distributed.process_group import started
from gan_sntg.errors import StoppedError
from gan_sntg.graph.adjacency import DrawnNeighborGraph, PoolNeighborGraph, write_neighbors
from gan_sntg.graph.balance import DistributionAlignment, EqualShares
from gan_sntg.graph.loss import Graph
from gan_sntg.graph.neighbors import nearest
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.graph.sntg import Embedding
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass
from gan_sntg.losses import Matching
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import Noise
from gan_sntg.runs.folder import RunFolder
from gan_sntg.training.data_parallel import average, join, own_draws
from gan_sntg.training.meter import Meter
from gan_sntg.training.optim import parameters
from helpers.classifiers import Normed
from helpers.method_factories import ALL, made, prepared
from helpers.processes import FORKED, unsynced
from helpers.tiny import Squares, UnitRange64, bad_gan, gan, streams
from helpers.tiny import started as initialised
from helpers.triple_gans import gan as triple_gan

WORLD, BATCH, T = 2, 12, 2


class Ranks:
    """Two processes, as torchrun starts them; what a function returns in each, by rank."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        places, gate = FORKED.Queue(), FORKED.Barrier(WORLD)
        for place in range(WORLD):
            places.put(place)
        self.pool = ProcessPoolExecutor(WORLD, FORKED, initializer=begin, initargs=(places, gate, port))
        self.processes = self(os.getpid)

    def __call__(self, function, *arguments) -> list:
        futures = [self.pool.submit(entered, function, *arguments) for _ in range(WORLD)]
        return [found for _, found in sorted((future.result(timeout=600) for future in futures), key=lambda pair: pair[0])]

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
    os.fsync = unsynced
    os.environ |= {"WORLD_SIZE": str(WORLD), "RANK": str(places.get()), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def entered(function, *arguments) -> tuple:
    """(rank, what the function returns), once both processes are here: none does the work of both."""
    GATE.wait(120)
    return int(os.environ["RANK"]), function(*arguments)


# --- steps, whose numbers are given: what ranks draw by themselves is not what one process draws -----------------------


def given(n: int, *shape: int) -> Tensor:
    """The rows of this rank, [n, *shape], of numbers that do not hang on the number of ranks."""
    generator = torch.Generator().manual_seed(3)
    return own_rows(torch.rand(n * world_size(), *shape, dtype=torch.float64, generator=generator))


def fm_gan(make=gan, **options):
    """A GAN in float64, without noise, and its streams."""
    source = streams(batch_size=BATCH, normalization=UnitRange64)
    method = make(dtype=torch.float64, weight=0.7, **options)
    method.rare_images, method.rare_probability = BATCH // world_size(), 1.0  # of Bad GAN
    initialised(method, source)
    for layer in (m for m in method.modules() if isinstance(m, Noise)):
        layer.std = 0.0
    method.draw_z = lambda n, generator=None: given(n, method.generator.latent)
    return method, source


def discriminative(name: str, batch_size: int = BATCH, **options):
    """Any method of the family in float64, without noise, and its streams."""
    net = Normed()
    method = made(name, noise=0.0, **options)
    method.net = net
    method.optimizers["net"] = type(method.optimizers["net"])(net.parameters(), lr=0.01)
    if name == "mean_teacher":
        method.teacher = copy.deepcopy(net).requires_grad_(False)
    else:
        method.average = Average(net, 0.9)
    method.direction = lambda x, noise: (*method.predict_with(noise, x), given(*x.shape) / 4)  # VAT's
    return method, prepared(method, batch_size=batch_size, dtype=torch.float64)


def neighbours() -> DrawnNeighborGraph:
    """A graph that draws the second half of its batches."""
    with tempfile.TemporaryDirectory() as folder:
        write_neighbors(Path(folder) / "knn.npz", Squares().sha256, torch.cat(list(nearest(Squares().train_x, 4))))
        return DrawnNeighborGraph(str(Path(folder) / "knn.npz"))


CASES = {
    "gan, second pass, halves": (fm_gan, {}),
    "gan, averaged, sampled": (fm_gan, {"teacher": Averaged(0.9), "pairing": Sampled(7), "matching": Matching.absolute}),
    "gan, ensemble, labelled pairs": (fm_gan, {"teacher": Ensemble(), "pairing": AllPairs(), "labeled": True}),
    "gan, same pass, soft": (fm_gan, {"teacher": SamePass(), "pairing": AllPairs(), "graph": Graph.soft}),
    "gan, noise free": (fm_gan, {"teacher": NoiseFree(), "labeled": True}),
    "gan, aligned": (fm_gan, {"teacher": SamePass(), "pairing": AllPairs(), "balance": DistributionAlignment(), "confidence": 0.36}),
    "triple gan": (fm_gan, {"make": triple_gan, "teacher": Averaged(0.9), "labeled": True}),
    "bad gan": (fm_gan, {"make": bad_gan, "generator_learning_rate": 1e-3}),
    "pi, equal shares": (discriminative, {"name": "pi", "pairing": AllPairs(), "balance": EqualShares(queue=18), "repulsion": 0.5}),
    **{name: (discriminative, {"name": name}) for name in ALL},
    "pi, two streams": (discriminative, {"name": "pi", "stream": "two", "divisor": "labeled"}),
    "pi, labelled divisor": (discriminative, {"name": "pi", "divisor": "labeled", "pairing": AllPairs()}),
    "pi, drawn neighbours of odd halves": (discriminative, {"name": "pi", "batch_size": 14, "graph": neighbours()}),
    "two streams, drawn neighbours": (
        discriminative,
        {"name": "supervised", "stream": "two", "graph": PoolNeighborGraph(4), "embed": Embedding.output, "batch_size": 14},
    ),
    "vat, sampled": (discriminative, {"name": "vat", "pairing": Sampled(9)}),
}


def case(name: str):
    make, options = CASES[name]
    method, source = make(**copy.deepcopy(options))
    join(method)
    return method, source


def taken(name: str) -> tuple[dict, dict]:
    """Terms and gradients of one step's every descent in epoch T, and what the method holds after three steps and an epoch's end."""
    method, source = case(name)
    batch, found = next(source.epoch()), {}
    for prefix, optimizer in method.optimizers.items():
        found |= method.gradients(method, prefix, batch, T)
        found |= {f"{prefix}'s {k}": p.grad.clone() for k, p in enumerate(parameters(optimizer))}
    method, source = case(name)
    batches = source.epoch()
    for _ in range(3):
        method.step(next(batches), T)
    method.end_epoch()
    return found, {k: v.clone() for k, v in method.state_dict().items()} | {"pairs": method.generators["graph"].get_state()}


def every_case() -> dict:
    with started():
        return {name: taken(name) for name in CASES}


def joined() -> dict:
    """Nets that each rank initialised in its own way, once the ranks have joined."""
    with started():
        method = gan(seed=rank())
        join(method)
        return method.state_dict()


def drawn() -> tuple[list[Tensor], list[Tensor], Tensor]:
    """The rows of a batch, what is drawn within a step and from the generators after it."""
    with started():
        method, source = gan(), streams(batch_size=BATCH)
        with own_draws(method.generators):
            within = [torch.rand(100, generator=generator) for generator in method.generators.values()]
        after = [torch.rand(100, generator=generator) for generator in method.generators.values()]
        return within, after, next(source.epoch()).unlabeled.index


# --- layers -------------------------------------------------------------------------------------------------------------


def passed(kind: type) -> dict:
    """Outputs, derivatives in both modes and statistics of one pass over maps, whole: the ranks' rows put together."""
    torch.manual_seed(0)
    layer = kind(3).double()
    for p in layer.parameters():
        nn.init.normal_(p)
    own = (5 + 4 * given(8 // world_size(), 3, 4, 4)).to(memory_format=torch.channels_last).requires_grad_()
    with forward_ad.dual_level(), frozen_statistics(layer):
        change = forward_ad.unpack_dual(layer(forward_ad.make_dual(own.detach(), own.detach().cos()))).tangent
    assert change is not None
    y = layer(own)
    (y.sin().mean() if y.dim() > 1 else y.sin().sum()).backward()
    grads = [p.grad for p in layer.parameters()]
    if world_size() > 1:
        average(grads)
    whole = {name: all_gather(part) if part.dim() > 1 else part for name, part in {"y": y, "change": change}.items()}
    whole["x"] = all_gather(own.grad) / world_size()
    return {k: v.detach() for k, v in whole.items()} | {f"p{k}": g for k, g in enumerate(grads)} | dict(layer.state_dict())


def every_layer(kinds: list[type]) -> list[dict]:
    with started():
        return [passed(kind) for kind in kinds]


# --- the command --------------------------------------------------------------------------------------------------------


def ended(words: list[str]) -> tuple[int, str, str]:
    """Status of the command, what it printed on stdout, and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def send_itself(number: int):
    return lambda *_: os.kill(os.getpid(), number)


def fail(error: Exception):
    def failing(*_):
        raise error

    return failing


FAULTS = {  # the call after which a rank does this with the object and what the call returns
    "killed": (FeatureMatchingGAN, "step", 1, send_itself(signal.SIGKILL)),
    "signal": (Meter, "add", 1, send_itself(signal.SIGTERM)),
    "loss": (FeatureMatchingGAN, "step", 1, fail(StoppedError("this rank alone fails", 3))),
    "nan": (FeatureMatchingGAN, "discriminator_terms", 1, lambda _, terms: terms | {"d/unlabeled": terms["d/unlabeled"] * torch.nan}),
    "unwritable": (RunFolder, "log", 0, fail(OSError("no space"))),
    "apart": (FeatureMatchingGAN, "end_epoch", 1, lambda gan, _: gan.generators["z"].manual_seed(1)),
}


def faulty(fault: str, call: int, words: list[str]) -> tuple[int, str, str]:
    """The command, a fault at the `call`-th call of one rank, or of a process without ranks."""
    owner, name, place, act = FAULTS[fault]
    real, calls = getattr(owner, name), iter(range(1, 10**6))

    def acting(self, *arguments):
        found = real(self, *arguments)
        return act(self, found) if next(calls) == call and os.environ.get("RANK", str(place)) == str(place) else found

    with patch.object(owner, name, acting):
        return ended(words)
