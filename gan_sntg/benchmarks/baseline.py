"""The baseline of `gan-sntg bench`: the usual way to write a training step."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import Batch, Examples, Loader, Pool
from gan_sntg.losses import fake_loss, real_loss, supervised_loss
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import trainable
from gan_sntg.training.term_check import own_networks


def keep_layout(net: nn.Module) -> None:
    """Let networks store images as they are given, channel by channel, not with the channels innermost."""
    for module in net.modules():
        if hasattr(module, "layout"):
            vars(module)["layout"] = nn.Identity()


class Pictures(Dataset):
    """The images at `index`, each varied on its own as a PIL image, as many times as a method has views."""

    def __init__(self, pool: Pool, index: Tensor, augmentation: Augmentation, views: int):
        from torchvision import transforms  # noqa: PLC0415  a third of a command's start

        self.x, self.y, self.index, self.views = pool.x.cpu(), pool.y.cpu(), index.cpu(), views
        size, shift = self.x.shape[2], augmentation.translation
        varied = [transforms.RandomHorizontalFlip()] * augmentation.flip
        varied += [transforms.RandomCrop(size, padding=shift, padding_mode="reflect")] * (shift > 0)
        self.picture = transforms.ToPILImage()
        self.vary = transforms.Compose([*varied, transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, k: int) -> tuple[Tensor, int, int]:
        """One image of the last of its views, its label and its index."""
        i = int(self.index[k])
        picture = self.picture(self.x[i])
        views = [self.vary(picture) for _ in range(self.views)]
        return views[-1], int(self.y[i]), i


class NaiveStep:
    """`step(t)` takes one step of the method, data included; the method's networks are trained by it."""

    def __init__(self, method: Any, streams: Loader, workers: int):
        """method: one that took a step of its own; workers: processes that prepare images, for each stream."""
        keep_layout(method)
        augmentation, self.loaders = getattr(method, "augmentation", Augmentation()), {}
        for name, stream in streams.streams.items():
            pictures = Pictures(streams.pool, stream.index, augmentation, 2 if augmentation else 1)
            sampler = RandomSampler(pictures, num_samples=2**20 * stream.batch_size)
            self.loaders[name] = iter(DataLoader(pictures, stream.batch_size, sampler=sampler, num_workers=workers))
        method.augmentation = Augmentation()  # the loaders vary the images
        self.method, self.device, self.losses = method, streams.pool.device, method.losses
        if type(method) is FeatureMatchingGAN:
            self.losses = {"d": (method.discriminator, self.discriminator_terms), "g": (method.generator, self.generator_terms)}
        classifier, trained = method.classifiers["last"], [own_networks(method, prefix) for prefix in method.losses]
        self.optimizers = [torch.optim.Adam(trainable(net), 1e-4, foreach=False) for net, _ in self.losses.values()]
        followers = [part for name, part in method.networks.items() if not any(name in own for own in trained)]
        self.averaged = [pair for part in followers for pair in zip(part.parameters(), classifier.parameters(), strict=True)]

    def __call__(self, t: int) -> dict[str, float]:
        """Terms in epoch t, by whole backward passes, averages by parameter, a synchronisation a term."""
        batches = {name: Examples(*(part.to(self.device) for part in next(loader))) for name, loader in self.loaders.items()}
        batch, values = Batch(**batches), {}
        for optimizer, (prefix, (_, terms_of)) in zip(self.optimizers, self.losses.items(), strict=True):
            terms = terms_of(batch, t)
            self.method.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()
            if prefix != "g":
                for a, p in self.averaged:
                    a.mul_(0.999).add_(p.detach(), alpha=0.001)
            values |= {name: value.item() for name, value in terms.items()}
        return values

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
