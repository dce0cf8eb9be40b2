"""Train a discriminative baseline, with or without SNTG, on a public data set, in plain Python.

python scripts/train_discriminative.py --method PiModel --data Digits --labels 20 --epochs 100
python scripts/train_discriminative.py --method MeanTeacher --data CIFAR10 --root data --labels 4000 --epochs 300 --weight 0.4

Methods: Supervised, PiModel, TemporalEnsembling, MeanTeacher, VAT. Weight 0 is the method without SNTG.
"""

import argparse

import torch
from train_gan import SETS, dataset

import discriminative
import gan_sntg
from gan_sntg.data import Augmentation, Dataset
from gan_sntg.graph import SNTG
from gan_sntg.networks import Classifier, ConvNet13, DenseDiscriminator
from gan_sntg.schedules import LinearTail, RampedWeight

METHODS = ("Supervised", "PiModel", "TemporalEnsembling", "MeanTeacher", "VAT")


def options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, default="PiModel")
    parser.add_argument("--data", choices=SETS, default="Digits")
    parser.add_argument("--root", help="folder of the data's files")
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--weight", type=float, default=0.1, help="lambda2, of SNTG beside w(t); 0 is the method alone")
    parser.add_argument("--max_weight", type=float, default=3.0, help="w(t) past its ramp")
    parser.add_argument("--epsilon", type=float, default=1.0, help="norm of VAT's perturbation")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, noise and labels")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", help="run folder")
    return parser.parse_args(words)


def network(data: Dataset) -> Classifier:
    """The 13-layer ConvNet for colour images, a dense network for grey ones."""
    if data.image_shape[0] == 3:
        return ConvNet13(data.image_shape, data.num_classes)
    return DenseDiscriminator(data.image_shape, data.num_classes, widths=(128, 128, 128))


def main(words: list[str] | None = None) -> gan_sntg.TrainedRun:
    """Train, and print the errors and the folder."""
    given = options(words)
    data = dataset(given.data, given.root)
    torch.manual_seed(given.seed)
    own = {"stream": "two"}
    if given.method == "VAT":
        own = {"epsilon": given.epsilon}
    if given.method == "Supervised":
        own |= {"consistency_weight": 0.0}
    method = getattr(discriminative, given.method)(
        net=network(data),
        schedule=LinearTail(epochs=given.epochs),
        learning_rate=3e-3,
        adam_epsilon="inside_sqrt",
        average_decay=0.99,
        divisor="labeled",
        w=RampedWeight(given.max_weight, ramp_epochs=given.epochs / 3, scaled=False),
        sntg=SNTG(weight=given.weight, ramp_epochs=given.epochs, margin=3.0),
        augmentation=Augmentation(translation=2, flip=data.image_shape[0] == 3) if data.image_shape[1] >= 28 else None,
        **own,
    )
    sizes = {"batch_size": 100, "labeled_batch_size": min(20, given.labels), "interval_epochs": max(1, given.epochs // 10)}
    common = {"seed": given.seed, "data_seed": given.seed, "threads": given.threads, "out": given.out}
    run = gan_sntg.train(method, data, labels=given.labels, epochs=given.epochs, **sizes, **common)
    print(f"test error: {run.test_error:.2f} % (averaged weights), {run.test_error_last:.2f} % (last weights)")
    print(f"run folder: {run.folder.path}")
    return run


if __name__ == "__main__":
    main()
