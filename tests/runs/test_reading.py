"""Reading of a run whose data have moved or changed: what its folder holds of them is enough for all that needs no image."""

import json
import shutil

import numpy as np
import pytest
import yaml
from helpers.data_files import npz

import gan_sntg
from gan_sntg.data.public import Digits


@pytest.fixture(scope="module")
def arrays_run(tmp_path_factory, command, tiny_tree):
    """A folder with my.npz, of digits, and `run`, trained on it with ZCA and a teacher that remembers each image; to be copied."""
    folder, digits = tmp_path_factory.mktemp("arrays"), Digits()
    x, y = digits.train_x[:300].numpy(), digits.train_y[:300].numpy()
    npz(folder / "my.npz", train_x=x, train_y=y, test_x=digits.test_x[:40].numpy(), test_y=digits.test_y[:40].numpy())
    tree = tiny_tree() | {"data": {"class_path": "gan_sntg.data.Arrays", "init_args": {"file": "my.npz", "root": str(folder)}}}
    tree |= {"normalization": {"class_path": "gan_sntg.data.ZCA"}, "epochs": 1}
    tree["method"]["init_args"]["teacher"] = {"class_path": "gan_sntg.graph.Ensemble"}
    (folder / "a.yaml").write_text(yaml.safe_dump(tree))
    assert command("train", "--config", folder / "a.yaml", "--out", folder / "run").status == 0
    return folder


@pytest.fixture
def there(arrays_run, tmp_path, monkeypatch):
    """A copy of it, the present folder, and its file the run's."""
    folder = shutil.copytree(arrays_run, tmp_path / "there")
    config = folder / "run/config.yaml"
    config.write_text(config.read_text().replace(str(arrays_run), str(folder)))
    monkeypatch.chdir(folder)
    return folder


def changed(folder, **arrays) -> None:
    """Other arrays in the file."""
    with np.load(folder / "my.npz") as held:
        npz(folder / "my.npz", **{**held, **arrays})


def one_image_more(folder) -> None:
    changed(folder, unlabeled_x=np.full((1, 8, 8), 7, np.uint8))


CHANGES = {"gone": lambda folder: (folder / "my.npz").unlink(), "one image more": one_image_more}
KINDS = [["sample", "run", "--n", "6", "--kind", kind] for kind in ("grid", "npz", "interpolation", "classes")]
READING = {
    **{words[-1]: [*words, "--out", "out"] for words in KINDS},
    "predict": ["predict", "run", "pictures", "--out", "out"],
    "export": ["export", "run", "--out", "out"],
}


@pytest.mark.parametrize(
    ("kind", "change"), [*((kind, "gone") for kind in READING), ("grid", "one image more"), ("predict", "one image more")]
)
def test_without_its_data_a_run_is_read_as_with_them(command, there, contents, kind, change):
    words = READING[kind]
    shutil.copytree(there / "run/samples", there / "pictures")
    (there / "run/data.json").rename("kept.json")
    assert command(*words).status == 0  # with the data
    expected = contents("out") or (there / "out").read_bytes()
    shutil.rmtree("out") if (there / "out").is_dir() else (there / "out").unlink()
    (there / "kept.json").rename("run/data.json")
    CHANGES[change](there)
    outcome = command(*words)
    assert outcome.status == 0 and "train" not in outcome.err
    assert (contents("out") or (there / "out").read_bytes()) == expected


def test_python_reads_a_run_without_its_data(there):
    (there / "my.npz").unlink()
    run = gan_sntg.load_run("run")
    images = Digits().test_x[:40]
    assert float((run.predict(images) != Digits().test_y[:40]).float().mean() * 100) == pytest.approx(run.test_error)
    assert run.sample(3).shape == (3, 1, 8, 8)


def test_a_run_on_arrays_in_memory_is_read_from_its_folder(tmp_path):
    digits = Digits()
    method = gan_sntg.methods.FeatureMatchingGAN(
        discriminator=gan_sntg.networks.DenseDiscriminator(digits.image_shape, 10, widths=(8,)),
        generator=gan_sntg.networks.DenseGenerator(digits.image_shape, widths=(8,)),
        decay_epochs=1,
    )
    data = gan_sntg.data.Arrays(*(t[:200] for t in (digits.train_x, digits.train_y, digits.test_x, digits.test_y)))
    run = gan_sntg.train(method, data, labels=20, epochs=1, out=tmp_path / "run", liveness=False)
    again = gan_sntg.load_run(tmp_path / "run")
    assert again.logits(digits.test_x).equal(run.logits(digits.test_x)) and again.sample(4).equal(run.sample(4))


@pytest.mark.parametrize("kind", ["neighbors", "reconstructions"])
def test_a_sheet_of_real_images_says_that_it_needs_them(refused, there, kind):
    (there / "my.npz").unlink()
    refused(["sample", there / "run", "--kind", kind, "--out", "a.png"], f"--kind {kind} shows images that", "my.npz does not exist")


def test_evaluate_goes_on_where_the_test_images_are_as_they_were(command, there):
    before = command("evaluate", "run")
    one_image_more(there)
    after = command("evaluate", "run")
    assert (after.status, after.out) == (0, before.out) and "the training images have changed since run was begun" in after.err


def test_evaluate_refuses_other_test_images_and_says_which(command, there):
    changed(there, test_x=np.zeros((40, 8, 8), np.uint8))
    outcome = command("evaluate", "run")
    assert outcome.status == 2 and "the test images of this run were 40 of arrays with SHA-256" in outcome.err


def test_samples_are_not_scored_against_other_training_images(command, there):
    one_image_more(there)
    outcome = command("evaluate", "run", "--fidelity", "--samples", "100")
    assert outcome.status == 2 and "give --reference test" in outcome.err


def test_an_older_run_folder_is_read_with_its_data_and_says_what_is_missing(command, there):
    (there / "run/data.json").unlink()
    assert command("sample", "run", "--n", "1").status == 0
    one_image_more(there)
    outcome = command("sample", "run", "--n", "1")
    assert outcome.status == 2 and "belongs to arrays" in outcome.err and "data.json, which newer runs keep in place" in outcome.err


def test_an_older_run_that_goes_on_keeps_what_reading_needs(command, there):
    (there / "run/data.json").unlink()
    (there / "run/result.json").unlink()
    assert command("train", "--config", "a.yaml", "--data.root", there, "--out", "run").status == 0
    assert json.loads((there / "run/data.json").read_text())["examples"] == 300


DAMAGES = {
    "no facts": ("data.json", b"{}"),
    "one class": ("data.json", b'{"num_classes": 1}'),
    "no JSON": ("data.json", b"{"),
    "empty statistics": ("normalization.pt", b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_the_data_is_refused_by_name(command, there, damage):
    name, data = DAMAGES[damage]
    (there / "run" / name).write_bytes(data)
    outcome = command("sample", "run", "--n", "1")
    assert outcome.status == 2 and f"run/{name} is damaged" in outcome.err and "delete" in outcome.err


@pytest.mark.parametrize(
    ("name", "value"), [("image_shape", [1, 9, 8]), ("image_shape", [10**9]), ("image_shape", [1, 0, 8]), ("class_names", ["a"])]
)
def test_facts_that_cannot_be_are_refused(command, there, name, value):
    facts = json.loads((there / "run/data.json").read_text())
    (there / "run/data.json").write_text(json.dumps(facts | {name: value}))
    outcome = command("sample", "run", "--n", "1")
    assert outcome.status == 2 and outcome.err.count("error:") == 1
