"""Checkpoints of another kind of device: read as they are, gone on from with draws of their own. Simulated by states of 16 bytes."""

import json
import struct

import pytest
import torch
from helpers.tiny import gan, started, streams

from gan_sntg.rng import go_on, of_another_device, purpose_generator
from gan_sntg.training import checkpoint
from gan_sntg.training.loop import Progress


def cuda_state(seed: int = 1, offset: int = 4) -> torch.Tensor:
    """What a generator on CUDA says of itself."""
    return torch.frombuffer(bytearray(struct.pack("<QQ", seed, offset)), dtype=torch.uint8).clone()


@pytest.fixture
def from_cuda(run):
    """A tiny run, stopped before its last epoch, whose generators were on CUDA."""
    for path in (run / "checkpoints").iterdir():
        state = torch.load(path, weights_only=True)
        state["generators"] = {name: cuda_state() for name in state["generators"]}
        for stream in state["streams"].values():
            stream["generator"] = cuda_state()
        torch.save(state, path)
    (run / "checkpoints/last.pt").unlink()
    (run / "checkpoints/last-1.pt").rename(run / "checkpoints/last.pt")
    return run


@pytest.mark.parametrize(
    "words", [["evaluate"], ["sample", "--n", "4", "--out", "a.png"], ["sample", "--kind", "neighbors", "--n", "1"], ["export"]], ids=str
)
def test_a_run_of_another_device_is_read_without_a_word_of_it(command, from_cuda, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = command(words[0], from_cuda, *words[1:])
    assert outcome.status == 0 and (outcome.err == "" or words == ["export"] and outcome.err.startswith("read back, "))


def test_a_run_of_another_device_goes_on_and_says_so(command, tiny, from_cuda, finished):
    (from_cuda / "result.json").unlink()
    outcome = command("train", "--config", tiny, "--out", from_cuda)
    assert outcome.status == 0
    assert "was written on another kind of device; the run goes on from step 8" in outcome.err
    found = json.loads((from_cuda / "result.json").read_text())
    assert (found["epochs"], found["steps"]) == (3, 12)


def test_nothing_is_said_where_the_device_is_the_same(command, tiny, run):
    (run / "result.json").unlink()
    assert "device" not in command("train", "--config", tiny, "--out", run).err


def test_draws_in_place_of_another_devices_differ_by_purpose_and_step_and_repeat_no_beginning():
    drawn = []
    for purpose, step in (("noise", 0), ("noise", 8), ("noise", 9), ("z", 8), ("noise", 8)):
        generator = purpose_generator(3, purpose)
        drawn.append(torch.rand(4, generator=generator).tolist())
        go_on(generator, cuda_state(), step)
        drawn.append(torch.rand(4, generator=generator).tolist())
    firsts, others = drawn[::2], drawn[1::2]
    assert others[1] == others[4] and len({*map(tuple, firsts + others)}) == 2 + 4


@pytest.mark.parametrize(
    ("state", "other"),
    [(cuda_state(), True), (torch.Generator().get_state(), False), (cuda_state()[:15], False), (cuda_state().float(), False)],
)
def test_only_a_state_of_a_known_size_is_taken_for_another_devices(state, other):
    assert of_another_device(torch.Generator(), state) == other


@pytest.mark.parametrize("damaged", [cuda_state()[:15], torch.zeros(0, dtype=torch.uint8), cuda_state().float(), "text"])
def test_a_damaged_state_of_a_generator_is_refused(tmp_path, damaged):
    made = streams()
    method = started(gan(weight=0.5), made)
    state = checkpoint.state_of(method, made, Progress())
    state["generators"]["noise"] = damaged
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="does not fit this configuration"):
        checkpoint.put_back(checkpoint.read(tmp_path / "last.pt", "cpu"), tmp_path, method, made, Progress())
