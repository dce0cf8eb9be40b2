"""What does an extractor say of a generator's images, and of real ones? Both through torch-fidelity; of real ones it is kept."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.generative_model_modulewrapper import GenerativeModelModuleWrapper
from torch_fidelity.utils import get_featuresdict_from_dataset, get_featuresdict_from_generative_model

from gan_sntg.core.data.kept import keep, key_of, recall
from gan_sntg.core.data.whiten import Normalization
from gan_sntg.core.layers import fix_statistics
from gan_sntg.networks import Generator
from gan_sntg.samples import BANK_SIZE, z_bank

SEED = 0  # of z, and of all that is drawn for a score


class Extracted(NamedTuple):
    """What an extractor says of n images: features [n, D] and logits [n, K], float32 on the CPU."""

    h: Tensor
    logits: Tensor


class Samples(nn.Module):
    """z [B, latent] -> uint8 RGB [B, 3, H, W], as torch-fidelity takes a generator."""

    def __init__(self, generator: Generator, normalization: Normalization):
        """normalization: whose inverse makes bytes of what the generator draws."""
        super().__init__()
        self.generator, self.normalization = generator, normalization

    def forward(self, z: Tensor) -> Tensor:
        """Each z by itself: the generator's statistics are fixed before."""
        return rgb(self.normalization.images(self.generator(z)))


class Images(Dataset):
    """uint8 images [N, C, H, W] as torch-fidelity takes a data set: RGB, one by one."""

    def __init__(self, x: Tensor):
        """x: grey or colour."""
        self.x = x

    def __len__(self) -> int:
        """N."""
        return len(self.x)

    def __getitem__(self, index: int) -> Tensor:
        """uint8 [3, H, W]."""
        return rgb(self.x[index])


def rgb(x: Tensor) -> Tensor:
    """Grey images [..., 1, H, W] with their channel repeated to three; colour ones as they are."""
    return x.expand(*x.shape[:-3], 3, *x.shape[-2:])


def of_generator(
    generator: Generator,
    normalization: Normalization,
    extractor: FeatureExtractorBase,
    n: int,
    batch_size: int = 100,
    verbose: bool = False,
) -> Extracted:
    """Of n images of uniform z that torch-fidelity draws from SEED; the generator's statistics are fixed on the bank, as for grids.

    The generator's mode is left as it was.
    """
    training, device = generator.training, next(generator.parameters()).device
    fix_statistics(generator, z_bank(generator.latent, BANK_SIZE, device))
    model = GenerativeModelModuleWrapper(Samples(generator, normalization), generator.latent, "uniform_0_1", 0)
    found = get_featuresdict_from_generative_model(model, extractor, n, batch_size, device.type == "cuda", SEED, verbose)
    generator.train(training)
    return Extracted(*(found[layer] for layer in extractor.layers))


def of_images(x: Tensor, extractor: FeatureExtractorBase, cuda: bool = False, batch_size: int = 100, verbose: bool = False) -> Extracted:
    """Of the images x uint8 [N, C, H, W], recalled where these images were seen by this extractor before."""
    key = key_of(f"{extractor.identity['weights_sha256'][:16]}-{extractor.identity['resize']}".replace(" ", ""), x)
    with torch.no_grad():
        shapes = {name: (len(x), one.shape[1]) for name, one in zip(Extracted._fields, extractor(rgb(x[:1])), strict=True)}
    found = recall(key, shapes)
    if found is None:
        layers = get_featuresdict_from_dataset(Images(x), extractor, batch_size, cuda, True, verbose)
        found = {name: layers[layer] for name, layer in zip(Extracted._fields, extractor.layers, strict=True)}
        keep(key, found)
    return Extracted(**found)
