"""Images that belong together: equal ones, found by hash, and groups, such as those of a patient."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

import numpy as np
import torch
from torch import Tensor

MOST_NAMED = 20
DIVIDED = (
    "an error measured on these says nothing of new groups; move them to one of the two, or add --data.shared_groups drop (leaves those "
    "for training out) or --data.shared_groups keep"
)


class Twins(Enum):
    """What is done about training images that are also test or validation images, or of one group."""

    refuse = "refuse"  # those of the test set; those of validation images are left out of the pool
    drop = "drop"  # the training set's copies
    keep = "keep"


def group_numbers(*parts: Tensor) -> list[Tensor]:
    """Numbers int64 [n] of the groups of equal examples, for each part [n, ...]; alike over all parts."""
    digests = [hashlib.sha256(example.tobytes()).digest() for x in parts for example in x.numpy()]
    numbers = np.unique(np.array(digests), return_inverse=True)[1]
    return list(torch.from_numpy(numbers).split([len(x) for x in parts]))


def named(texts: Iterable[str]) -> str:
    """The first of the texts, as a list to be read."""
    texts = list(texts)
    return "; ".join(texts[:MOST_NAMED]) + ("; ..." if len(texts) > MOST_NAMED else "")


def pairs(numbers: Tensor, among: Tensor) -> list[tuple[int, int]]:
    """Each example i that has an equal one in another part, and j, the first of those there."""
    shared = torch.isin(numbers, among)
    wanted = set(numbers[shared].tolist())
    first = {number: j for j, number in reversed(list(enumerate(among.tolist()))) if number in wanted}
    return [(i, first[int(numbers[i])]) for i in shared.nonzero().flatten().tolist()]


def contradictions(numbers: Tensor, y: Tensor) -> list[list[int]]:
    """Groups of equal examples of more than one label; y [n] is negative where there is none."""
    known = y >= 0
    distinct = np.unique(np.stack([numbers[known].numpy(), y[known].numpy()]), axis=1)
    groups, labels = np.unique(distinct[0], return_counts=True)
    return [((numbers == int(group)) & known).nonzero().flatten().tolist() for group in groups[labels > 1]]


STEPS, TRIES, NEAR = 3000, 100, 0.01  # groups gone over in all tries to hold some out, tries at most, and how near 1/5 is enough


def held_groups(y: Tensor, groups: Sequence[str], generator: torch.Generator) -> set[str]:
    """Groups with about a fifth of the labelled images of each class of y [N], fixed by the generator.

    Each class has an image inside and one outside where the groups found allow it. Of tries that go over the groups, each in another
    order, and take one in or out where that is better, the first that is near enough, or else the best: the last begins with the small
    groups, which others leave no room for. The figure is the sum over classes of the squared difference of the share held out to 1/5.
    """
    known = np.flatnonzero((y >= 0).numpy())
    names, rows = np.unique(np.array(groups)[known], return_inverse=True)
    classes, columns = np.unique(y.numpy()[known], return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (rows, columns), 1)
    orders = [torch.randperm(len(names), generator=generator).numpy() for _ in range(max(1, min(TRIES, STEPS // max(1, len(names)))))]
    orders.append(orders[0][counts.sum(1)[orders[0]].argsort(kind="stable")])
    least, best = np.inf, np.zeros(len(names), bool)
    for order in orders:
        if least > NEAR**2 * len(classes):
            cost, chosen = _search(counts, order)
            least, best = min((least, best), (cost, chosen), key=lambda found: found[0])
    return {str(name) for name in names[best]}


def _search(counts: np.ndarray, order: np.ndarray) -> tuple[float, np.ndarray]:
    """Least cost found, and which groups [G] are held out. counts [G, K]: labelled images."""
    sizes, held, chosen = counts.sum(0), np.zeros(counts.shape[1]), np.zeros(len(counts), bool)

    def cost(held: np.ndarray) -> float:
        lacking = np.count_nonzero((held == 0) | (held == sizes))  # of which a class counts more than all shares
        return lacking * len(sizes) + float(np.square(held / sizes - 0.2).sum())

    least, before = cost(held), np.inf
    while least < before - 1e-6:
        before = least
        for i in order:
            trial = held - counts[i] if chosen[i] else held + counts[i]
            if (found := cost(trial)) < least - 1e-9:
                least, held, chosen[i] = found, trial, not chosen[i]
    return least, chosen


def of_groups(groups: Sequence[str] | None, chosen: Tensor) -> Tensor:
    """Examples [N] that are chosen [N], or of a group of a chosen one."""
    return chosen if groups is None else torch.from_numpy(np.isin(groups, np.array(groups)[chosen.numpy()]))


def why_undivided(y: Tensor, groups: Sequence[str], k: int) -> str:
    """Reason why images of class k cannot be on both sides of a cut between groups."""
    found = Counter(group for group, own in zip(groups, y.tolist(), strict=True) if own == k)
    if len(found) == 1:
        return f"all {found.total()} labelled images are of the group {next(iter(found))}"
    return f"its labelled images are of {len(found)} groups, which stay whole"


def groups_on_both(groups: Sequence[str], others: Sequence[str], names: Sequence[str], other_names: Sequence[str]) -> list[str]:
    """Each group on both sides, with the number of its images on each and the first of them."""
    mine: dict[str, list[str]] = {}
    theirs: dict[str, list[str]] = {}
    for found, own, of in (mine, groups, names), (theirs, others, other_names):
        for group, name in zip(own, of, strict=True):
            found.setdefault(group, []).append(name)
    return [f"{g}: {len(mine[g])} as {mine[g][0]}, {len(theirs[g])} as {theirs[g][0]}" for g in mine if g in theirs]
