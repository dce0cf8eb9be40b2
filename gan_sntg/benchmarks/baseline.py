"""The baseline of `gan-sntg bench`: the usual way to write a training step."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import Batch, Examples, Loader, Pool
from gan_sntg.losses import fake_loss, real_loss, supervised_loss
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import trainable


def keep_layout(net: nn.Module) -> None:
    """Let networks store images as they are given, channel by channel, not with the channels innermost."""
    for module in net.modules():
        if hasattr(module, "layout"):
            vars(module)["layout"] = nn.Identity()


class Pictures(Dataset):
    """The images at `index`, each varied on its own as a PIL image, as many times as a method has views."""

    def __init__(self, pool: Pool, index: Tensor, augmentation: Augmentation, views: int):
        self.x, self.y, self.index, self.views = pool.x.cpu(), pool.y.cpu(), index.cpu(), views
        size, shift = self.x.shape[2], augmentation.translation
        varied = [transforms.RandomHorizontalFlip()] * augmentation.flip
        varied += [transforms.RandomCrop(size, padding=shift, padding_mode="reflect")] * (shift > 0)
        self.vary = transforms.Compose([*varied, transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, k: int) -> tuple[Tensor, int, int]:
        """One image of the last of its views, its label and its index."""
        i = int(self.index[k])
        picture = to_pil_image(self.x[i])
        views = [self.vary(picture) for _ in range(self.views)]
        return views[-1], int(self.y[i]), i


def endless(pictures: Pictures, size: int, workers: int, device: torch.device) -> Iterator[Examples]:
    """Batches of `size` without end; workers: processes that prepare the images."""
    sampler = RandomSampler(pictures, replacement=False, num_samples=2**20 * size)
    loader = DataLoader(pictures, size, sampler=sampler, num_workers=workers, drop_last=True)
    return (Examples(*(part.to(device) for part in batch)) for batch in loader)


class NaiveStep:
    """`step(t)` takes one step of the method, data included; the method's networks are trained by it."""

    def __init__(self, method: Any, streams: Loader, workers: int):
        """method: one that took a step of its own; streams: whose kinds and sizes of batches it takes; workers: for each kind."""
        keep_layout(method)
        pool, augmentation = streams.pool, getattr(method, "augmentation", Augmentation())
        self.method = method
        method.augmentation = Augmentation()  # the loader varies the images
        views = 2 if augmentation else 1
        self.loaders = {
            name: endless(Pictures(pool, stream.index, augmentation, views), stream.batch_size, workers, pool.x.device)
            for name, stream in streams.streams.items()
        }
        nets = {prefix: net for prefix, (net, _) in method.losses.items()}
        self.terms = {prefix: terms for prefix, (_, terms) in method.losses.items()}
        if isinstance(method, FeatureMatchingGAN):
            self.terms = {"d": self.discriminator_terms, "g": self.generator_terms}
        self.optimizers = {prefix: torch.optim.Adam(trainable(net), 1e-4, foreach=False) for prefix, net in nets.items()}
        self.followed = next(iter(nets.values()))
        self.followers = [part for part in method.networks.values() if part not in nets.values()]

    def __call__(self, t: int) -> dict[str, float]:
        """The values of the terms in epoch t: of each network a whole backward pass, and a synchronisation a term."""
        batch, values = Batch(**{name: next(loader) for name, loader in self.loaders.items()}), {}
        for prefix, terms_of in self.terms.items():
            terms = terms_of(batch, t)
            for optimizer in self.optimizers.values():
                optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            self.optimizers[prefix].step()
            if prefix != "g":
                self.follow()
            values |= {name: value.item() for name, value in terms.items()}
        return values

    @torch.no_grad()
    def follow(self) -> None:
        """Averages, parameter by parameter."""
        for part in self.followers:
            for a, p in zip(part.parameters(), self.followed.parameters(), strict=True):
                a.mul_(0.999).add_(p, alpha=0.001)

    def discriminator_terms(self, batch: Any, t: int) -> Terms:
        """D's terms from three passes, and the graph's with the teacher's own pass."""
        fake = self.method.generate(len(batch.unlabeled.x)).detach()
        _, l_labeled = self.method.discriminate(batch.labeled.x)
        h, l_unlabeled = self.method.discriminate(batch.unlabeled.x)
        _, l_fake = self.method.discriminate(fake)
        terms = {
            "d/labeled": supervised_loss(l_labeled, batch.labeled.y),
            "d/unlabeled": real_loss(l_unlabeled),
            "d/generated": fake_loss(l_fake),
        }
        return terms | self.method.graph_term([(batch.unlabeled, h, l_unlabeled)], t)

    def generator_terms(self, batch: Any, t: int) -> Terms:
        """Feature matching with a graph for the real branch too."""
        h_real, _ = self.method.discriminate(batch.unlabeled_g.x)
        h_fake, _ = self.method.discriminate(self.method.generate(len(batch.unlabeled_g.x)))
        return {"g/matching": self.method.matching(h_real, h_fake)}
