"""Writing of an export: safetensors weights, the classifier as programs, then the cards of the run."""

import contextlib
import hashlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule

from gan_sntg.configurable import configuration
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.recorded import facts_of
from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.evaluation.fidelity_records import measurements
from gan_sntg.evaluation.samples import BANK_SIZE
from gan_sntg.export.load import (
    CARD,
    FORMAT,
    ONNX,
    PROGRAM,
    WEIGHTS,
    Architecture,
    Card,
    Classifier,
    ImageGenerator,
    InputSpec,
    PictureSpec,
    load_export,
)
from gan_sntg.export.model_card import MODEL_CARD, model_card
from gan_sntg.files.array_files import sha256_of
from gan_sntg.files.atomic import atomic_folder
from gan_sntg.files.import_paths import installed
from gan_sntg.pictures.pixels import BYTES, PixelFormat
from gan_sntg.runs.build import RunModel, class_names
from gan_sntg.runs.folder import PACKAGES, RunFolder
from gan_sntg.runs.options import identity
from gan_sntg.training.loop import Progress

PLACES = ("file", "download")  # arguments that say where weights were
TRACED = 2  # examples in the batch that is traced; the program takes any number
TOLERANCE = 1e-4  # of logits, absolute and relative; other kernels may round otherwise


def write_export(
    out: Path, card: Card, classifier: Classifier, generator: ImageGenerator | None, x: Tensor, with_onnx: bool = False
) -> None:
    """Write an export, which appears once it does on x what the run does; else raise UnhealthyError.

    with_onnx: write the classifier as ONNX too. Raises InputError where its packages are missing.
    """
    normalization = classifier.normalization
    states = {
        "net": classifier.net.state_dict(),
        "normalization": {name: getattr(normalization, name) for name in normalization.statistics},
        "generator": {} if generator is None else generator.net.state_dict(),
    }
    with atomic_folder(out) as folder:
        files = {WEIGHTS[name]: safetensors_of(state) for name, state in states.items() if state} | {PROGRAM: program_of(classifier)}
        files |= {ONNX: onnx_of(classifier)} if with_onnx else {}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        card = replace(card, files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
        (folder / CARD).write_text(json.dumps(asdict(card), indent=1) + "\n")
        (folder / MODEL_CARD).write_text(model_card(card), encoding="utf-8")
        verify(folder, classifier, generator, x)


def safetensors_of(state: dict[str, Tensor]) -> bytes:
    """The bytes of a safetensors file of these tensors."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def traced(classifier: Classifier) -> ExportedProgram:
    """The classifier as a graph of any batch -> logits, without image or path of this machine."""
    example = torch.zeros(TRACED, *classifier.shape, dtype=classifier.dtype)
    classifier(example)  # what a normalization makes of its weights at first use is made before it is traced
    program = torch.export.export(classifier, (example,), dynamic_shapes=({0: torch.export.Dim("N")},), strict=False)
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)
    return program


def program_of(classifier: Classifier) -> bytes:
    """The bytes of a torch.export program, without pickle."""
    buffer = io.BytesIO()
    torch.export.save(traced(classifier), buffer)
    return buffer.getvalue()


def check_onnx() -> None:
    """Raise InputError where a package that ONNX needs is missing."""
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if not installed(name)]:
        raise InputError(f"--onnx needs {', '.join(missing)}; install what is missing with pip install 'gan-sntg[onnx]'")


def onnx_of(classifier: Classifier) -> bytes:
    """The bytes of an ONNX model: x of any batch -> logits."""
    with contextlib.redirect_stdout(io.StringIO()):  # the steps that it takes
        program = torch.onnx.export(traced(classifier), input_names=["x"], output_names=["logits"], dynamo=True, verbose=False)
    assert program is not None
    return program.model_proto.SerializeToString()


def onnx_logits(model: bytes, x: Tensor) -> Tensor:
    """Logits [N, K] of examples x [N, ...] by ONNX Runtime, on the CPU."""
    import onnxruntime  # noqa: PLC0415  an extra  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def verify(folder: Path, classifier: Classifier, generator: ImageGenerator | None, x: Tensor) -> None:
    """Compare an export, loaded, with its run on examples x and as many z. Raises UnhealthyError."""
    again, generator_again, _ = load_export(folder)
    logits = classifier(x)
    program = torch.export.load(io.BytesIO((folder / PROGRAM).read_bytes()))  # of a path it wants UTF-8
    found = {WEIGHTS["net"]: again(x), PROGRAM: program.module()(x)}
    if (folder / ONNX).exists():
        found[ONNX] = onnx_logits((folder / ONNX).read_bytes(), x)
    wrong = [name for name, own in found.items() if not torch.allclose(own, logits, TOLERANCE, TOLERANCE)]
    if generator and generator_again:
        z = generator.z(len(x))
        if (generator_again(z).int() - generator(z).int()).abs().max() > 1:
            wrong.append(WEIGHTS["generator"])
    if wrong:
        raise UnhealthyError(f"what was read back from {', '.join(wrong)} is not what the run computes, and nothing was exported")


def card_of_run(folder: RunFolder, parts: RunModel, progress: Progress, weights: str) -> Card:
    """The card of an export of these weights, without the hashes of its files."""
    source, points = parts.source, len(parts.source.image_shape) == 1
    own, dtype = source.pixels, str(source.test_x.dtype).removeprefix("torch.")
    limits = None if points else limits_of(own)
    meaning = "points, coordinates standardised" if points else "images, [channels, height, width]"
    return Card(
        format=FORMAT,
        packages={name: installed(name) for name in (*PACKAGES, "safetensors")},
        architecture=Architecture(
            net=configuration(parts.method.classifiers["last"], PLACES),
            generator=configuration(parts.method.image_generator),
            normalization=configuration(parts.normalization, PLACES),
        ),
        input=InputSpec(
            dtype,  # pyright: ignore[reportArgumentType]
            list(source.image_shape),
            limits,
            meaning,
            None if points else picture_spec(source),
            None if own == BYTES else own,
        ),
        output={"dtype": "float32", "shape": [source.num_classes], "meaning": "logits, one for each of the classes"},
        classes=class_names(source),
        weights=weights,
        evaluation=recorded_errors(folder, source, progress, weights) | {"validation_examples": len(parts.split.validation)},
        generator=generator_facts(folder, parts, progress),
        provenance=run_provenance(folder, parts, progress),
        files={},
    )


def limits_of(pixels: PixelFormat) -> list[float]:
    """The least black and the greatest white."""
    return [int(end) if end == int(end) else end for end in (min(pixels.low), max(pixels.high))]


def picture_spec(source: Dataset) -> PictureSpec:
    """How files are read as these data were."""
    reader = facts_of(source).reader
    return PictureSpec(reader.background, reader.white, reader.reading, reader.non_square)


def recorded_errors(folder: RunFolder, source: Dataset, progress: Progress, weights: str) -> dict:
    """Errors of these weights in percent, as recorded with the checkpoint; null where none is."""
    row = next((row for row in folder.rows() if row["step"] == progress.step), {})
    errors = {f"{part}_error": row.get(f"{part}_error/{weights}") for part in ("test", "validation")}
    facts = facts_of(source)
    return errors | {"test_examples": facts.test_examples, "test_sha256": facts.test_sha256}


def generator_facts(folder: RunFolder, parts: RunModel, progress: Progress) -> dict | None:
    """The generator's input and output, and the fidelity of these very weights; None where there is none."""
    generator = parts.method.image_generator
    return generator and {
        "latent": generator.latent,
        "z": "float32, uniform in [0, 1]",
        "weights": "last",
        "statistics": f"fixed on a bank of {BANK_SIZE} z",
        "output": {"dtype": parts.source.pixels.dtype, "shape": list(parts.source.image_shape), "range": limits_of(parts.source.pixels)},
        "fidelity": [asdict(m) for m in measurements(folder.path) if m.generator.get("step") == progress.step],
    }


def run_provenance(folder: RunFolder, parts: RunModel, progress: Progress) -> dict:
    """Data, labels, seeds, configuration, length, code and packages of the run."""
    same, session = identity(folder.read_options()), (folder.sessions() or [{}])[-1]
    return {
        "finished": folder.finished,
        "epoch": progress.epoch,
        "epochs": same["epochs"],
        "step": progress.step,
        "method": same["method"]["class_path"],
        "seed": same["seed"],
        "data_seed": parts.split.data_seed,
        "labels": len(parts.split.labeled),
        "data": parts.source.name,
        "data_sha256": parts.source.sha256,
        "split_sha256": sha256_of(parts.split.text()),
        "config_sha256": sha256_of(json.dumps(same, sort_keys=True)),
        "config": same | {part: without_places(same[part]) for part in ("normalization", "method")},
        "git": session.get("git"),
        "packages": session.get("packages"),
    }


def without_places(tree: Any) -> Any:
    """A part of a configuration without what says where weights were."""
    if isinstance(tree, dict):
        return {name: without_places(branch) for name, branch in tree.items() if name not in PLACES}
    return tree
