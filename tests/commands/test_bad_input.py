"""Bad input: exit status 2, one message that says what, why and what to do, and nothing written, changed or imported."""

import shutil

import pytest
import yaml
from helpers.data_files import png_of
from helpers.trees import tiny_with

from gan_sntg.runs.seeds import whole_numbers


@pytest.mark.parametrize("damage", [lambda data: data[:1000], lambda data: data[:1000] + b"!" + data[1001:], lambda data: b""])
def test_a_truncated_or_altered_data_file_and_a_missing_one(refused, train, small_mnist, damage):
    name, words = "MNIST/raw/train-images-idx3-ubyte", [*train, "--data", "gan_sntg.data.MNIST", "--data.root", small_mnist]
    (small_mnist / name).write_bytes(damage((small_mnist / name).read_bytes()))
    refused(words, name, "is not the published file", "truncated or altered", "delete it and fetch it again")
    (small_mnist / name).unlink()
    refused(words, name, "does not exist", "--data.root", "GAN_SNTG_DATA", "--data.download true")


VALUES = {
    "--labels 25": ("25 labels cannot be shared equally by the 10 classes", "give a positive multiple of 10"),
    "--labels 1400": ("1400 labels need 140 of class", "ask for at most 1350 labels"),
    "--labels 1000 --validation true": ("1000 labels need 100 of class", "ask for at most 970 labels"),
    "--labels many": ("labels", "int", "many"),
    "--epochs 2.5": ("epochs", "int", "2.5"),
    "--epochs 0": ("epochs is 0", "give at least 1"),
    "--interval_epochs 0": ("interval_epochs is 0", "give at least 1"),
    "--steps_per_epoch 0": ("steps_per_epoch is 0", "give at least 1"),
    "--validation perhaps": ("validation", "bool", "perhaps"),
    "--method.learning_rate fast": ("learning_rate", "float", "fast"),
    "--method.discriminator.widths [a]": ("discriminator", "widths", "int", "a"),
    "--method.sntg.distance sometimes": ("distance", "rms", "euclidean", "sometimes"),
    "--batch_size 51": ("halves", "51 examples", "use an even batch size or another pairing"),
    "--batch_size 2000": ("a batch of 2000", "1400 unlabelled images", "choose batch_size in 1..1400"),
    "--device tpu": ("tpu", "give cpu, cuda, mps (not tested) or auto"),
    "--seed 99999999999999999999": ("seed", "99999999999999999999"),
    "--threads -1": ("threads", "-1"),
    "--method.average_decay 1": ("average_decay", "1"),
    "--method.generator.latent 9999999999999": (
        "cannot be made",
        "allocate",
        "tiny.yaml or the options beside it",
        "a machine with more memory",
    ),
    "--config none.yaml": ("none.yaml is neither a file nor a configuration", "a name as digits_20/fm_gan"),
    "--split none.json": ("none.json is not a readable split manifest", "give the split.json of a run folder"),
    "--method gan_sntg.methods.feature_matching.FeatureMatchGAN": ("FeatureMatchGAN", "nearest: FeatureMatchingGAN"),
    "--method gan_sntg.training.Method": ("method", "gan_sntg.training.Method is abstract"),
    "--data gan_sntg.data.Dataset": ("data", "gan_sntg.data.Dataset is abstract"),
    "--normalization gan_sntg.data.Whitening": ("normalization", "gan_sntg.data.Whitening is abstract"),
    "--method.teacher gan_sntg.graph.Teacher": ("teacher", "abstract. Got value: gan_sntg.graph.Teacher"),
    "--method.sntg.pairing gan_sntg.graph.Pairing": ("sntg: pairing", "abstract. Got value: gan_sntg.graph.Pairing"),
    "--method.discriminator gan_sntg.networks.Discriminator": ("discriminator", "gan_sntg.networks.Discriminator is abstract"),
    "--method.discriminator torch.nn.Identity": ("discriminator", "torch.nn.Identity does not correspond to a subclass of Discriminator"),
    "--method gan_sntg.method.FeatureMatchingGAN": ("has no attribute 'method'", "nearest: method"),
    "--seeds 9..0": ("--seeds is '9..0'",),
    "--seeds=-1": ("--seeds is '-1'",),
    "--seeds all": ("give whole numbers",),
    "--seeds=": ("give whole numbers",),
    "--seeds 0,,1": ("give whole numbers",),
    "--seeds 9223372036854775808": ("2^63",),
    "--seeds 0..999999999999": ("more than 1000",),
    "--seeds 0..3,2": ("one is there twice",),
    "--seeds 0,1 --seed 3": ("--seed 3 is given beside --seeds",),
    "--seeds 0,1 --data_seeds 0,1 --data_seed 3": ("--data_seed 3 is given beside --data_seeds",),
    "--seeds 0..2 --data_seeds 0,1": ("--seeds gives 3 and --data_seeds 2",),
    "--data_seeds 0,1": ("--data_seeds goes with --seeds",),
}


