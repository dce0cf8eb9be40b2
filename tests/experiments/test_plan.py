"""How schedules are shortened: lengths, memories, and all that stays."""

import pytest
import yaml

from gan_sntg.errors import InputError
from gan_sntg.experiments.plan import shortened
from gan_sntg.runs.options import config_parser


def test_lengths_and_memories_are_scaled_and_nothing_else():
    tree = {
        "epochs": 300,
        "interval_epochs": 5,
        "steps_per_epoch": 400,
        "validation": True,
        "method": {
            "init_args": {
                "learning_rate": 0.003,
                "average_decay": 0.999,
                "w": {"ramp_epochs": None},
                "sntg": {"init_args": {"start_epochs": 0.0, "ramp_epochs": 80.0}},
                "teacher": {"init_args": {"decay": 0.99, "alpha": 0.6}},
                "schedule": {"init_args": {"epochs": float("inf"), "up_epochs": 80}},
            }
        },
    }
    assert shortened(tree, 0.25) == {
        "epochs": "75",
        "interval_epochs": "1",
        "method.init_args.average_decay": "0.996",
        "method.init_args.sntg.init_args.ramp_epochs": "20.0",
        "method.init_args.teacher.init_args.decay": "0.96",
        "method.init_args.schedule.init_args.up_epochs": "20",
    }


def test_an_average_remembers_its_last_steps_for_as_many_as_the_run_is_shorter():
    decay = float(shortened({"average_decay": 0.9999}, 0.1)["average_decay"])
    assert 1 / (1 - decay) == pytest.approx(0.1 / (1 - 0.9999))


def test_a_scale_that_leaves_an_average_no_memory_is_refused_with_the_least_that_does():
    with pytest.raises(InputError, match=r"--scale 0.05: method.decay 0.9 would be -1; give a larger scale, at least 0.1"):
        shortened({"method": {"decay": 0.9}}, 0.05)


def test_a_tenth_of_mnists_recipe_is_what_it_should_be():
    reader = config_parser()
    options = reader.parse_args(["--config", "configs/mnist_100/fm_gan.yaml"])
    changes = shortened(yaml.safe_load(reader.dump(options)), 0.1)
    assert changes == {
        "epochs": "30",
        "method.init_args.average_decay": "0.999",
        "method.init_args.teacher.init_args.decay": "0.99",
        "method.init_args.sntg.init_args.ramp_epochs": "30.0",
    }
