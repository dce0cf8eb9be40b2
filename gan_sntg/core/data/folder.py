"""How is a folder of one's own pictures a data set? labeled/<class>/*, unlabeled/* and test/<class>/*, of any size and number."""

from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.core.data.base import Source, check_apart, one_fifth
from gan_sntg.core.data.pictures import read_pictures
from gan_sntg.core.data.streams import UNLABELED
from gan_sntg.core.errors import InputError

SIZES = (28, 32, 48, 64)


class ImageFolder(Source):
    """The pictures under `root`; each class is the name of a folder in labeled/ and in test/, in alphabetical order.

    The training images are the labelled ones, class by class, then those of unlabeled/, each folder in the order of its file
    names; files and folders whose names begin with a dot are left out. A fifth of each class's labelled images is for validation.
    """

    name = "image_folder"

    def __init__(self, root: str, image_size: int = 32, color: bool = True, skip_unreadable: bool = False):
        """image_size: one of SIZES; skip_unreadable: leave out what cannot be read and say so, instead of refusing the folder.

        Raises InputError that names every unreadable file, an empty or single class, or test images that are in training too.
        """
        if image_size not in SIZES:
            raise InputError(f"image_size is {image_size}; give one of {', '.join(map(str, SIZES))}")
        self.root = Path(root)
        self.class_names = self._classes("labeled")
        if self._classes("test") != self.class_names:
            raise InputError(f"{self.root}: labeled/ has the classes {self.class_names}, test/ {self._classes('test')}; give both the same")
        self.num_classes = len(self.class_names)
        train = [*self._labeled("labeled"), *((path, UNLABELED) for path in _listed(self.root / "unlabeled"))]
        (self.train_x, self.train_y, self.train_files), skipped = self._read(train, image_size, color)
        (self.test_x, self.test_y, self.test_files), others = self._read(self._labeled("test"), image_size, color)
        self._report([*skipped, *others], skip_unreadable)
        for part, y in ("labeled", self.train_y), ("test", self.test_y):
            for k, name in enumerate(self.class_names):
                if not (y == k).any():
                    raise InputError(f"{self.root / part / name} holds no image that can be read; add some, or remove the class")
        check_apart(str(self.root), self.train_x, self.test_x, self.train_files, self.test_files)
        self.validation = one_fifth(self.train_y)

    def _classes(self, part: str) -> list[str]:
        """The names of the class folders of labeled/ or test/."""
        entries = _listed(self.root / part)
        loose = [path.name for path in entries if not path.is_dir()]
        if loose:
            raise InputError(f"{self.root / part} holds files outside the class folders ({', '.join(loose)}); move them into one")
        if len(entries) < 2:
            raise InputError(f"{self.root / part} holds {len(entries)} class folders; at least two are needed")
        return [path.name for path in entries]

    def _labeled(self, part: str) -> list[tuple[Path, int]]:
        return [(path, k) for k, name in enumerate(self.class_names) for path in _listed(self.root / part / name)]

    def _read(self, files: list[tuple[Path, int]], size: int, color: bool) -> tuple[tuple[Tensor, Tensor, list[str]], list[str]]:
        """(x, y, names relative to root) of what can be read, and what cannot."""
        x, kept, problems = read_pictures([path for path, _ in files], size, color)
        classes = dict(files)
        y = torch.tensor([classes[path] for path in kept], dtype=torch.int64)
        return (x, y, [str(path.relative_to(self.root)) for path in kept]), problems

    def _report(self, problems: list[str], skip: bool) -> None:
        """Raise InputError with all of `problems`, or keep them as a note."""
        if not problems:
            return
        text = "\n".join([f"{self.root}: {len(problems)} files cannot be read{' and are left out' if skip else ''}:", *problems])
        if not skip:
            raise InputError(f"{text}\nmend or remove them, or add --data.skip_unreadable true")
        self.notes = (text,)


def _listed(folder: Path) -> list[Path]:
    """What is in the folder, by name, without hidden entries. Raises InputError where there is no such folder."""
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    except OSError as error:
        raise InputError(
            f"{folder} is not a readable folder ({error.strerror}); an image folder holds labeled/<class>/, unlabeled/ and test/<class>/"
        ) from error