@pytest.mark.parametrize("words", VALUES)
def test_a_value_that_cannot_be_used(refused, train, words):
    refused([*train, *words.split()], *VALUES[words])


@pytest.mark.parametrize("words", [["train"], ["evaluate"], ["sample"], ["train", "--config"]], ids=" ".join)
def test_a_command_without_what_it_needs(refused, words):
    refused(words)


SUPERVISED = "train --config classifier/config.yaml --out new"
COMMANDS = {
    "bench": "--config is not set",
    "bench --config tiny.yaml --repeats 0": "--repeats of at least 1",
    "bench --config tiny.yaml --seconds 0": "--seconds above 0",
    "bench --config tiny.yaml --against none.json": "none.json is no file",
    "bench --config few/a.yaml": "the option data is not set",
    "bench --config tiny.yaml --out none/a.json": "its folder does not exist",
    "bench --config none.yaml": "none.yaml",
    "bench --config tiny.yaml --precision half": "half",
    "doctor": "--config is not set",
    "doctor --config none.yaml": "none.yaml is neither a file nor a configuration",
    "doctor --config few/a.yaml --synthetic": "the option data is not set",
    "doctor --config tiny.yaml --steps 0": "--steps 0",
    "doctor --config tiny.yaml --batch_size 2": "--batch_size 2",
    "evaluate none": "none is not a run folder (no config.yaml in it)",
    "evaluate run --root full": "root",
    "evaluate run --fidelity --extractor classifier --samples 99": "give 100",
    "evaluate run --fidelity --extractor classifier --extractor_batch_size 0": "give 100 and 1",
    "evaluate run --fidelity --extractor nothing": "neither inception, efficientnet_lite0 nor the folder of a finished run",
    "evaluate run --fidelity --extractor run": "was not trained on all labels (labels 20)",
    "evaluate run --fidelity --extractor classifier --download": "are for --extractor inception",
    "evaluate run --fidelity --extractor inception --inception_weights none.pth": "none.pth does not exist",
    "evaluate run --fidelity --extractor classifier --reference validation": "reference",
    "evaluate classifier --fidelity --extractor classifier": "is a run of Supervised, which has no generator",
    "export run --out full": "full cannot be written (it exists and is not an empty folder); choose another with --out",
    "export run --out full/file": "is not an empty folder",
    "export run --out none/a": "choose another with --out",
    "export run --out a --classifier best": "best",
    "export full --out a": "full is not a run folder",
    "graph": "neighbors,predictions",
    "graph mend": "mend",
    "graph neighbors --config tiny.yaml": "--out is not set",
    "graph neighbors --out a.npz": "the option data is not set",
    "graph neighbors --config tiny.yaml --k 0 --out a.npz": "give k in 1..1399",
    "graph neighbors --config tiny.yaml --k 1400 --out a.npz": "give k in 1..1399",
    "graph neighbors --config tiny.yaml --k ten --out a.npz": "ten",
    "graph neighbors --config tiny.yaml --out none/a.npz": "none/a.npz cannot be written",
    "graph neighbors --config tiny.yaml --out .": "cannot be written",
    f"graph neighbors --config tiny.yaml --out {'a' * 300}": "cannot be written",
    "graph neighbors --config tiny.yaml --device tpu --out a.npz": "--device is 'tpu'",
    "graph neighbors --config tiny.yaml --data os.system --out a.npz": "os.system",
    "graph predictions --out a.npz": "run",
    "graph predictions run": "--out is not set",
    "graph predictions run --out none/a.npz": "none/a.npz cannot be written",
    "graph predictions none --out a.npz": "none is not a run folder",
    "graph predictions run --classifier best --out a.npz": "best",
    "predict run none --out a.csv": "none is not a folder with files in it",
    "predict run run/config.yaml --out a.csv": "config.yaml is not a folder with files in it",
    "predict run images --out none/a.csv": "none/a.csv cannot be written (its folder does not exist",
    "predict run images --out images": "images cannot be written",
    "predict run images": "required: out",
    "predict images images --out a.csv": "is not a run folder",
    "predict run images --out a.csv --classifier best": "best",
    "predict run full --out a.csv": "1 of 1 files in full cannot be classified; nothing was written",
    "sample none": "none is not a run folder (no config.yaml in it)",
    "sample classifier": "is a run of Supervised, which has no generator",
    "sample run --n 0": "--n is 0; give at least 1",
    "sample run --n x": "x",
    "sample run --scale 0": "--scale is 0; give at least 1",
    "sample run --n 100000000": "at most 1,000,000",
    "sample run --n 900000": "can be looked at; give a smaller --n",
    "sample run --scale 1000": "can be looked at",
    "sample run --kind classes --n 900000": "can be looked at",
    "sample run --kind interpolation --steps 1": "--steps is 1; give at least 2",
    "sample run --kind neighbors --k 0": "--k is 0; give at least 1",
    "sample run --kind neighbors --k 1500": "1500 neighbours cannot be found among 1400 images",
    "sample run --kind png --scale 2": "--scale 2 changes nothing in --kind png; leave it out",
    "sample run --kind grid --steps 4": "--steps 4 changes nothing in --kind grid",
    "sample run --seed -1": "seed is -1; give at least 0",
    "sample run --kind best": "best",
    "sample run --kind npz --out .": "is a folder",
    "sample run --kind npz --out none/a.npz": "none/a.npz cannot be written (its folder does not exist",
    "sample run --out full/file/a.png": "full/file/a.png cannot be written (its folder does not exist",
    "sample run --kind png --out full": "is not an empty folder",
    "sample run --kind png --out full/file": "is not an empty folder",
    "splits": "make,verify,show",
    "splits mend": "mend",
    "splits make": "--out is not set",
    "splits make --out a.json": "the option data is not set",
    "splits make --config tiny.yaml --labels 7 --out a.json": "7 labels cannot be shared",
    "splits make --config tiny.yaml --data_seed -1 --out a.json": "data_seed is -1",
    "splits make --config tiny.yaml --out none/a.json": "none/a.json cannot be written",
    "splits make --config tiny.yaml --data os.system --out a.json": "os.system",
    "splits verify --config tiny.yaml": "file",
    "splits verify tiny.yaml": "the option data is not set",
    "splits verify tiny.yaml --config tiny.yaml": "not a readable split manifest",
    "splits show none.json": "not a readable split manifest",
    "splits show tiny.yaml": "not a readable split manifest",
    f"{SUPERVISED} --method discriminative.Objective": "discriminative.Objective is abstract",
    f"{SUPERVISED} --method.schedule gan_sntg.schedules.Schedule": "gan_sntg.schedules.Schedule is abstract",
    f"{SUPERVISED} --method.sntg.graph gan_sntg.graph.Adjacency": "abstract. Got value: gan_sntg.graph.Adjacency",
    f"{SUPERVISED} --method.net gan_sntg.networks.DenseGenerator": "DenseGenerator does not correspond to a subclass of Classifier",
    f"{SUPERVISED} --method.net torch.nn.Identity": "torch.nn.Identity does not correspond to a subclass of Classifier",
}


