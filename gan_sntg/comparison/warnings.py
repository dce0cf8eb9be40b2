"""Warnings about runs that are unfinished or not paired."""

from gan_sntg.comparison.runs import Comparison, Run


def all_concerns(comparison: Comparison) -> list[str]:
    """Every sentence, for those who see only the terminal."""
    runs = comparison.runs
    return [*unfinished(runs), *unpaired(runs), *([comparison.refusal] if comparison.refusal else []), *other_epochs(runs)]


def unfinished(runs: list[Run]) -> list[str]:
    """A sentence for each run without a result."""
    return [f"{run.name} is unfinished: epoch {run.epoch} of {run.options.get('epochs', '?')}." for run in runs if not run.result]


def unpaired(runs: list[Run]) -> list[str]:
    """Why a difference of errors may come from images or labels: which runs have others than the first."""
    images = [run.name for run in runs if run.split.sha256 != runs[0].split.sha256]
    splits = [run.name for run in runs if run.split_sha256 != runs[0].split_sha256]
    said = []
    if images:
        said.append(f"Other images, those tested on too, than {runs[0].name} has: {', '.join(images)} (SHA-256 of the data differ).")
    if splits:
        said.append(f"Not paired: another split than {runs[0].name} has: {', '.join(splits)}; a difference may come from the labels drawn.")
    return said


def other_epochs(runs: list[Run]) -> list[str]:
    """A sentence where fidelity is that of generators of different epochs."""
    epochs = {run.name: run.fidelity.generator.get("epoch") for run in runs if run.fidelity}
    if len(set(epochs.values())) < 2:
        return []
    return [f"Fidelity is that of generators after different epochs: {', '.join(f'{name} {epoch}' for name, epoch in epochs.items())}."]
