# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quick start
#
# This notebook trains a classifier of handwritten digits from 20 labels, in four ways: on the labels alone, with SNTG, with a GAN
# (FM-GAN), and with both. It takes about a minute on one core and needs no download: the data are scikit-learn's digits.
#
# SNTG (Smooth Neighbors on Teacher Graphs, Luo et al., CVPR 2018) looks at pairs of images. A teacher, here an average of the network's
# own weights, says which of them are of one class. Features of these are drawn together, features of others are pushed apart.

# %%
import matplotlib.pyplot as plt
import torch

import gan_sntg
from discriminative import Supervised
from gan_sntg.graph import SNTG, AllPairs, Averaged
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import DenseDiscriminator, DenseGenerator
from gan_sntg.schedules import LinearTail, RampedWeight

EPOCHS = 60

# %% [markdown]
# ## The data
#
# 1,400 images of 8 x 8 pixels are for training. 20 of them, two of each class, will have a label. 397 are for testing.

# %%
data = gan_sntg.data.Digits()
print(f"training: {tuple(data.train_x.shape)}, test: {tuple(data.test_x.shape)}, classes: {data.num_classes}")

figure, axes = plt.subplots(1, 10, figsize=(8, 1))
for k, axis in enumerate(axes):
    axis.imshow(data.train_x[data.train_y == k][0, 0], cmap="gray")
    axis.set_axis_off()

# %% [markdown]
# ## Four runs
#
# All four share the network, its initial weights, the labels and the order of batches. Only the method and the weight of SNTG differ.
# `gan_sntg.train` returns the finished run; where its folder is there already, it reads that or goes on with it.


# %%
def sntg(weight: float) -> SNTG:
    """Take the options that were chosen on validation images; weight 0 is the method without SNTG."""
    return SNTG(weight=weight, ramp_epochs=EPOCHS, margin=3.0, pairing=AllPairs())


def network() -> DenseDiscriminator:
    """Make the classifier, which is the GAN's discriminator too."""
    torch.manual_seed(0)
    return DenseDiscriminator(data.image_shape, data.num_classes, widths=(128, 128, 128))


def labels_alone(weight: float) -> Supervised:
    """Train the network on the labels; with SNTG, unlabelled images take part in the graph."""
    return Supervised(
        net=network(),
        schedule=LinearTail(),
        learning_rate=0.001,
        average_decay=0.99,
        stream="two",
        consistency_weight=0,
        w=RampedWeight(ramp_epochs=None, scaled=False),
        sntg=sntg(weight),
    )


def fm_gan(weight: float) -> FeatureMatchingGAN:
    """Train it against a generator whose images have the features of real ones."""
    return FeatureMatchingGAN(
        discriminator=network(),
        generator=DenseGenerator(data.image_shape, widths=(128, 128)),
        teacher=Averaged(decay=0.99),
        sntg=sntg(weight),
        decay_epochs=EPOCHS,
        average_decay=0.99,
    )


methods = {
    "labels alone": labels_alone(0.0),
    "labels alone + SNTG": labels_alone(1.0),
    "FM-GAN": fm_gan(0.0),
    "FM-GAN + SNTG": fm_gan(1.0),
}
runs = {
    name: gan_sntg.train(method, data, labels=20, epochs=EPOCHS, interval_epochs=2, threads=1, out=f"runs/quickstart/{name}")
    for name, method in methods.items()
}
for name, run in runs.items():
    print(f"{name:20} test error {run.test_error:5.2f} %")

# %% [markdown]
# This is one choice of 20 labels. A statement needs several: `gan-sntg reproduce digits` takes ten, and its table (`results/digits.md`)
# gives each difference with its interval.
#
# ## Curves
#
# A run keeps what it measured at each interval in `run.metrics`: errors, loss terms, and the quality of the graph.


# %%
def curve(axis, run, key: str, name: str) -> None:
    """Draw one measured quantity against the epoch."""
    axis.plot([row["epoch"] for row in run.metrics], [row[key] for row in run.metrics], label=name)


figure, axis = plt.subplots(figsize=(6, 3.5))
for name, run in runs.items():
    curve(axis, run, "test_error/averaged", name)
axis.set(xlabel="epoch", ylabel="test error, %", ylim=(0, 60))
axis.legend()
figure.tight_layout()

# %% [markdown]
# ## The graph
#
# Precision is the share of pairs that the teacher joins which are of one class in truth; recall is the share of pairs of one class that
# it joins. The hidden labels are looked at for this figure alone. They are measured without SNTG too: there the teacher has no say.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for axis, key in zip(axes, ("precision", "recall"), strict=True):
    for name, run in runs.items():
        curve(axis, run, f"graph/{key}", name)
    axis.set(xlabel="epoch", title=key, ylim=(0, 1))
axes[0].legend()
figure.tight_layout()

# %% [markdown]
# ## What SNTG changes
#
# Features of the test images, in their two principal directions, coloured by their true class. SNTG gathers each class.


# %%
def features(run) -> torch.Tensor:
    """Last hidden layer of the averaged classifier, in its two principal directions."""
    with torch.no_grad():
        h, _ = run.classifier(run.normalization(data.test_x))
    h = h.double() - h.double().mean(0)
    return h @ torch.linalg.svd(h, full_matrices=False).Vh[:2].T


figure, axes = plt.subplots(1, 4, figsize=(11, 3))
for axis, (name, run) in zip(axes, runs.items(), strict=True):
    axis.scatter(*features(run).T, c=data.test_y, cmap="tab10", s=6)
    axis.set(title=name, xticks=[], yticks=[])
figure.tight_layout()

# %% [markdown]
# ## Samples
#
# The generators draw from the same z, so that images at one place of both grids can be compared.


# %%
def grid(images: torch.Tensor, columns: int = 16) -> torch.Tensor:
    """Put images [N, 1, H, W] side by side, with a pixel of white between them."""
    rows = torch.nn.functional.pad(images[:, 0], (0, 1, 0, 1), value=255).split(columns)
    return torch.cat([torch.cat(list(row), 1) for row in rows])


figure, axes = plt.subplots(2, 1, figsize=(8, 4.6))
for axis, name in zip(axes, ("FM-GAN", "FM-GAN + SNTG"), strict=True):
    axis.imshow(grid(runs[name].sample(64)), cmap="gray")
    axis.set_title(name)
    axis.set_axis_off()
figure.tight_layout()

# %% [markdown]
# ## What next
#
# - Your own pictures: `gan_sntg.data.ImageFolder("my_pictures")` in place of `Digits()`, as the tutorial does step by step.
# - The commands read these folders: `gan-sntg evaluate`, `gan-sntg compare`, `gan-sntg export`, and TensorBoard on `runs/quickstart`.
# - Other methods: the page on methods has a table to choose by.
