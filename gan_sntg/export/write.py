"""Writing of an export: safetensors weights, the classifier as a program, then the card."""

import hashlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.fx import GraphModule

from gan_sntg.errors import UnhealthyError
from gan_sntg.export.card import CARD, PROGRAM, WEIGHTS, Card
from gan_sntg.export.load import Classifier, ImageGenerator, load_export
from gan_sntg.files.atomic import atomic_folder

TRACED = 2  # examples in the batch that is traced; the program takes any number
TOLERANCE = 1e-4  # of logits, absolute and relative; other kernels may round otherwise


def write_export(out: Path, card: Card, classifier: Classifier, generator: ImageGenerator | None, x: Tensor) -> None:
    """Write an export and its card; `out` appears when they were read back and compared with the run.

    x: examples on which what was read back must do what the run does, else UnhealthyError. Raises OSError.
    """
    normalization = classifier.normalization
    states = {
        "net": classifier.net.state_dict(),
        "normalization": {name: getattr(normalization, name) for name in normalization.statistics},
        "generator": {} if generator is None else generator.net.state_dict(),
    }
    with atomic_folder(out) as folder:
        files = {WEIGHTS[name]: safetensors_of(state) for name, state in states.items() if state} | {PROGRAM: program_of(classifier)}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        (folder / CARD).write_text(json.dumps(asdict(replace(card, files=hashes)), indent=1) + "\n")
        verify(folder, classifier, generator, x)


def safetensors_of(state: dict[str, Tensor]) -> bytes:
    """The bytes of a safetensors file of these tensors."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def program_of(classifier: Classifier) -> bytes:
    """A torch.export program of any batch -> logits, without image, pickle or path of this machine."""
    example = torch.zeros(TRACED, *classifier.shape, dtype=classifier.dtype)
    program = torch.export.export(classifier, (example,), dynamic_shapes=({0: torch.export.Dim("N")},), strict=False)
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def verify(folder: Path, classifier: Classifier, generator: ImageGenerator | None, x: Tensor) -> None:
    """Compare an export, loaded, with its run on examples x and as many z. Raises UnhealthyError."""
    again, generator_again, _ = load_export(folder)
    logits = classifier(x)
    found = {WEIGHTS["net"]: again(x), PROGRAM: torch.export.load(folder / PROGRAM).module()(x)}
    wrong = [name for name, own in found.items() if not torch.allclose(own, logits, TOLERANCE, TOLERANCE)]
    if generator and generator_again:
        z = generator.z(len(x))
        if (generator_again(z).int() - generator(z).int()).abs().max() > 1:
            wrong.append(WEIGHTS["generator"])
    if wrong:
        raise UnhealthyError(f"what was read back from {', '.join(wrong)} is not what the run computes, and nothing was exported")
