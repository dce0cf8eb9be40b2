"""Train FM-GAN + SNTG on a public data set, in plain Python.

python scripts/train_gan.py --data Digits --labels 20 --epochs 150
python scripts/train_gan.py --data CIFAR10 --root data --labels 4000 --epochs 1200 --out runs/cifar10
python scripts/train_gan.py --data MNIST --root data --labels 100 --epochs 300 --weight 0      FM-GAN alone

The networks are the Improved GAN's: dense for grey images, convolutional for colour ones. `tensorboard --logdir runs` shows
curves and sample grids; the same command goes on with a run that was stopped.
"""

import argparse
import inspect

import torch

import gan_sntg
from gan_sntg.data import Dataset
from gan_sntg.graph import SNTG, AllPairs, Averaged, Halves
from gan_sntg.losses import Matching
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import ConvDiscriminator, ConvGenerator, DenseDiscriminator, DenseGenerator, Discriminator, Generator

SETS = ("Digits", "MNIST", "MNIST10k", "FashionMNIST", "FashionMNIST10k", "SVHN", "SVHNPart", "CIFAR10", "CIFAR100")


def options(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="Digits")
    parser.add_argument("--root", help="folder of the data's files")
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--weight", type=float, default=1.0, help="of SNTG; 0 is FM-GAN alone")
    parser.add_argument("--margin", type=float, help="of SNTG; default: 3 for dense networks, 1 for convolutional ones")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, noise and labels")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", help="run folder")
    return parser.parse_args(words)


def dataset(name: str, root: str | None) -> Dataset:
    """The data set, read from `root` where it has files."""
    kind = getattr(gan_sntg.data, name)
    return kind(root=root) if "root" in inspect.signature(kind).parameters else kind()


def networks(data: Dataset) -> tuple[Discriminator, Generator]:
    """D and G, sized to the data."""
    shape = data.image_shape
    if shape[0] == 3:
        return ConvDiscriminator(shape, data.num_classes), ConvGenerator(shape)
    if shape[1] < 28:
        return DenseDiscriminator(shape, data.num_classes, widths=(128, 128, 128)), DenseGenerator(shape, widths=(128, 128))
    return DenseDiscriminator(shape, data.num_classes), DenseGenerator(shape)


def main(words: list[str] | None = None) -> gan_sntg.TrainedRun:
    """Train, and print the errors and the folder."""
    given = options(words)
    data = dataset(given.data, given.root)
    torch.manual_seed(given.seed)
    discriminator, generator = networks(data)
    color = data.image_shape[0] == 3
    margin = given.margin if given.margin is not None else 1.0 if color else 3.0
    small = data.image_shape[1] < 28
    method = FeatureMatchingGAN(
        discriminator=discriminator,
        generator=generator,
        matching=Matching.absolute if color else Matching.squared,
        teacher=Averaged(decay=0.99 if small else 0.999),
        sntg=SNTG(weight=given.weight, ramp_epochs=given.epochs, margin=margin, pairing=Halves() if color else AllPairs()),
        learning_rate=3e-4 if color else 3e-3,
        decay_epochs=given.epochs,
        average_decay=0.99 if small else 0.9999,
    )
    common = {"seed": given.seed, "data_seed": given.seed, "precision": given.precision, "threads": given.threads, "out": given.out}
    run = gan_sntg.train(method, data, labels=given.labels, epochs=given.epochs, interval_epochs=max(1, given.epochs // 15), **common)
    print(f"test error: {run.test_error:.2f} % (averaged weights), {run.test_error_last:.2f} % (last weights)")
    print(f"run folder: {run.folder.path}")
    return run


if __name__ == "__main__":
    main()
