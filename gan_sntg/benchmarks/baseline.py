"""The baseline of `gan-sntg bench`: the usual way to write a training step."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import Batch, Examples, Pool
from gan_sntg.losses import fake_loss, real_loss, supervised_loss
from gan_sntg.networks.ema import Average
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import trainable

CHANNELS_LAST = (
    "gan_sntg.networks.classifiers",
    "gan_sntg.networks.weight_norm",
    "gan_sntg.networks.conv_gan",
)  # where images are stored so


@contextmanager
def plain_layers() -> Iterator[None]:
    """Within it, networks keep images as they come."""
    with ExitStack() as stack:
        for module in CHANNELS_LAST:
            stack.enter_context(patch(f"{module}.channels_last", lambda x: x))
        yield


class Pictures(Dataset):
    """The images at `index`, each varied on its own as PIL image, `views` times, as a method with two views of an image needs."""

    def __init__(self, pool: Pool, index: Tensor, augmentation: Augmentation, views: int):
        """index: into the pool's images."""
        self.x, self.y, self.index, self.views = pool.x.cpu(), pool.y.cpu(), index.cpu(), views
        size, shift = self.x.shape[2], augmentation.translation
        varied = [transforms.RandomHorizontalFlip()] * augmentation.flip
        varied += [transforms.RandomCrop(size, padding=shift, padding_mode="reflect")] * (shift > 0)
        self.vary = transforms.Compose([*varied, transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        """How many images."""
        return len(self.index)

    def __getitem__(self, k: int) -> tuple[Tensor, int, int]:
        """One image of the last of its views, its label and its index."""
        i = int(self.index[k])
        picture = Image.fromarray(self.x[i].permute(1, 2, 0).squeeze(2).numpy())
        views = [self.vary(picture) for _ in range(self.views)]
        return views[-1], int(self.y[i]), i


def endless(pool: Pool, index: Tensor, size: int, augmentation: Augmentation, views: int, workers: int) -> Iterator[Examples]:
    """Batches of `size` without end."""
    pictures = Pictures(pool, index, augmentation, views)
    sampler = RandomSampler(pictures, replacement=False, num_samples=2**20 * size)
    loader = DataLoader(pictures, size, sampler=sampler, num_workers=workers, drop_last=True)
    return (Examples(*(part.to(pool.x.device) for part in batch)) for batch in loader)


class NaiveStep:
    """`step(t)` takes one step of the method, data included; the method's networks are trained by it."""

    def __init__(self, method: Method, pool: Pool, batch_size: int, labeled_batch_size: int, workers: int):
        """workers: processes that prepare images, for each kind of image that the method asks for."""
        self.method, augmentation = method, getattr(method, "augmentation", Augmentation())
        method.augmentation = Augmentation()  # the loader varies the images
        views = 2 if augmentation else 1
        kinds = {"labeled": (pool.labeled, labeled_batch_size), "unlabeled": (pool.unlabeled, batch_size)}
        kinds["unlabeled_g"] = kinds["unlabeled"]
        chosen = {name: kinds[name] for name in method.views}
        self.loaders = {name: endless(pool, index, size, augmentation, views, workers) for name, (index, size) in chosen.items()}
        nets = {prefix: trainable(net) for prefix, (net, _) in method.losses.items()}
        self.optimizers = {p: torch.optim.Adam(params, 1e-4, foreach=False) for p, params in nets.items()}
        followers = [getattr(method, "average", None), getattr(method, "teacher", None)]
        self.followers = [net for net in (getattr(f, "average", f) for f in followers) if net is not None and list(net.parameters())]

    def __call__(self, t: int) -> dict[str, float]:
        """The values of the terms in epoch t."""
        batch = Batch(**{name: next(loader) for name, loader in self.loaders.items()})
        with plain_layers():
            if "g" in self.optimizers:
                values = self.descend("d", self.discriminator_terms(batch, t))
                return values | self.descend("g", self.generator_terms(batch, t))
            return self.descend("net", self.method.terms(batch, t))

    def descend(self, prefix: str, terms: Terms) -> dict[str, float]:
        """A whole backward pass, a parameter by parameter update, and one synchronisation a term."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        sum(terms.values()).backward()
        self.optimizers[prefix].step()
        if prefix != "g":
            self.follow()
        return {name: value.item() for name, value in terms.items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Averages, parameter by parameter."""
        followed = next(iter(self.method.losses.values()))[0]
        for net in self.followers:
            if isinstance(net, Average):
                net.count += 1  # a teacher that was never moved would not be asked
            for a, p in zip(net.parameters(), followed.parameters(), strict=True):
                a.mul_(0.999).add_(p, alpha=0.001)

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """D's terms from three passes, and the graph's with the teacher's own pass."""
        method = self.method
        fake = method.generate(len(batch.unlabeled.x)).detach()
        _, l_labeled = method.discriminate(batch.labeled.x)
        h, l_unlabeled = method.discriminate(batch.unlabeled.x)
        _, l_fake = method.discriminate(fake)
        terms = {
            "d/labeled": supervised_loss(l_labeled, batch.labeled.y),
            "d/unlabeled": real_loss(l_unlabeled),
            "d/generated": fake_loss(l_fake),
        }
        terms |= method.graph_term([(batch.unlabeled, h, l_unlabeled)], t)
        return terms

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """Feature matching with a graph for the real branch too."""
        h_real, _ = self.method.discriminate(batch.unlabeled_g.x)
        h_fake, _ = self.method.discriminate(self.method.generate(len(batch.unlabeled_g.x)))
        return {"g/matching": self.method.matching(h_real, h_fake)}
