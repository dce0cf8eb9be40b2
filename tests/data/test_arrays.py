"""One's own arrays: every usual order of dimensions, and every wrong content refused by name and reason."""

import numpy as np
import pytest
import torch
from helpers.data_files import npz

from gan_sntg.data.arrays import Arrays
from gan_sntg.data.dataset import hold_out
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError

G = np.random.default_rng(0)


X, TEST = (G.integers(0, 256, (n, 5, 6, 3), dtype=np.uint8) for n in (20, 8))
Y, TEST_Y = np.arange(20) % 2, np.arange(8) % 2


@pytest.fixture
def arrays(tmp_path):
    """The source made of the good arrays with some of them changed; None leaves one out."""

    def read(**changes) -> Arrays:
        held = {"train_x": X, "train_y": Y, "test_x": TEST, "test_y": TEST_Y} | changes
        npz(tmp_path / "mine.npz", **{name: value for name, value in held.items() if value is not None})
        return Arrays(file="mine.npz", root=str(tmp_path))

    return read


ORDERS = {
    "NHWC": lambda x: x,
    "NCHW": lambda x: x.transpose(0, 3, 1, 2),
    "NHW": lambda x: x[..., 0],
    "NHW1": lambda x: x[..., :1],
    "N1HW": lambda x: x[:, None, ..., 0],
}


@pytest.mark.parametrize("order", ORDERS)
def test_images_are_read_in_every_order_grey_ones_with_and_without_a_channel(arrays, order):
    source, channels = arrays(train_x=ORDERS[order](X), test_x=ORDERS[order](TEST)), 3 if "C" in order else 1
    assert source.image_shape == (channels, 5, 6) and source.train_x.is_contiguous()
    for found, given in (source.train_x, X), (source.test_x, TEST):
        assert np.array_equal(found, given.transpose(0, 3, 1, 2)[:, :channels])


def test_labels_are_kept_and_the_classes_counted(arrays):
    source = arrays(train_y=(np.arange(20) % 4).astype(np.uint8))
    assert source.num_classes == 4 and source.train_y.tolist() == [0, 1, 2, 3] * 5 and source.train_y.dtype == torch.int64


def test_images_without_labels_follow_the_labelled_ones(arrays):
    extra = G.integers(0, 256, (7, 3, 5, 6), dtype=np.uint8)
    source = arrays(unlabeled_x=extra)
    assert source.num_examples == 27 and source.train_y[20:].tolist() == [UNLABELED] * 7
    assert np.array_equal(source.train_x[20:], extra) and source.num_classes == 2


def test_a_fifth_of_each_class_of_the_labelled_images_is_for_validation(arrays):
    source = arrays(unlabeled_x=X[:3] ^ 1)
    assert source.train_y[source.validation].tolist().count(0) == source.train_y[source.validation].tolist().count(1) == 2
    assert torch.equal(source.validation, arrays(train_x=X ^ 255).validation)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test_y": None}, "has no test_y"),
        ({"train_x": X / np.float32(255)}, "of more than one type (.float32, uint8.)"),
        ({"test_x": TEST.astype(np.int64)}, "test_x is int64, not uint8, uint16 or float32"),
        ({"train_x": X[0]}, "more than one size"),
        ({"train_x": X[:5]}, "train_y has the shape .20. for 5 images"),
        ({"train_x": X[..., :2]}, "train_x cannot be read .*the shape .5, 6, 2. does not tell channels.*data.channels first or last"),
        ({"train_x": X[:, :3]}, "train_x cannot be read .*the shape .3, 6, 3. does not tell channels.*data.channels first or last"),
        ({"train_x": X.reshape(20, 90)}, "train_x has the shape .20, 90., not"),
        ({"train_x": X[:0], "train_y": Y[:0]}, "train_x has the shape .0, 5, 6, 3., not"),
        ({"test_x": TEST[:, :4]}, "more than one size"),
        ({"test_x": TEST[..., 0]}, "more than one size or number of channels"),
        ({"unlabeled_x": TEST[:, 1:]}, "more than one size"),
        ({"train_y": Y[:-1]}, "train_y has the shape .19. for 20 images"),
        ({"train_y": np.eye(2)[Y]}, "train_y is float64, not whole numbers"),
        ({"train_y": Y.astype(str)}, "train_y is <U.*, not whole numbers"),
        ({"train_y": Y - 1}, "train_y has labels out of range, -1 to 0.*unlabeled_x"),
        ({"train_y": Y + 10**9}, "train_y has labels out of range"),
        ({"train_y": np.full(20, 2**64 - 1, np.uint64)}, "train_y has labels out of range"),
        ({"test_y": TEST_Y + 1}, "test_y has labels out of range, 1 to 2, not in 0..1"),
        ({"test_y": TEST_Y.astype(np.uint64) + np.uint64(2**63)}, "test_y has labels out of range"),
        ({"train_y": Y * 2, "test_y": TEST_Y * 2}, "train_y holds no image of the classes .1."),
        ({"train_y": Y * 0}, "train_y holds one class only"),
        ({"test_x": np.concatenate([TEST[:7], X[3:4]])}, r"1 of the test images are also in .* set \(test_x\[7\] is train_x\[3\]\)"),
        ({"unlabeled_x": TEST[4:5]}, r"\(test_x\[4\] is unlabeled_x\[0\]\)"),
        ({"unlabelled_x": X, "train_z": Y}, "holds train_z, unlabelled_x, which is not read; leave in it only train_x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_content_is_refused_by_file_and_reason(arrays, changes, reason):
    with pytest.raises(InputError, match=f"mine.npz:? (.* )?{reason}"):
        arrays(**changes)


@pytest.mark.parametrize("file", ["../mine.npz", "a/../../mine.npz", "/etc/passwd"])
def test_a_file_outside_the_data_folder_is_refused(tmp_path, file):
    with pytest.raises(InputError, match="leads out of the data folder; name the folder by --data.root"):
        Arrays(file=file, root=str(tmp_path))


def test_the_root_is_the_argument_then_the_variable(arrays, tmp_path, monkeypatch):
    arrays()
    monkeypatch.setenv("GAN_SNTG_DATA", str(tmp_path))
    assert Arrays(file="mine.npz").num_examples == 20
    with pytest.raises(InputError, match="none.npz does not exist"):
        Arrays(file="none.npz")


def test_arrays_and_tensors_are_taken_as_those_of_a_file_are(arrays):
    extra = G.integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)
    file = arrays(unlabeled_x=extra)
    tensors = [torch.from_numpy(x) for x in (X, Y, TEST, TEST_Y, extra)]
    for source in Arrays(X, Y, TEST, TEST_Y, extra), Arrays(*tensors), Arrays(X, Y, test_x=TEST, test_y=TEST_Y, unlabeled_x=tensors[4]):
        assert source.sha256 == file.sha256 and torch.equal(source.validation, file.validation) and source.num_classes == 2
    assert Arrays(X, Y, TEST, TEST_Y).sha256 == Arrays(X, Y, TEST, TEST_Y, None).sha256 == arrays().sha256


