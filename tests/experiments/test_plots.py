"""Figures show the numbers: means, ranges, regions of the classifier, recomputed projections."""

import statistics

import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb, to_rgba
from PIL import Image

from gan_sntg.errors import InputError
from gan_sntg.experiments import plots
from gan_sntg.experiments.plots import (
    COLORS,
    Regions,
    project,
    save_curves,
    save_embedding,
    save_labels,
    save_noise,
    save_regions,
    save_signals,
)

CURVES = {
    "Pi": (torch.tensor([10, 20, 30]), torch.tensor([[50.0, 30, 20], [60, 35, 18], [55, 25, 25]])),
    "Pi + SNTG": (torch.tensor([5, 40]), torch.tensor([[40.0, 10.0]])),
}
LABELS = {"without SNTG": {10: [8.0, 9.0, 13.0], 2: [40.0, 60.0]}, "with SNTG": {2: [30.0, 36.0], 10: [7.0]}}
T = {2: 12.706205, 3: 4.302653}  # Student's t(0.975, n - 1)
NOISE = {"TempEns": {0: [97.0, 98.0], 90: [70.0, 76.0, 79.0]}, "TempEns + SNTG": {0: [97.0], 90: [93.0]}}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, which are written all the same."""
    kept, save = [], plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda path, figure: (kept.append(figure), save(path, figure)))
    return kept


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_curve_is_the_mean_of_its_runs_and_its_band_goes_from_the_best_to_the_worst(drawn, tmp_path):
    save_curves(tmp_path / "a.png", CURVES)
    for line, band, (epochs, errors) in zip(drawn[0].axes[0].lines, drawn[0].axes[0].collections, CURVES.values(), strict=True):
        columns = list(zip(*errors.tolist(), strict=True))
        mean = [[float(t), statistics.fmean(column)] for t, column in zip(epochs, columns, strict=True)]
        torch.testing.assert_close(torch.tensor(line.get_xydata()), torch.tensor(mean, dtype=torch.float64))
        corners = {tuple(vertex) for vertex in band.get_paths()[0].vertices.tolist()}
        assert corners == {(float(t), edge(column)) for t, column in zip(epochs, columns, strict=True) for edge in (min, max)}
    assert labels(drawn[0].axes[0]) == ["Pi, n = 3", "Pi + SNTG, n = 1"]


def test_a_panel_of_signals_has_the_means_of_every_method_and_the_rest_are_empty(drawn, tmp_path):
    save_signals(tmp_path / "a.png", {"precision": CURVES, "recall": CURVES, "distance": CURVES, "matching": CURVES}, "digits")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["precision", "recall", "distance", "matching", "", ""]
    for axes in panels[:4]:
        assert axes.get_xlabel() == "epoch" and axes.get_ylim()[0] == 0
        for line, (epochs, values) in zip(axes.lines, CURVES.values(), strict=True):
            mean = [[float(t), statistics.fmean(column)] for t, column in zip(epochs, zip(*values.tolist(), strict=True), strict=True)]
            torch.testing.assert_close(torch.tensor(line.get_xydata()), torch.tensor(mean, dtype=torch.float64))
    assert labels(panels[0]) == ["Pi, n = 3", "Pi + SNTG, n = 1"] and not panels[5].axison


def test_errors_are_shown_from_0_up_to_the_most_asked_for_and_epochs_to_the_last(drawn, tmp_path):
    save_curves(tmp_path / "a.png", CURVES)
    save_curves(tmp_path / "b.png", CURVES, "digits", most=30)
    assert drawn[0].axes[0].get_ylim()[0] == 0 and drawn[0].axes[0].get_ylim()[1] > 60 and drawn[1].axes[0].get_ylim() == (0, 30)
    assert drawn[0].axes[0].get_xlim() == (0, 40) and drawn[1].axes[0].get_title("left") == "digits"


def test_accuracy_under_noise_is_a_mean_with_the_sample_deviation_to_both_sides(drawn, tmp_path):
    save_noise(tmp_path / "a.png", NOISE)
    for container, row in zip(drawn[0].axes[0].containers, NOISE.values(), strict=True):
        line, _, (bars,) = container.lines
        for (p, middle), bar, (percentage, a) in zip(line.get_xydata(), bars.get_segments(), row.items(), strict=True):
            std = statistics.stdev(a) if len(a) > 1 else 0.0
            assert (p, middle) == pytest.approx((percentage, statistics.fmean(a)))
            assert bar.tolist() == [[percentage, pytest.approx(middle - std)], [percentage, pytest.approx(middle + std)]]
    assert labels(drawn[0].axes[0]) == ["TempEns, n = 2 to 3", "TempEns + SNTG, n = 1"]
    assert drawn[0].axes[0].get_xticks().tolist() == [0, 90]


def test_error_by_labels_is_a_mean_with_students_interval_and_a_point_for_each_run_on_a_logarithmic_axis(drawn, tmp_path):
    save_labels(tmp_path / "a.png", LABELS, "digits", "validation")
    (axes,) = drawn[0].axes
    dots = [collection for collection in axes.collections if isinstance(collection, PathCollection)]
    for container, points, row, shift in zip(axes.containers, dots, LABELS.values(), (1.04**-0.5, 1.04**0.5), strict=True):
        line, _, (bars,) = container.lines
        for (x, middle), bar, (n, errors) in zip(line.get_xydata(), bars.get_segments(), sorted(row.items()), strict=True):
            assert (x, middle) == pytest.approx((n * shift, statistics.fmean(errors)))
            within = [T[len(errors)] * statistics.stdev(errors) / len(errors) ** 0.5] if len(errors) > 1 else []
            assert bar.tolist() == [pytest.approx([x, end]) for w in within for end in (middle - w, middle + w)]
        expected = [[1.015 * shift * n, error] for n in (2, 10) for error in row[n]]
        torch.testing.assert_close(places(points), torch.tensor(expected))
    assert labels(axes) == ["without SNTG, n = 2 to 3", "with SNTG, n = 1 to 2"] and axes.get_xscale() == "log"
    assert [(x, text.get_text()) for x, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)] == [(2, "2"), (10, "10")]
    assert len(axes.get_xticks(minor=True)) == 0 and axes.get_ylim() == (0, 102)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("labels per class (logarithmic)", "validation error, %")


def test_methods_differ_in_colour_and_in_line_or_marker(drawn, tmp_path):
    save_curves(tmp_path / "a.png", dict.fromkeys("abcdef", CURVES["Pi"]))
    save_noise(tmp_path / "b.png", dict.fromkeys("abcdef", NOISE["TempEns"]))
    assert len({line.get_color() for line in drawn[0].axes[0].lines}) == len(COLORS) == 6
    assert len({c.lines[0].get_marker() for c in drawn[1].axes[0].containers}) == 6
    assert len({str(line._dash_pattern) for line in drawn[0].axes[0].lines[:4]}) == 4


def test_the_same_numbers_make_the_same_png(tmp_path):
    for name in "ab":
        save_noise(tmp_path / f"{name}.png", NOISE)
    save_curves(tmp_path / "c.png", CURVES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == Image.open(tmp_path / "c.png").size == (800, 500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


X = torch.tensor([[-0.5, 0.1], [0.4, -0.2], [0.6, 0.7], [-0.8, -0.8], [0.8, 0.8]])


def regions(k: int = 2, step: float = 0.3) -> Regions:
    """Class 1 where the second coordinate is above `step`, else class 0; one labelled point of each."""
    grid = torch.zeros(41, 41, k)
    grid[..., 1] = torch.sigmoid(200 * (torch.linspace(-1, 1, 41) - step)).unsqueeze(1)
    grid[..., 0] = 1 - grid[..., 1]
    return Regions("step", X, torch.tensor([0, 0, 1, 0, 1]), torch.tensor([-1, -1, -1, 0, 1]), grid, 1)


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
    torch.testing.assert_close(torch.tensor(points.get_facecolors()), rgba([COLORS[k] for k in (0, 0, 1, 0, 1)]))
    for marks in rings, crosses:
        torch.testing.assert_close(places(marks), X[3:])
    torch.testing.assert_close(torch.tensor(rings.get_edgecolors()), rgba(COLORS[:2]))
    torch.testing.assert_close(torch.tensor(crosses.get_edgecolors()), rgba(["black"]))


@pytest.mark.parametrize(("n", "width"), [(1, 600), (2, 1200), (3, 1200), (4, 1200)])
def test_panels_stand_side_by_side_with_their_titles(drawn, tmp_path, n, width):
    save_regions(tmp_path / "a.png", [regions()._replace(title=str(k)) for k in range(n)])
    assert [axes.get_title() for axes in drawn[0].axes] == [str(k) for k in range(n)]
    assert Image.open(tmp_path / "a.png").size[0] == width


def test_an_embedding_has_each_class_in_the_colour_that_the_legend_gives_its_name(drawn, tmp_path):
    panels = [(title, X) for title in ("Pi", "Pi + SNTG")]
    save_embedding(tmp_path / "a.png", panels, torch.tensor([2, 0, 1, 1, 1]), ["ant", "bee", "cow"])
    legend = drawn[0].legends[0]
    named = dict(zip([t.get_text() for t in legend.get_texts()], [h.get_color() for h in legend.legend_handles], strict=True))
    assert list(named) == ["ant", "bee", "cow"]
    for axes in drawn[0].axes:
        torch.testing.assert_close(places(axes.collections[0]), X)
        colors = rgba([named[name] for name in ("cow", "ant", "bee", "bee", "bee")])
        torch.testing.assert_close(torch.tensor(axes.collections[0].get_facecolors())[:, :3], colors[:, :3])


@pytest.mark.parametrize("k", [6, 10])
def test_up_to_ten_classes_have_ten_colours(drawn, tmp_path, k):
    save_embedding(tmp_path / "a.png", [("all", torch.randn(k, 2))], torch.arange(k), [str(c) for c in range(k)])
    colors = drawn[0].axes[0].collections[0].get_facecolors().tolist()
    assert len(colors) == len({tuple(color) for color in colors}) == k


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


@pytest.mark.parametrize(
    ("show", "said"),
    [
        (lambda path: save_curves(path, {}), "0 methods cannot be told apart in one figure; give 1 to 6"),
        (
            lambda path: save_curves(path, dict.fromkeys("abcdefg", CURVES["Pi"])),
            "7 methods cannot be told apart in one figure; give 1 to 6",
        ),
        (lambda path: save_labels(path, {}), "0 methods cannot be told apart in one figure; give 1 to 6"),
        (lambda path: save_noise(path, {}), "0 methods cannot be told apart in one figure; give 1 to 6"),
        (
            lambda path: save_noise(path, dict.fromkeys("abcdefg", NOISE["TempEns"])),
            "7 methods cannot be told apart in one figure; give 1 to 6",
        ),
        (
            lambda path: save_embedding(path, [("", X)], torch.arange(5), ["a"] * 11),
            "11 classes cannot be told apart by colour; a figure shows at most 10",
        ),
        (lambda path: save_regions(path, []), "0 panels do not fit side by side; give 1 to 4"),
        (lambda path: save_regions(path, [regions()] * 5), "5 panels do not fit side by side; give 1 to 4"),
        (lambda path: project(torch.randn(9, 4), "umap"), "'umap' is no projection; give one of pca, tsne"),
        (lambda path: project(torch.randn(2, 4), "pca"), "2 examples of 4 features have no projection"),
        (lambda path: project(torch.randn(9, 1), "pca"), "9 examples of 1 features have no projection"),
    ],
)
def test_what_cannot_be_told_apart_or_projected_is_refused(show, said, tmp_path):
    with pytest.raises(InputError, match=said):
        show(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
