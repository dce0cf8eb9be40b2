"""Graph files: whose data they are of, and what is no such file or a damaged one."""

import numpy as np
import pytest
from helpers.data_files import npz
from helpers.graph_tables import CLASSES, NEAR, SHA, K, N, neighbors_table

from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import FixedGraph, NeighborGraph, TeacherGraph


def test_each_graph_accepts_the_data_that_it_is_of(both):
    for graph in FixedGraph(both[1]), NeighborGraph(both[0]):
        graph.check(SHA, N, K)
    TeacherGraph().check("f" * 64, 5, 2)


def test_other_data_another_size_and_too_few_classes_are_refused(both):
    for graph, kind in (FixedGraph(both[1]), "predictions"), (NeighborGraph(both[0]), "neighbors"):
        with pytest.raises(InputError, match=rf"npz was made of other data .*0123456789ab.*here ffff.*`gan-sntg graph {kind}`"):
            graph.check("f" * 64, N, K)
        with pytest.raises(InputError, match=f"npz is damaged: it is of 30 images, not of the 31.*`gan-sntg graph {kind}`"):
            graph.check(SHA, N + 1, K)
    with pytest.raises(InputError, match="pred.npz is damaged: it names a class 3, but there are 3; make it with"):
        FixedGraph(both[1]).check(SHA, N, K - 1)


def test_a_file_of_the_other_kind_is_refused(both):
    with pytest.raises(InputError, match="knn.npz holds neighbors, not predictions; .*`gan-sntg graph predictions`"):
        FixedGraph(both[0])
    with pytest.raises(InputError, match="pred.npz holds predictions, not neighbors; .*`gan-sntg graph neighbors`"):
        NeighborGraph(both[1])


@pytest.mark.parametrize("graph", [FixedGraph, NeighborGraph])
def test_a_missing_file_one_that_is_no_npz_and_one_of_images_are_refused(graph, tmp_path):
    (tmp_path / "text.npz").write_text("text")
    npz(tmp_path / "images.npz", train_x=np.zeros(3), train_y=np.zeros(3))
    for name, what in ("none", "does not exist"), ("text", "is not a readable .npz file"), ("images", "has no kind and no sha256"):
        with pytest.raises(InputError, match=rf"{name}.npz {what}.*make it with `gan-sntg graph"):
            graph(str(tmp_path / f"{name}.npz"))
    with pytest.raises(InputError, match="does not exist"):
        graph(str(tmp_path))


TABLE = neighbors_table().numpy()


def changed(row: int, column: int, value: int) -> np.ndarray:
    table = TABLE.copy()
    table[row, column] = value
    return table


@pytest.mark.parametrize(
    "arrays",
    [
        {"neighbors": changed(3, 1, N)},
        {"neighbors": changed(3, 1, -1)},
        {"neighbors": changed(3, 1, 3)},
        {"neighbors": changed(3, 1, TABLE[3, 0])},
        {"neighbors": TABLE.astype(np.int64)},
        {"neighbors": TABLE.astype(np.float32)},
        {"neighbors": TABLE.astype(">i4")},
        {"neighbors": TABLE[:, 0], "k": 1},
        {"neighbors": TABLE[:0]},
        {"neighbors": TABLE[:, :0], "k": 0},
        {"k": NEAR + 1},
        {"k": [NEAR]},
        {"k": "3"},
        {"kind": "other"},
        {"kind": 3},
        {"kind": ["neighbors"]},
        {"sha256": SHA[:-1]},
        {"sha256": "\x1b" + SHA[1:]},
        {"sha256": np.array([2**31 - 1], np.uint32).view("<U1").reshape(())},
    ],
    ids=lambda arrays: "-".join(f"{k}={np.asarray(v).dtype}{list(np.shape(v))}" for k, v in arrays.items()),
)
def test_a_damaged_neighbour_file_is_refused(tmp_path, arrays):
    npz(tmp_path / "knn.npz", **({"kind": "neighbors", "sha256": SHA, "neighbors": TABLE, "k": NEAR} | arrays))
    with pytest.raises(InputError, match="knn.npz is damaged: .*; make it with `gan-sntg graph neighbors`"):
        NeighborGraph(str(tmp_path / "knn.npz"))


@pytest.mark.parametrize(
    "classes", [CLASSES.int(), CLASSES.double(), CLASSES[:0], CLASSES[:, None], CLASSES - 1], ids=["int32", "float", "none", "2d", "-1"]
)
def test_a_damaged_prediction_file_is_refused(tmp_path, classes):
    npz(tmp_path / "pred.npz", kind="predictions", sha256=SHA, classes=classes.numpy())
    with pytest.raises(InputError, match="pred.npz is damaged: .*; make it with `gan-sntg graph predictions`"):
        FixedGraph(str(tmp_path / "pred.npz"))


def test_a_file_without_its_table_is_refused(tmp_path):
    for graph, kind, missing in (FixedGraph, "predictions", "classes"), (NeighborGraph, "neighbors", "neighbors and no k"):
        npz(tmp_path / "a.npz", kind=kind, sha256=SHA)
        with pytest.raises(InputError, match=f"a.npz has no {missing}; .*make it with `gan-sntg graph {kind}`"):
            graph(str(tmp_path / "a.npz"))


def test_a_file_cut_short_is_refused_wherever(both, tmp_path):
    whole = (tmp_path / "knn.npz").read_bytes()
    for length in range(0, len(whole), 50):
        (tmp_path / "knn.npz").write_bytes(whole[:length])
        with pytest.raises(InputError, match="knn.npz"):
            NeighborGraph(both[0])
