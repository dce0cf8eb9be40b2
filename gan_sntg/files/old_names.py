"""Names of earlier versions in run folders and exports, and today's: the one table of both."""

from typing import Any

DATA = ("arrays", "augment", "folder", "plane", "sources", "synthetic", "whiten", "zca")
METHODS = ("mean_teacher", "pi_model", "supervised", "temporal_ensembling", "vat")
ROOMS = {  # modules of before, and where their classes are named now
    "gan_sntg.core.schedules": "gan_sntg.schedules",
    "gan_sntg.core.graph": "gan_sntg.graph",
    "gan_sntg.core.graphs": "gan_sntg.graph",
    "gan_sntg.core.networks": "gan_sntg.networks",
    **dict.fromkeys((f"gan_sntg.core.data.{name}" for name in DATA), "gan_sntg.data"),
    "gan_sntg.conv_networks": "gan_sntg.networks",
    "gan_sntg.networks.batch_norm_discriminators": "gan_sntg.networks",
    "gan_sntg.networks.conv_gan": "gan_sntg.networks",
    "gan_sntg.networks.dense_gan": "gan_sntg.networks",
    "gan_sntg.feature_matching": "gan_sntg.methods",
    "gan_sntg.teachers": "gan_sntg.graph",
    **dict.fromkeys((f"discriminative.{name}" for name in METHODS), "discriminative"),
}
GONE = ("pair_scope", "batch_statistics")  # options of a run by torchrun
LEFT = "all"  # the one value that they have now
SNTG = {  # arguments of a method that are SNTG's now
    "graph_weight": "weight",
    "graph_ramp_epochs": "ramp_epochs",
    "graph_start_epochs": "start_epochs",
    "graph_labeled": "labeled",
    **{name: name for name in ("margin", "distance", "pairing", "graph")},
}
RAMP = ("max_weight", "ramp_epochs", "scaled")  # that are w(t)'s now
GAN_RAMP_EPOCHS = 80.0  # of FM-GAN's graph where it was not given


def modern(tree: Any) -> Any:
    """A tree of options, or of a card, with today's names; the very tree where it has no others."""
    if isinstance(tree, list):
        return [modern(branch) for branch in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {name: modern(branch) for name, branch in tree.items() if name not in GONE}
    if isinstance(path := tree.get("class_path"), str):
        tree["class_path"] = class_path(path)
        if isinstance(given := tree.get("init_args"), dict):
            tree["init_args"] = arguments(tree["class_path"], given)
    elif isinstance(tree.get("method"), str):  # of a card
        tree["method"] = class_path(tree["method"])
    return tree


def first_reading(options: dict) -> dict:
    """Options of a run folder; those of before pictures were read otherwise say so."""
    data = options.get("data")
    if not isinstance(data, dict) or data.get("class_path") != "gan_sntg.data.ImageFolder":
        return options
    given = data.get("init_args")
    return options | {"data": data | {"init_args": {"reading": 1} | given}} if isinstance(given, dict) else options


def class_path(path: str) -> str:
    """Today's path of a class."""
    module, _, name = path.rpartition(".")
    return f"{ROOMS[module]}.{name}" if module in ROOMS else path


def arguments(path: str, given: dict) -> dict:
    """Today's arguments of a class: those of a method that became SNTG's and w(t)'s are moved there."""
    gan = path == "gan_sntg.methods.FeatureMatchingGAN"
    if not gan and not path.startswith("discriminative."):
        return given
    sntg = {new: given[old] for old, new in SNTG.items() if old in given}
    ramp = {name: given[name] for name in RAMP if name in given}
    kept = {name: value for name, value in given.items() if name not in (*SNTG, *RAMP, "adam")}
    if gan and sntg:
        sntg = {"ramp_epochs": GAN_RAMP_EPOCHS} | sntg
        if isinstance(sntg.get("graph"), str):
            sntg["graph"] = {"class_path": "gan_sntg.graph.TeacherGraph", "init_args": {"kind": sntg["graph"]}}
    if "adam" in given:
        kept["adam_epsilon"] = f"{given['adam']}_sqrt"
    more = {"sntg": {"class_path": "gan_sntg.graph.SNTG", "init_args": sntg}} if sntg else {}
    return kept | more | ({"w": ramp} if ramp else {})
