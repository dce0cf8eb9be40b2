"""Configurations of small runs that tests share, as trees to copy and change."""

import copy


def labels_alone(net: dict) -> dict:
    """The method that trains a network on the labels alone."""
    schedule = {"class_path": "gan_sntg.schedules.LinearTail"}
    options = {"net": net, "schedule": schedule, "learning_rate": 0.001, "consistency_weight": 0, "stream": "two"}
    return {"class_path": "discriminative.Supervised", "init_args": options}


SMALL = {"batch_size": 50, "threads": 1, "device": "cpu", "liveness": False}
DISCRIMINATOR = {"class_path": "gan_sntg.networks.DenseDiscriminator", "init_args": {"widths": [16, 12]}}
TINY = SMALL | {  # 12 steps on the digits
    "data": {"class_path": "gan_sntg.data.Digits"},
    "labels": 20,
    "normalization": {"class_path": "gan_sntg.data.UnitRange"},
    "epochs": 3,
    "steps_per_epoch": 4,
    "method": {
        "class_path": "gan_sntg.methods.FeatureMatchingGAN",
        "init_args": {
            "discriminator": DISCRIMINATOR,
            "generator": {"class_path": "gan_sntg.networks.DenseGenerator", "init_args": {"latent": 8, "widths": [12, 12]}},
            "teacher": {"class_path": "gan_sntg.graph.Averaged", "init_args": {"decay": 0.9}},
            "sntg": {
                "class_path": "gan_sntg.graph.SNTG",
                "init_args": {"weight": 0.1, "ramp_epochs": 1, "pairing": {"class_path": "gan_sntg.graph.Halves"}},
            },
        },
    },
}
POINTS = SMALL | {  # 10 steps on four spins
    "data": {"class_path": "gan_sntg.data.FourSpins"},
    "labels": 12,
    "normalization": {"class_path": "gan_sntg.data.AsIs"},
    "epochs": 2,
    "steps_per_epoch": 5,
    "method": labels_alone(DISCRIMINATOR | {"init_args": {"widths": [16], "input_noise": 0.1, "hidden_noise": 0.0}}),
}


def tiny_with(path: str, value) -> dict:
    """TINY with this value at a dotted path of options."""
    tree = branch = copy.deepcopy(TINY)
    *way, name = path.split(".")
    for step in way:
        branch = branch[step]["init_args"]
    branch[name] = value
    return tree


def triple_gan() -> dict:
    """TINY's run of Triple-GAN, with every term but the consistency."""
    options = {
        "net": {"class_path": "gan_sntg.networks.BatchNormDiscriminator", "init_args": {"widths": [16, 12]}},
        "discriminator": {"class_path": "gan_sntg.networks.DensePairDiscriminator", "init_args": {"widths": [12]}},
        "generator": {"class_path": "gan_sntg.networks.DenseConditionalGenerator", "init_args": {"latent": 8, "widths": [12, 12]}},
        "schedule": {"class_path": "gan_sntg.schedules.LinearTail"},
        "learning_rate": 0.003,
        "pretraining_epochs": 1,
        **dict.fromkeys(("adversarial_weight", "generated_weight", "entropy_weight", "balance_weight"), 0.1),
        **{name: TINY["method"]["init_args"][name] for name in ("teacher", "sntg")},
    }
    return copy.deepcopy(TINY | {"method": {"class_path": "gan_sntg.methods.TripleGAN", "init_args": options}})
