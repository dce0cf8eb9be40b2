"""A data set of one's own, drawn: stripes in three directions."""

import torch

from gan_sntg.data import Dataset, hold_out


class Stripes(Dataset):
    """Level, upright and slanting stripes of 8 x 8 pixels at random places, in noise; a fifth of each class is tested on."""

    name = "stripes"
    num_classes = 3

    def __init__(self, n: int = 300):
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(n) % 3
        i, j = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
        place = torch.stack([i, j, i + j])[y] + torch.randint(4, (n, 1, 1), generator=generator)
        x = 150 * (place // 2 % 2) + torch.randint(100, (n, 8, 8), generator=generator)
        parts = hold_out(x.to(torch.uint8)[:, None].numpy(), y.numpy())
        self.train_x, self.train_y, self.test_x, self.test_y = map(torch.from_numpy, parts)
        self.validation = torch.empty(0, dtype=torch.int64)
