"""Small ALIs, in float64 without noise or as they train, and a configuration of one."""

import torch

from gan_sntg.graph.teachers import SecondPass
from gan_sntg.methods.ali import ALI
from gan_sntg.networks.gan import DenseGenerator
from gan_sntg.networks.inference import DenseInferenceEncoder, DenseJointDiscriminator
from gan_sntg.networks.noise import GaussianNoise
from helpers.tiny import Squares, UnitRange64, sntg, started, streams

SHAPE = (1, 4, 4)
KINDS = [{}, {"encoder_labeled_weight": 0.5}, {"generator_loss": "matching"}]  # of G's and E's loss


def ali(seed: int = 0, dtype: torch.dtype = torch.float32, **options) -> ALI:
    torch.manual_seed(seed)
    nets = {
        "discriminator": DenseJointDiscriminator(SHAPE, 3, latent=5, widths=(12, 8)),
        "encoder": DenseInferenceEncoder(SHAPE, latent=5, widths=(7,)),
        "generator": DenseGenerator(SHAPE, latent=5, widths=(9,)),
    }
    graph = sntg(options)
    method = ALI(sntg=graph, **(nets | {"teacher": SecondPass()} | options)).to(dtype)
    method.prepare(data := Squares(), streams(source=data).pool)
    method.to(dtype).seed(seed, "cpu")
    return method


def quiet(**options):
    """A method in float64 whose networks draw nothing, and a batch."""
    s = streams(normalization=UnitRange64)
    method = started(ali(dtype=torch.float64, **options), s)
    for noise in (m for m in method.modules() if isinstance(m, GaussianNoise)):
        noise.std = 0.0
    return method, next(s.epoch())


def answering(method: ALI, *answers: list) -> None:
    """Let D's next passes give these logits [B, K]."""
    logits = iter([torch.tensor(rows, dtype=torch.float64) for rows in answers])
    method.judge = lambda x, z: (torch.zeros(len(x), 1), next(logits))


def dense(name: str, **arguments) -> dict:
    return {"class_path": f"gan_sntg.networks.{name}", "init_args": arguments}


def ali_tree(tree: dict) -> dict:
    """The configuration of a small FM-GAN on digits as one of ALI."""
    tree["method"]["class_path"] = "gan_sntg.methods.ALI"
    tree["method"]["init_args"] |= {
        "discriminator": dense("DenseJointDiscriminator", latent=8, widths=[16, 12]),
        "encoder": dense("DenseInferenceEncoder", latent=8, widths=[12]),
    }
    return tree
