"""Data sets, their splits, normalizations and augmentation, and the loader that draws batches."""

from gan_sntg.data.arrays import Arrays, hold_out_groups
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.backbones import Backbone
from gan_sntg.data.dataset import Dataset, hold_out
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import UNLABELED, Batch, Examples, Loader, Pool
from gan_sntg.data.normalization import (
    ZCA,
    AsIs,
    ContrastZCA,
    Normalization,
    PerImage,
    Symmetric,
    SymmetricZCA,
    UnitRange,
    UnregularizedZCA,
    Whitening,
)
from gan_sntg.data.public import CIFAR10, CIFAR100, MNIST, SVHN, Digits, FashionMNIST, FashionMNIST10k, MNIST10k, SVHNPart
from gan_sntg.data.splits import Balance, Split, load_split, make_split
from gan_sntg.data.synthetic import FourSpins, Synthetic, TwoMoons
from gan_sntg.data.twins import Twins
from gan_sntg.pictures import read_picture, read_pictures

__all__ = ["Augmentation", "Arrays", "ImageFolder", "hold_out", "Dataset", "UNLABELED", "Batch", "Examples", "Loader", "Pool"]
__all__ += ["hold_out_groups", "read_picture", "read_pictures"]
__all__ += ["AsIs", "Backbone", "Normalization", "PerImage", "Symmetric", "UnitRange"]
__all__ += ["ZCA", "ContrastZCA", "SymmetricZCA", "UnregularizedZCA", "Whitening"]
__all__ += ["CIFAR10", "CIFAR100", "MNIST", "SVHN", "Digits", "FashionMNIST", "FashionMNIST10k", "MNIST10k", "SVHNPart"]
__all__ += ["Balance", "Split", "load_split", "make_split", "FourSpins", "Synthetic", "TwoMoons", "Twins"]
