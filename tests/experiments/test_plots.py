"""Figures of numbers show the numbers: means, ranges and deviations as a loop over the runs finds them."""

import statistics

import pytest
import torch
from PIL import Image

from gan_sntg.errors import InputError
from gan_sntg.experiments import plots
from gan_sntg.experiments.plots import COLORS, Curve, save_curves, save_noise

CURVES = {
    "Pi": Curve(torch.tensor([10, 20, 30]), torch.tensor([[50.0, 30, 20], [60, 35, 18], [55, 25, 25]])),
    "Pi + SNTG": Curve(torch.tensor([5, 40]), torch.tensor([[40.0, 10.0]])),
}
NOISE = {"TempEns": {0: [97.0, 98.0], 90: [70.0, 76.0, 79.0]}, "TempEns + SNTG": {0: [97.0], 90: [93.0]}}


@pytest.fixture
def drawn(monkeypatch):
    """The axes of the figures that are drawn, which are written all the same."""
    kept, save = [], plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda path, figure: (kept.append(figure.axes[0]), save(path, figure)))
    return kept


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_curve_is_the_mean_of_its_runs_and_its_band_goes_from_the_best_to_the_worst(drawn, tmp_path):
    save_curves(tmp_path / "a.png", CURVES)
    for line, band, (epochs, errors) in zip(drawn[0].lines, drawn[0].collections, CURVES.values(), strict=True):
        columns = list(zip(*errors.tolist(), strict=True))
        mean = [[float(t), statistics.fmean(column)] for t, column in zip(epochs, columns, strict=True)]
        torch.testing.assert_close(torch.tensor(line.get_xydata()), torch.tensor(mean, dtype=torch.float64))
        corners = {tuple(vertex) for vertex in band.get_paths()[0].vertices.tolist()}
        assert corners == {(float(t), edge(column)) for t, column in zip(epochs, columns, strict=True) for edge in (min, max)}
    assert labels(drawn[0]) == ["Pi, n = 3", "Pi + SNTG, n = 1"]


def test_errors_are_shown_from_0_up_to_the_most_asked_for_and_epochs_to_the_last(drawn, tmp_path):
    save_curves(tmp_path / "a.png", CURVES)
    save_curves(tmp_path / "b.png", CURVES, "digits", most=30)
    assert drawn[0].get_ylim()[0] == 0 and drawn[0].get_ylim()[1] > 60 and drawn[1].get_ylim() == (0, 30)
    assert drawn[0].get_xlim() == (0, 40) and drawn[1].get_title("left") == "digits"


def test_accuracy_under_noise_is_a_mean_with_the_sample_deviation_to_both_sides(drawn, tmp_path):
    save_noise(tmp_path / "a.png", NOISE)
    for container, row in zip(drawn[0].containers, NOISE.values(), strict=True):
        line, _, (bars,) = container.lines
        for (p, middle), bar, (percentage, a) in zip(line.get_xydata(), bars.get_segments(), row.items(), strict=True):
            std = statistics.stdev(a) if len(a) > 1 else 0.0
            assert (p, middle) == pytest.approx((percentage, statistics.fmean(a)))
            assert bar.tolist() == [[percentage, pytest.approx(middle - std)], [percentage, pytest.approx(middle + std)]]
    assert labels(drawn[0]) == ["TempEns, n = 2 to 3", "TempEns + SNTG, n = 1"] and drawn[0].get_xticks().tolist() == [0, 90]


def test_methods_differ_in_colour_and_in_line_or_marker(drawn, tmp_path):
    many = {str(k): CURVES["Pi"] for k in range(len(COLORS))}
    save_curves(tmp_path / "a.png", many)
    save_noise(tmp_path / "b.png", {str(k): NOISE["TempEns"] for k in range(len(COLORS))})
    assert len({line.get_color() for line in drawn[0].lines}) == len(COLORS) == len({c.lines[0].get_marker() for c in drawn[1].containers})
    assert len({str(line._dash_pattern) for line in drawn[0].lines[:4]}) == 4


@pytest.mark.parametrize("n", [0, 7])
def test_more_methods_than_colours_and_none_are_refused(tmp_path, n):
    for save, values in (save_curves, CURVES["Pi"]), (save_noise, NOISE["TempEns"]):
        with pytest.raises(InputError, match=f"{n} methods cannot be told apart in one figure; give 1 to 6"):
            save(tmp_path / "a.png", {str(k): values for k in range(n)})
    assert list(tmp_path.iterdir()) == []


def test_the_same_numbers_make_the_same_png(tmp_path):
    for name in "ab":
        save_noise(tmp_path / f"{name}.png", NOISE)
    save_curves(tmp_path / "c.png", CURVES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == Image.open(tmp_path / "c.png").size == (800, 500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]
