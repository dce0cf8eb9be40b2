"""Passes of a network over a batch: its mode, noise and precision, eager or compiled."""

import copy
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from gan_sntg.networks.noise import Draws, Noise, NoiseTable, numbers_like

WORTH = 500_000  # multiplications a pass of one example: a dense MNIST network has 1.5 million, digits' has 42,000
PROGRAMS = 256  # that a process may compile of one function: layers, their modes and sizes of batches; torch stops at 8


@contextmanager
def attribute(net: nn.Module, kinds: type | tuple[type, ...], name: str, value: object) -> Iterator[None]:
    """Within it, `name` of every layer of `net` of these kinds is `value`; then what it was."""
    layers = [layer for layer in net.modules() if isinstance(layer, kinds)]
    before = [getattr(layer, name) for layer in layers]
    try:
        for layer in layers:
            setattr(layer, name, value)
        yield
    finally:
        for layer, previous in zip(layers, before, strict=True):
            setattr(layer, name, previous)


@contextmanager
def mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Within it, `net` trains or evaluates; then what it did."""
    before = net.training
    try:
        net.train(training)
        yield
    finally:
        net.train(before)


def drawing_from(net: nn.Module, generator: Draws | None) -> AbstractContextManager[None]:
    """Within it, every `Noise` layer of `net` draws from `generator`."""
    return attribute(net, Noise, "generator", generator)


class Precision(Enum):
    """Precision of products in training; weights, optimizers, losses and evaluation stay float32."""

    float32 = "float32"
    bfloat16 = "bfloat16"

    def __call__(self, device: torch.device | str) -> AbstractContextManager:
        """The context to train in: autocast on the device, off for float32."""
        # without a cache, or G's pass through D, after D's update, would take D's casts of before
        return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=self is Precision.bfloat16, cache_enabled=False)


def fast_precision(net: nn.Module, x: Tensor) -> Precision:
    """bfloat16 where x's device has instructions for it and `net` enough products, else float32.

    Enough are WORTH multiplications in a pass over one example x [1, ...]: in smaller networks rounding costs more time than it saves.
    The same on one machine at each start, since nothing is timed.
    """
    return Precision.bfloat16 if has_bfloat16(x.device) and multiplications(net, x) >= WORTH else Precision.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether it multiplies in bfloat16 by instructions of its own: AVX-512 bf16, AMX, GPUs since Ampere."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = capabilities() if device.type == "cpu" else {}
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def processor() -> str:
    """Name of the CPU, and of the widest instructions that its products take: "AMD EPYC, AVX2"."""
    flags = capabilities()
    widest = "AMX" if flags.get("amx_bf16") else "AVX-512 bf16" if flags.get("avx512_bf16") else torch.backends.cpu.get_cpu_capability()
    return f"{flags.get('cpu_name') or platform.processor() or platform.machine()}, {widest}"


def capabilities() -> dict:
    """What torch knows of the CPU; {} in its first versions of those that are supported."""
    return getattr(torch.cpu, "get_capabilities", dict)()


@torch.no_grad()
def multiplications(net: nn.Module, x: Tensor) -> int:
    """Those of an evaluating pass of `net` over one example x [1, ...], in products and convolutions."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415  a tenth of a command's start

    with FlopCounterMode(display=False) as counter, mode(net, False):
        net(x)
    return counter.get_total_flops() // 2


def at_least_float32(x: Tensor) -> Tensor:
    """x, as float32 where its type is shorter: on a CPU autocast leaves norms in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class EagerForward:
    """`execution(net, x, generator)` is net(x) with the noise of its layers drawn from the generator."""

    def __call__(self, net: nn.Module, x: Tensor | tuple[Tensor, ...], generator: Draws | None) -> Any:
        """What net(x) returns."""
        with drawing_from(net, generator):
            return net(x)


class Tangents(TorchFunctionMode):
    """Derivatives in forward mode with respect to x alone, where torch's own are slow.

    Of products torch also multiplies x by derivatives of the weights, which are 0 here; of batch norm it makes twenty passes over memory,
    though one by the backward kernel does: its Jacobian is symmetric.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in (F.conv2d, F.linear, F.batch_norm) or not args:
            return func(*args, **kwargs)
        x, tangent = forward_ad.unpack_dual(args[0])
        y = func(x, *args[1:], **kwargs)
        if tangent is None:
            return y
        if func is F.batch_norm:
            (change,) = torch.autograd.grad(y, x, tangent, retain_graph=True)
        else:
            with torch.no_grad():
                change = func(tangent, *args[1:2], None, *args[3:], **{name: value for name, value in kwargs.items() if name != "bias"})
        return forward_ad.make_dual(y, change)