@pytest.mark.parametrize("words", COMMANDS)
def test_what_a_command_cannot_do(refused, run, tiny, classifier, tmp_path, words):
    shutil.copy(tiny, tmp_path / "tiny.yaml")
    shutil.copytree(classifier, tmp_path / "classifier")
    for path, data in ("full/file", b"mine"), ("images/a.png", png_of(8, 8)), ("few/a.yaml", b"labels: 20"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(data)
    refused(words.split(), COMMANDS[words])


@pytest.mark.parametrize("words", ["evaluate run", "sample run", "export run"])
def test_a_run_without_a_checkpoint(refused, run, words):
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    refused(words.split(), "run has no checkpoint yet; train it first")


KEYS = {"epochz": "epochs", "lable": "labels", "method.sntg.wieght": "weight", "method.discriminator.width": "widths"}
KEYS |= {"method.generator.latnet": "latent", "method.teacher.decai": "decay"}


@pytest.mark.parametrize("key", KEYS)
def test_an_unknown_key_on_the_command_line_and_in_a_file_is_told_its_nearest_names(refused, train, tmp_path, key):
    name, nearest = key.split(".")[-1], f"nearest: {KEYS[key]}"
    refused([*train, f"--{key}", "3"], name, nearest)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_with(key, 3)))
    refused(["train", "--config", "config.yaml", "--out", "run"], f"'{name}'", nearest)


