"""A folder of pictures such as one's own: flowers, trees and vehicles of CIFAR-100.

python scripts/studies/three_classes.py FOLDER [--data.root PLACE]    then configs/grids/pictures.yaml says what to run on it

Each class has 420 labelled pictures and 100 test pictures, of five of CIFAR-100's classes: the first 84 and 20 of each in their order.
`--labels 60` of `train` then hides the labels of 1,200 of them.
"""

import os
from pathlib import Path

from PIL import Image

from gan_sntg.data import CIFAR100
from gan_sntg.errors import InputError
from gan_sntg.experiments.scripts import run_script

CLASSES = {  # of CIFAR-100's, by number
    "flowers": {"orchid": 54, "poppy": 62, "rose": 70, "sunflower": 82, "tulip": 92},
    "trees": {"maple": 47, "oak": 52, "palm": 56, "pine": 59, "willow": 96},
    "vehicles": {"bicycle": 8, "bus": 13, "motorcycle": 48, "pickup truck": 58, "train": 90},
}
TRAIN, TEST = 84, 20  # of each of CIFAR-100's classes


def main(folder: str, root: str | None = None) -> None:
    """Write labeled/<class>/ and test/<class>/ under a new folder. Raises InputError where it exists."""
    if os.path.exists(folder):
        raise InputError(f"{folder} exists; give a new folder")
    source = CIFAR100(root or os.environ.get("GAN_SNTG_DATA", "data"))
    for part, x, y, most in ("labeled", source.train_x, source.train_y, TRAIN), ("test", source.test_x, source.test_y, TEST):
        for name, members in CLASSES.items():
            place = Path(folder, part, name)
            place.mkdir(parents=True)
            for member, number in members.items():
                for k in (y == number).nonzero().flatten()[:most].tolist():
                    Image.fromarray(x[k].permute(1, 2, 0).numpy()).save(place / f"{member}_{k}.png")


if __name__ == "__main__":
    run_script(main)