def with_derivative(net: nn.Module, x: Tensor, d: Tensor, generator: Draws | None) -> tuple[list[Tensor], list[Tensor]]:
    """What net(x) returns, and its derivatives along d in forward mode, without gradient.

    x, d [B, ...]: x requires gradients; noise as in `EagerForward`, never compiled. Derivatives have the rounding of the pass's own
    precision, not that of a difference of two passes.
    """
    with forward_ad.dual_level(), Tangents(), drawing_from(net, generator):
        found = [forward_ad.unpack_dual(part) for part in net(forward_ad.make_dual(x, d))]
    changes = [torch.zeros_like(primal) if tangent is None else tangent.detach() for primal, tangent in found]
    return [primal for primal, _ in found], changes


class Compiled:
    """A function through `torch.compile`; as written, after a line on stderr, once compiling fails."""

    def __init__(self, plain: Callable, what: str, **options):
        """what: what is not compiled, if compiling fails; options: of `torch.compile`."""
        # layers, their modes and sizes of batches: torch stops at 8
        torch._dynamo.config.recompile_limit = max(PROGRAMS, torch._dynamo.config.recompile_limit)
        self.plain, self.what, self.failed = plain, what, False
        self.compiled = torch.compile(plain, dynamic=False, **options)

    def __call__(self, *args) -> Any:
        """What the function returns, but for rounding."""
        if not self.failed:
            try:
                return self.compiled(*args)
            except Exception as error:  # whatever a compiler of another machine may raise
                recorded = torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
                if recorded or not type(error).__module__.startswith("torch._"):  # a graph that is half recorded is of no use
                    raise
                self.failed = True
                print(f"compiling failed, and {self.what} not compiled: {' '.join(str(error).split())[:200]}", file=sys.stderr)
        return self.plain(*args)


class CompiledForward(EagerForward):
    """The same through `torch.compile`, its noise drawn before the pass, in the order of the plain one.

    A CUDA graph can record it once it has compiled: the steps that are written before one is recorded see to that.
    """

    def __init__(self, **options):
        """options: of `torch.compile`."""
        # A compiled program cannot draw from a generator of its own. (Decorated where it is defined, it would slow every command's start.)
        Noise.fresh = torch.compiler.disable(Noise.fresh)  # pyright: ignore[reportAttributeAccessIssue]
        self.forward = Compiled(lambda net, x: net(x), "passes are", **options)
        self.needs: WeakKeyDictionary[nn.Module, dict[tuple, list[Need]]] = WeakKeyDictionary()

    def __call__(self, net: nn.Module, x: Tensor | tuple[Tensor, ...], generator: Draws | None) -> Any:
        """What net(x) returns, but for rounding."""
        layers = noise_layers(net)
        try:
            for need in self.needs_of(net, x):
                like = torch.empty_strided(need.size, need.stride, dtype=need.dtype, device=need.device)
                layers[need.layer].given = layers[need.layer].filled(need.fill, like, generator)
            with drawing_from(net, generator):
                return self.forward(net, x)
        finally:
            for layer in layers:
                layer.given = None

    def needs_of(self, net: nn.Module, x: Tensor | tuple[Tensor, ...]) -> list["Need"]:
        """What a pass over a batch of this form draws, found once; none where a layer draws twice."""
        kind = (x[0] if isinstance(x, tuple) else x).device.type
        form = tuple((t.shape, t.stride(), t.dtype) for t in (x if isinstance(x, tuple) else (x,)))
        key = *form, net.training, torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind)
        found = self.needs.setdefault(net, {})
        if key not in found:
            found[key] = needs(net, x)
        return found[key]


class Need(NamedTuple):
    """What a layer, the n-th of its network's that draw, fills with random numbers in a pass."""

    layer: int
    fill: str
    size: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


def noise_layers(net: nn.Module) -> list[Noise]:
    """Those of a network, in an order that its copies share."""
    return [layer for layer in net.modules() if isinstance(layer, Noise)]


@torch.no_grad()
def needs(net: nn.Module, x: Tensor | tuple[Tensor, ...]) -> list[Need]:
    """What net(x) would draw, in order; empty where a layer draws more than once.

    It is found by a copy: nothing is drawn, and `net` stays as it is.
    """
    found: list[Need] = []

    def note(layer: int, fill: str, x: Tensor) -> Tensor:
        like = numbers_like(x)
        found.append(Need(layer, fill, like.shape, like.stride(), like.dtype, like.device))
        return like.zero_()

    twin = copy.deepcopy(net)
    for n, layer in enumerate(noise_layers(twin)):
        layer.draw = partial(note, n)
    twin(x)
    return found if len({need.layer for need in found}) == len(found) else []


def take_noise_from(table: NoiseTable, method: nn.Module) -> None:
    """Let the Gaussian noise of all networks of the method be windows of the table."""
    for layer in noise_layers(method):
        layer.table = table


def use(execution: EagerForward, method: nn.Module) -> None:
    """Let the method, and what it is made of, make all passes in training by `execution`."""
    for module in method.modules():
        if hasattr(module, "execution"):
            module.execution = execution  # pyright: ignore[reportArgumentType]
