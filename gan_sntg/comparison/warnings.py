"""Warnings about runs that are unfinished or not paired."""

from gan_sntg.comparison.runs import ComparedRun, Comparison


def all_warnings(comparison: Comparison) -> list[str]:
    """Every sentence, for those who see only the terminal."""
    runs = comparison.runs
    return [*unfinished(runs), *unpaired(runs), *([comparison.refusal] if comparison.refusal else []), *other_epochs(runs)]


def unfinished(runs: list[ComparedRun]) -> list[str]:
    """A sentence for each run without a result."""
    return [f"{run.name} is unfinished: epoch {run.epoch} of {run.options.get('epochs', '?')}." for run in runs if not run.result]


def unpaired(runs: list[ComparedRun]) -> list[str]:
    """Why a difference of errors may come from images or labels: which runs have others than the first."""
    images = [run.name for run in runs if run.split.sha256 != runs[0].split.sha256]
    splits = [run.name for run in runs if run.split_sha256 != runs[0].split_sha256]
    sentences = []
    if images:
        sentences.append(f"Other images, those tested on too, than {runs[0].name} has: {', '.join(images)} (SHA-256 of the data differ).")
    if splits:
        who = f"another split than {runs[0].name} has: {', '.join(splits)}"
        sentences.append(f"Not paired: {who}; a difference may come from the labels drawn.")
    return sentences


def other_epochs(runs: list[ComparedRun]) -> list[str]:
    """A sentence where fidelity is that of generators of different epochs."""
    epochs = {run.name: run.fidelity.generator.get("epoch") for run in runs if run.fidelity}
    if len(set(epochs.values())) < 2:
        return []
    return [f"Fidelity is that of generators after different epochs: {', '.join(f'{name} {epoch}' for name, epoch in epochs.items())}."]
