"""Which figures of an interval need a word to whoever trains, and what is there to try?"""

FEW_NEGATIVES = 0.05


def concerns(telemetry: dict[str, float]) -> dict[str, str]:
    """By its subject, what is wrong and what to try; empty where nothing is."""
    found = {}
    inside = telemetry.get("graph/negatives_inside_margin", 1.0)
    if telemetry.get("weight/graph") and inside < FEW_NEGATIVES:
        found["margin"] = (
            f"{inside:.1%} of the negative pairs are inside the margin, so the graph hardly pushes apart. Try a larger --method.margin"
        )
    if telemetry.get("gan/collapsed"):
        names = "diversity", "copies", "nearest_share", "effective_rank", "effective_rank_real"
        diversity, copies, share, rank, real = (telemetry[f"gan/{name}"] for name in names)
        found["collapse"] = (
            f"the generator has collapsed: in D's features its images are {diversity:.1%} as far apart as real ones, {copies:.0%} of them "
            f"repeat another, {share:.0%} have one real image nearest, and their effective rank is {rank:.1f} (real: {real:.1f}). Look at "
            "its images, in samples/ of the run; if gan/collapsed stays 1, try a smaller --method.learning_rate or another --seed"
        )
    return found