def test_arrays_are_copied_so_that_a_later_change_of_them_changes_nothing():
    given = [X.copy(), Y.copy(), TEST.transpose(0, 3, 1, 2).copy(), TEST_Y.copy()]
    source = Arrays(*given)
    for array in given:
        array[:] = 1
    assert source.sha256 == Arrays(X, Y, TEST, TEST_Y).sha256


@pytest.mark.parametrize(
    ("given", "named", "reason"),
    [
        ((), {}, "Arrays lacks train_x, train_y, test_x, test_y; .*name a file by data.file"),
        ((X, Y), {}, r"Arrays lacks test_x, test_y; in Python give all four, or Arrays\(\*hold_out\(x, y\)\)"),
        ((X, Y, TEST), {"test_y": None}, "Arrays lacks test_y"),
        ((X, Y, TEST, TEST_Y), {"unlabelled_x": X}, "Arrays holds unlabelled_x, which is not read"),
        ((X, Y, TEST, TEST_Y), {"test_y": Y}, "each once"),
        ((X, Y, TEST, TEST_Y, X, X), {}, "each once"),
        ((X / 255, Y, TEST, TEST_Y), {}, "Arrays: train_x is float64, not uint8, uint16 or float32; give pixels 0..255"),
        ((X, Y, X, Y), {}, "Arrays: 20 of the test images are also in the training set"),
    ],
)
def test_wrong_arrays_are_refused_by_name_and_reason(given, named, reason):
    with pytest.raises(InputError, match=reason):
        Arrays(*given, **named)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_fifth_of_each_class_is_held_out_for_testing_where_it_is_asked_for(kind):
    x = np.arange(70 * 4, dtype=np.uint16).view(np.uint8).reshape(70, 2, 4)
    y = np.repeat([0, 1, 2], [50, 10, 10])[np.random.default_rng(1).permutation(70)]
    source = Arrays(*hold_out(kind(x), kind(y)), unlabeled_x=kind(255 - x))
    assert torch.bincount(source.test_y).tolist() == [10, 2, 2] and source.num_examples == 56 + 70
    assert sorted(map(bytes, [*source.train_x[:56].numpy(), *source.test_x.numpy()])) == sorted(map(bytes, x))
    labels = {bytes(image): label for image, label in zip(x, y, strict=True)}
    assert [labels[bytes(image)] for image in source.test_x.numpy()] == source.test_y.tolist()
    assert torch.bincount(source.train_y[source.validation]).tolist() == [8, 1, 1]
    assert Arrays(*hold_out(x, y)).sha256 == Arrays(*hold_out(x, y)).sha256
    with pytest.raises(InputError, match=r"hold_out: y has the shape \[69\] for 70 images"):
        hold_out(kind(x), kind(y[1:]))
