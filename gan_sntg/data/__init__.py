"""Data sets, their splits, normalizations and augmentation, and the loader that draws batches."""

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.custom import Arrays, ImageFolder, hold_out
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Batch, Examples, Loader, Pool
from gan_sntg.data.normalization import ZCA, AsIs, ContrastZCA, Normalization, PerImage, Symmetric, UnitRange, UnregularizedZCA, Whitening
from gan_sntg.data.public import CIFAR10, CIFAR100, MNIST, SVHN, Digits, FashionMNIST, MNIST10k, SVHNPart
from gan_sntg.data.splits import Balance, Split, load_split, make_split
from gan_sntg.data.synthetic import FourSpins, Synthetic, TwoMoons

__all__ = [
    "Arrays",
    "AsIs",
    "Augmentation",
    "Balance",
    "Batch",
    "CIFAR10",
    "CIFAR100",
    "ContrastZCA",
    "Dataset",
    "Digits",
    "Examples",
    "FashionMNIST",
    "FourSpins",
    "ImageFolder",
    "Loader",
    "MNIST",
    "MNIST10k",
    "Normalization",
    "PerImage",
    "Pool",
    "SVHN",
    "SVHNPart",
    "Split",
    "Symmetric",
    "Synthetic",
    "TwoMoons",
    "UNLABELED",
    "UnitRange",
    "UnregularizedZCA",
    "Whitening",
    "ZCA",
    "hold_out",
    "load_split",
    "make_split",
]
