"""One's own data as folders of pictures of any size."""

from dataclasses import replace
from math import prod
from typing import Literal

import numpy as np
import torch

from gan_sntg.data.dataset import Dataset, blank_notes, for_testing, one_fifth, range_notes
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.twins import Twins, named, of_groups
from gan_sntg.errors import InputError
from gan_sntg.files.mapped import taken
from gan_sntg.files.memory import check_room, images_in_words
from gan_sntg.files.paths import at_home
from gan_sntg.pictures.class_folders import ClassFolders
from gan_sntg.pictures.decode import decode
from gan_sntg.pictures.labels_csv import LabelsCsv, listed_pictures
from gan_sntg.pictures.measured import MeasuredReader, measured_reader
from gan_sntg.pictures.pixels import PixelFormat
from gan_sntg.pictures.reader import DARK, DEEP, REMEDY, NonSquare, PictureReader

SIZES = range(8, 513)


class ImageFolder(Dataset):
    """Pictures in labeled/<class>/, unlabeled/ and test/<class>/, or with labels in labels.csv.

    Classes are in alphabetical order. The training images are the labelled ones, class by class, then the others, in the order of the
    names; folders within folders are read, links followed, and names that begin with a dot left out. A fifth of each class's labelled
    images is for validation. Without unlabeled/ the labelled images are all; without test images a fifth of each class, fixed, is not
    trained on but tested. Where pictures have groups, as those of a patient, whole groups are held out.
    """

    name = "image_folder"
    class_names: list[str]

    def __init__(
        self,
        root: str,
        image_size: int = 32,
        color: bool = True,
        skip_unreadable: bool = False,
        twins: Twins = Twins.refuse,
        background: int = 255,
        white: int | None = None,
        reading: Literal[1, 2] = 2,
        range: str | None = None,
        display: str | None = None,
        non_square: NonSquare = "crop",
        groups: str | None = None,
        shared_groups: Twins = Twins.refuse,
    ):
        """Read the pictures below a folder.

        root: folder of labeled/, unlabeled/ and test/, or of labels.csv.
        image_size: pixels of a side, one of SIZES.
        color: three channels; without it grey.
        skip_unreadable: leave unreadable files out and note them.
        twins: refuse, drop or keep training images that are also test images.
        background: grey value behind transparent pixels.
        white: value of 16-bit pixels that is white; null: 65535.
        reading: 1 reads pictures as early versions did, see `PictureReader`.
        range: keep the values, depth and channels of files, and say what is black and white: full (of the type), fit (percentiles of the
            training images, of each channel) or LOW,HIGH; null: 8 bits.
        display: channels shown as red, green and blue, as 3,2,1.
        non_square: crop pictures to their centre, or refuse them.
        groups: column of labels.csv, or CSV file of file and group; null: `group` or groups.csv, where there is one.
        shared_groups: refuse, drop or keep training images of a group that is in the test set, or in the validation set of labels.csv.

        Raises InputError that names all unreadable files, an empty or single class, or those images.
        """
        if image_size not in SIZES:
            raise InputError(f"image_size is {image_size}; give {SIZES[0]} to {SIZES[-1]}")
        self.root, self.twins, self.shared_groups = at_home(root), Twins(twins), Twins(shared_groups)
        found, group_of = listed_pictures(self.root, groups)
        self.class_names, self.num_classes, self.notes = found.names, len(found.names), tuple(found.notes)
        classes = found.train | found.test
        self.reader: PictureReader | MeasuredReader = PictureReader(image_size, color, background, white, reading, non_square)
        if range is not None:
            self.reader = measured_reader(classes, image_size, non_square, str(self.root))
        shape, copies = self.reader.shape, 1 if found.tested else 2  # what is held out is copied
        size, remedy = len(classes) * prod(shape) * self.reader.dtype.itemsize, ", or give a smaller --data.image_size"
        check_room(str(self.root), images_in_words(len(classes), shape), size, copies, remedy)
        x, bits, read, unreadable = decode(list(classes), self.reader)
        y = torch.tensor([UNLABELED if (k := classes[path]) is None else k for path in read], dtype=torch.int64)
        files = [str(path.relative_to(self.root)) for path in read]
        n = sum(path in found.train for path in read)
        self.train_x, self.train_y, self.train_names = x[:n], y[:n], files[:n]
        self.test_x, self.test_y, self.test_names = x[n:], y[n:], files[n:]
        if group_of:
            self.train_groups, self.test_groups = [group_of[path] for path in read[:n]], [group_of[path] for path in read[n:]]
        if problems := [*found.problems, *unreadable.values()]:
            left_out = " and are left out" if skip_unreadable else ""
            text = "\n".join([f"{self.root}: {len(problems)} files cannot be read{left_out}:", *problems])
            if not skip_unreadable:
                raise InputError(f"{text}\nmend or remove them, or add --data.skip_unreadable true")
            self.notes += (text,)
        if not found.tested:
            self._hold_out(found)
        for part, y in ("labeled", self.train_y), ("test", self.test_y):
            for k, name in enumerate(self.class_names):
                if not (y == k).any():
                    raise InputError(f"{found.place(part, name)} holds no image that can be read; add some, or remove the class")
        self.notes += self._scale(files, bits)
        self.settle_twins(str(self.root))
        self.settle_groups(str(self.root))
        self.train_files, self.test_files = self.train_names, self.test_names
        stated = {str(path.relative_to(self.root)) for path in found.validation}
        own = torch.tensor([i for i, file in enumerate(self.train_files) if file in stated], dtype=torch.int64)
        self.validation = own if stated else one_fifth(self.train_y, groups=self.train_groups)
        self.pixels = PixelFormat.of(range, self.train_x, display, str(self.root))
        self.notes += blank_notes(str(self.root), x, files)
        labeled = self.train_y != UNLABELED
        parts = taken(self.train_x, labeled), taken(self.train_x, ~labeled), self.test_x
        self.notes += range_notes(str(self.root), {name: self.pixels.bytes(part) for name, part in zip(found.parts, parts, strict=True)})

    def _hold_out(self, found: ClassFolders | LabelsCsv) -> None:
        """Take test images out of the labelled ones. Raises InputError where a class has too few for that."""
        y, groups, names = self.train_y, self.train_groups, np.array(self.train_names)
        counts = torch.bincount(y[y != UNLABELED], minlength=self.num_classes).tolist()
        if alone := ", ".join(name for name, count in zip(self.class_names, counts, strict=True) if count == 1):
            what = f"{self.root} has no {found.tests}, and one labelled image alone of {alone}"
            raise InputError(f"{what}; give at least two, one to test on")
        test = for_testing(self.train_x, y, groups)
        kept, missing = ~of_groups(groups, test), [k for k, n in enumerate(counts) if not 0 < (y[test] == k).sum() < n]
        if groups is not None and missing:
            what = f"{self.root} has no {found.tests}, and no fifth in whole groups to test on: {self.undivided(missing, y, groups)}"
            raise InputError(f"{what}; give labelled images of other groups, or test images")
        self.test_x, self.test_y, self.test_names = taken(self.train_x, test), y[test], names[test].tolist()
        self.train_x, self.train_y, self.train_names = taken(self.train_x, kept), y[kept], names[kept].tolist()
        of_which = f"without {found.tests} {len(self.test_y)} labelled images, a fifth of each class"
        if groups is not None:
            self.train_groups, self.test_groups = ([groups[i] for i in part.nonzero().flatten().tolist()] for part in (kept, test))
            of_which += f" or so, all of {len({*self.test_groups})} of {len({*groups})} groups"
        without = f"; {n} images without a label of these groups are left out" if (n := int((~kept & ~test).sum())) else ""
        self.notes += (f"{self.root}: {of_which}, are tested on alone{without}",)

    def _scale(self, files: list[str], bits: list[int]) -> tuple[str, ...]:
        """Settle what is white in 16 bits. Raises InputError where no picture says so by using the 16th."""
        deep = {file: used for file, used in zip(files, bits, strict=True) if used}
        if not deep or not isinstance(self.reader, PictureReader) or self.reader.white is not None:
            return ()
        most = 2 ** max(deep.values()) - 1
        if most < DEEP:
            what = f"{self.root}: it holds {len(deep)} pictures, such as {next(iter(deep))}, {DARK.format(most)}"
            raise InputError(f"{what}; {REMEDY.format(most, '--data.white')}")
        self.reader = replace(self.reader, white=DEEP)  # so that one of them alone is read alike
        dark = [file for file, used in deep.items() if used <= 12]
        some = f"{self.root}: {len(dark)} of {len(deep)} pictures of 16 bits use 12 of them or fewer, and are nearly black: {named(dark)}"
        return (f"{some}; if their white is not 65535, save them with 8 bits, scaled",) if dark else ()
