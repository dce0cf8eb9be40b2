"""SNTG in a training loop of one's own, by PyTorch alone but for the loss: docs/own-loop.md.

python scripts/own_loop.py      test errors of three seeds without and with SNTG; about four minutes on one idle core
"""

import torch
import torch.nn.functional as F

from gan_sntg.data import UNLABELED, Digits, make_split
from gan_sntg.experiments.scripts import run_script
from gan_sntg.experiments.statistics import difference
from gan_sntg.graph import all_pairs, graph_loss, teacher_classes
from gan_sntg.networks import DenseDiscriminator
from gan_sntg.schedules import ramp_up


def train(weight: float, seed: int, epochs: int = 100, margin: float = 3.0) -> float:
    """Test error in percent; weight 0 trains on the labels alone."""
    data = Digits()
    x, y = data.train_x / 255, make_split(data, 20, seed, validation=False).known(data)
    labeled = (y != UNLABELED).nonzero().squeeze(1)
    torch.manual_seed(seed)
    net = DenseDiscriminator(data.image_shape, data.num_classes, widths=(128, 128, 128))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for epoch in range(epochs):
        for chosen in torch.randperm(len(x)).split(100):
            index = torch.cat([labeled.repeat(5), chosen])  # 100 labelled images, so that many pairs have a known end
            h, logits = net(x[index])
            loss = F.cross_entropy(logits, y[index], ignore_index=UNLABELED)
            classes = teacher_classes(logits.detach().softmax(1), y[index])
            loss = loss + weight * ramp_up(epoch, epochs) * graph_loss(h, classes, margin, all_pairs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    wrong = net.eval()(data.test_x / 255)[1].argmax(1) != data.test_y
    return 100 * wrong.float().mean().item()


def main(seeds: int = 3) -> None:
    """Train each seed at weights 0 and 1, and print the errors and their paired difference."""
    torch.set_num_threads(1)
    alone, with_sntg = ([train(weight, seed) for seed in range(seeds)] for weight in (0.0, 1.0))
    for seed, errors in enumerate(zip(alone, with_sntg, strict=True)):
        print("seed {}: {:.1f} % by the labels alone, {:.1f} % with SNTG".format(seed, *errors))
    d = difference(dict(enumerate(alone)), dict(enumerate(with_sntg)))
    print("difference: {:+.1f} points, 95 % interval {:+.1f} to {:+.1f} (Student)".format(d["mean"], *d["interval"]))


if __name__ == "__main__":
    run_script(main)
