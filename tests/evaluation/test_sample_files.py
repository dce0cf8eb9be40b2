"""Files of many samples: whole or not at all, read without pickle, the same bytes each time."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan_sntg.evaluation.samples import save_npz, save_pngs

SHAPE = (3, 4, 5)
IMAGES = torch.randint(256, (10, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
Z = torch.rand(10, 7)


def failing():
    yield IMAGES[:4]
    raise KeyboardInterrupt


def decide(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images[:, 0, 0, 0].long(), images[:, 0, 0, 1] / 255


@pytest.mark.parametrize("size", [1, 4, 10])
def test_an_npz_holds_every_image_z_class_and_confidence_in_order(tmp_path, size):
    save_npz(tmp_path / "a.npz", IMAGES.split(size), SHAPE, Z, decide)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert sorted(found) == ["classes", "confidence", "images", "z"]
        assert found["images"].dtype == np.uint8 and np.array_equal(found["images"], IMAGES.permute(0, 2, 3, 1))
        assert found["z"].dtype == np.float32 and np.array_equal(found["z"], Z)
        assert found["classes"].dtype == np.int64 and np.array_equal(found["classes"], decide(IMAGES)[0])
        assert found["confidence"].dtype == np.float32 and np.array_equal(found["confidence"], decide(IMAGES)[1])


def test_the_same_samples_are_the_same_bytes(tmp_path):
    for name, size in ("a.npz", 3), ("b.npz", 10):
        save_npz(tmp_path / name, IMAGES.split(size), SHAPE, Z, decide)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("there", [False, True])
def test_single_files_are_numbered_and_have_the_images_pixels(tmp_path, there):
    if there:
        (tmp_path / "a").mkdir()
    save_pngs(tmp_path / "a", IMAGES.split(4))
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == [f"sample_{i:05d}.png" for i in range(10)]
    assert np.array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), IMAGES.permute(0, 2, 3, 1))


def test_what_is_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        save_pngs(tmp_path / "a", failing())
    with pytest.raises(KeyboardInterrupt):
        save_npz(tmp_path / "a.npz", failing(), SHAPE, Z, decide)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_has_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        save_pngs(tmp_path / "a", [IMAGES])
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["a", "a/mine"]
