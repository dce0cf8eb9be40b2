"""Export a run's classifier and generator for use elsewhere."""

import sys
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.evaluation.samples import fix_on_bank
from gan_sntg.export.load import Classifier, ImageGenerator
from gan_sntg.export.write import card_of_run, check_onnx, write_export
from gan_sntg.files.atomic import writable, writing
from gan_sntg.runs.build import RunModel, class_names, folder_parser
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model

COMPARED = 64  # examples, and z, on which what was written must do what the run does
DESCRIPTION = (
    "Write, of a run's last checkpoint, the weights of classifier and generator as safetensors, the classifier as a torch.export program "
    "that takes images as the data set holds them, card.json, which says what they are, and README.md, the same for people and for "
    "Hugging Face's hub; gan_sntg.export.load_export gives them back."
)
EXAMPLES = """examples:
  gan-sntg export runs/sntg --onnx
"""


def parser() -> Parser:
    """RUN, which weights, and where to."""
    parser = folder_parser("export", DESCRIPTION)
    parser.epilog = EXAMPLES
    parser.add_argument("--out", type=str | None, default=None, help="folder to write, new or empty; default RUN/export")
    parser.add_argument("--classifier", type=Literal["last", "averaged"], default="averaged", help="which weights of the classifier")
    parser.add_argument("--onnx", action="store_true", help="write the classifier as ONNX too; needs pip install 'gan-sntg[onnx]'")
    return parser


def run(options: Namespace) -> None:
    """Write the export and print its folder; say on stderr what was compared."""
    folder = RunFolder(Path(options.run))
    folder.check_made()
    if options.onnx:
        check_onnx()
    out = writable(options.out or folder.path / "export", folder=True)
    parts, progress = load_model(options.run, "cpu", options.root, options.checkpoint)
    classifier, generator = exported_networks(parts, options.classifier)
    card = card_of_run(folder, parts, progress, options.classifier)
    with writing(out):
        write_export(out, card, classifier, generator, x := examples(parts.source), options.onnx)
    networks = "classifier and generator" if generator else "classifier"
    print(f"read back, the {networks} did on {len(x)} examples what the run does", file=sys.stderr)
    print(out)


def examples(source: Dataset) -> Tensor:
    """Test examples, or, where they are not at hand, random ones of their kind: [COMPARED, ...]."""
    if len(source.test_x):
        return source.test_x[:COMPARED]
    x = torch.rand(COMPARED, *source.image_shape, generator=torch.Generator().manual_seed(0))
    return source.pixels.pixels(x * 256 - 0.5) if x.dim() == 4 else 4 * x - 2


def exported_networks(parts: RunModel, weights: str) -> tuple[Classifier, ImageGenerator | None]:
    """The networks as the run has them; G's batch statistics are fixed on the bank, as for samples."""
    source, method, normalization = parts.source, parts.method, parts.normalization
    classifier = Classifier(method.classifiers[weights], normalization, source.image_shape, source.test_x.dtype, class_names(source))
    if (generator := parts.method.image_generator) is None:
        return classifier, None
    fix_on_bank(generator)
    return classifier, ImageGenerator(generator, normalization)