@pytest.mark.parametrize("text", ["", "- 1", "hello", "a: [", "\0", "method: &a {x: *a}", "config: a.yaml", "config.x: a.yaml"])
def test_a_file_that_is_no_configuration(refused, tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    refused(["train", "--config", "config.yaml", "--out", "run"])


def test_a_manifest_that_disagrees_with_the_options(refused, train, finished):
    words = [*train, "--split", finished / "split.json"]
    refused([*words, "--labels", 30], "split.json", "20", "30", "--labels 20")
    refused([*words, "--validation", "true"], "split.json", "validation")


DAMAGES = {"halved": lambda data: data[: len(data) // 2], "empty": lambda data: b"", "binary": lambda data: b"\xff\x80\x00"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unreadable_checkpoint(refused, train, run, damage):
    (run / "result.json").unlink()
    path = run / "checkpoints/last.pt"
    path.with_name("last-1.pt").unlink()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for words in train, ["evaluate", "run"], ["sample", "run"]:
        refused(words, "last.pt is not a readable checkpoint", "nothing was changed", "Restore it from a copy")


FINISHED = [("config.yaml", "train"), ("config.yaml", "evaluate"), ("split.json", "evaluate"), ("result.json", "train")]
UNFINISHED = [("environment.json", "train"), ("split.json", "train")]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "subcommand"), FINISHED + UNFINISHED)
def test_a_damaged_file_of_a_run(refused, train, run, name, subcommand, damage):
    (run / name).write_bytes(DAMAGES[damage]((run / name).read_bytes()))
    if (name, subcommand) in FINISHED:
        refused(train if subcommand == "train" else ["evaluate", "run"])
    else:
        (run / "result.json").unlink()
        refused(train, name)


def test_a_folder_that_is_not_a_run(refused, train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.tex").write_text("mine")
    refused(train, "run exists and is not a run folder", "choose another with --out")


def test_seeds_in_a_run_folder_or_one_with_another_run_in_it_are_refused(refused, tiny, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "cell/1")  # of seed 0
    refused(["train", "--config", tiny, "--seeds", "0..1", "--out", "cell/1"], "cell/1 is a run folder")
    refused(["train", "--config", tiny, "--seeds", "0..1", "--out", "cell"], "holds a run of another configuration")


def test_seeds_are_single_numbers_ranges_or_both():
    assert whole_numbers("seeds", "0..3") == [0, 1, 2, 3] and whole_numbers("seeds", "7") == [7]
    assert whole_numbers("seeds", "5, 0..1,3") == [5, 0, 1, 3]
