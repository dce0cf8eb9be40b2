"""Figures of points: regions where the classifier has them, crosses where the labels are, projections that can be recomputed."""

import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from PIL import Image

from gan_sntg.errors import InputError
from gan_sntg.experiments import plots
from gan_sntg.experiments.plots import COLORS, Embedding, Regions, project, save_embedding, save_regions

X = torch.tensor([[-0.5, 0.1], [0.4, -0.2], [0.6, 0.7]])


def regions(k: int = 2, step: float = 0.3) -> Regions:
    """Class 1 where the second coordinate is above `step`, else class 0; one labelled point of each."""
    grid = torch.zeros(41, 41, k)
    grid[..., 1] = torch.sigmoid(200 * (torch.linspace(-1, 1, 41) - step)).unsqueeze(1)
    grid[..., 0] = 1 - grid[..., 1]
    labeled = torch.tensor([[-0.8, -0.8], [0.8, 0.8]])
    return Regions("step", X, torch.tensor([0, 0, 1]), labeled, torch.tensor([0, 1]), grid, (-1, 1, -1, 1))


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, which are written all the same."""
    kept, save = [], plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda path, figure: (kept.append(figure), save(path, figure)))
    return kept


def places(collection) -> torch.Tensor:
    return torch.tensor(collection.get_offsets().tolist())


def rgba(colors) -> torch.Tensor:
    return torch.tensor([to_rgba(color) for color in colors], dtype=torch.float64)


def test_a_region_is_pale_in_the_colour_of_its_class_and_the_first_row_of_the_grid_is_the_lowest(tmp_path):
    save_regions(tmp_path / "a.png", [regions()])
    picture = Image.open(tmp_path / "a.png").convert("RGB")
    width, height = picture.size
    for row, color in (height - 60, COLORS[0]), (60, COLORS[1]):
        pale = torch.tensor([255 * (1 - 0.3 * (1 - c)) for c in to_rgb(color)])
        torch.testing.assert_close(torch.tensor(picture.getpixel((width // 2, row))).float(), pale, atol=1.5, rtol=0)


@pytest.mark.parametrize("step", [-0.2, 0.3])
def test_the_border_runs_where_the_likeliest_class_changes(drawn, tmp_path, step):
    save_regions(tmp_path / "a.png", [regions(step=step)])
    borders = [c.get_paths()[0].vertices for c in drawn[0].axes[0].collections if "Contour" in type(c).__name__]
    assert len(borders) == 2
    for vertices in borders:
        torch.testing.assert_close(torch.tensor(vertices[:, 1]), torch.full((len(vertices),), step, dtype=torch.float64), atol=0.03, rtol=0)


def test_a_class_that_is_nowhere_likeliest_has_no_border(drawn, tmp_path):
    save_regions(tmp_path / "a.png", [regions(k=3, step=5)])
    assert not [c for c in drawn[0].axes[0].collections if "Contour" in type(c).__name__]


def test_points_have_the_colours_of_their_classes_and_labels_black_crosses_ringed_in_theirs(drawn, tmp_path):
    panel = regions()
    save_regions(tmp_path / "a.png", [panel])
    points, rings, crosses = drawn[0].axes[0].collections[-3:]
    torch.testing.assert_close(places(points), panel.x)
    torch.testing.assert_close(torch.tensor(points.get_facecolors()), rgba([COLORS[0], COLORS[0], COLORS[1]]))
    for marks in rings, crosses:
        torch.testing.assert_close(places(marks), panel.labeled)
    torch.testing.assert_close(torch.tensor(rings.get_edgecolors()), rgba(COLORS[:2]))
    torch.testing.assert_close(torch.tensor(crosses.get_edgecolors()), rgba(["black"]))


@pytest.mark.parametrize(("n", "width"), [(1, 600), (2, 1200), (3, 1200), (4, 1200)])
def test_panels_stand_side_by_side_with_their_titles(drawn, tmp_path, n, width):
    save_regions(tmp_path / "a.png", [regions()._replace(title=str(k)) for k in range(n)])
    assert [axes.get_title() for axes in drawn[0].axes] == [str(k) for k in range(n)]
    assert Image.open(tmp_path / "a.png").size[0] == width


def test_an_embedding_has_each_class_in_the_colour_that_the_legend_gives_its_name(drawn, tmp_path):
    panels = [Embedding(title, X, torch.tensor([2, 0, 1])) for title in ("Pi", "Pi + SNTG")]
    save_embedding(tmp_path / "a.png", panels, ["ant", "bee", "cow"])
    legend = drawn[0].legends[0]
    named = dict(zip([t.get_text() for t in legend.get_texts()], [h.get_color() for h in legend.legend_handles], strict=True))
    assert list(named) == ["ant", "bee", "cow"]
    for axes in drawn[0].axes:
        torch.testing.assert_close(places(axes.collections[0]), X)
        torch.testing.assert_close(
            torch.tensor(axes.collections[0].get_facecolors())[:, :3], rgba([named["cow"], named["ant"], named["bee"]])[:, :3]
        )


@pytest.mark.parametrize("k", [6, 10])
def test_up_to_ten_classes_have_ten_colours(drawn, tmp_path, k):
    save_embedding(tmp_path / "a.png", [Embedding("all", torch.randn(k, 2), torch.arange(k))], [str(c) for c in range(k)])
    assert len(drawn[0].axes[0].collections[0].get_facecolors().tolist()) == k
    assert len({tuple(color) for color in drawn[0].axes[0].collections[0].get_facecolors().tolist()}) == k


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(InputError, match="11 classes cannot be told apart by colour; a figure shows at most 10"):
        save_embedding(tmp_path / "a.png", [Embedding("", X, torch.arange(3))], [str(k) for k in range(11)])
    for n in 0, 5:
        with pytest.raises(InputError, match=f"{n} panels do not fit side by side; give 1 to 4"):
            save_regions(tmp_path / "a.png", [regions()] * n)
    assert list(tmp_path.iterdir()) == []


def test_pca_is_the_plane_of_the_two_largest_singular_values():
    h = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.tensor([1, 5, 1, 3, 0.1])
    u, s, _ = torch.linalg.svd(h - h.mean(0), full_matrices=False)
    torch.testing.assert_close(project(h, "pca").abs(), (u[:, :2] * s[:2]).abs())


def test_tsne_keeps_neighbours_together_and_is_the_same_each_time():
    y = torch.arange(40) % 2
    h = 20 * y.unsqueeze(1) + torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    found = project(h, "tsne")
    assert found.shape == (40, 2) and torch.equal(found, project(h, "tsne"))
    nearest = torch.cdist(found, found).fill_diagonal_(float("inf")).argmin(1)
    assert torch.equal(y[nearest], y)


def test_another_projection_and_too_few_examples_or_features_are_refused():
    with pytest.raises(InputError, match="'umap' is no projection; give one of pca, tsne"):
        project(torch.randn(9, 4), "umap")
    for shape in (2, 4), (9, 1):
        with pytest.raises(InputError, match=f"{shape[0]} examples of {shape[1]} features have no projection"):
            project(torch.randn(shape), "pca")
