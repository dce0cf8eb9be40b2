"""Steps of one configuration, taken when standard input asks for them.

A side of scripts/benchmarks/commits.py. Options are those of `gan-sntg bench`, of the commit whose package is imported. The first line
printed is the list of ways. Each line read is [kind, way, amount] in JSON: "time" answers with seconds per step of a turn of at least so
many seconds, "parts" with ms by part over so many steps.
"""

import json
import sys
import time

import torch

from gan_sntg.benchmarks.timing import make_ways
from gan_sntg.commands.bench import parser
from gan_sntg.files import memory


def main() -> None:
    """Answer until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    if hasattr(memory, "reuse_memory"):  # which the command calls, in commits that have it
        memory.reuse_memory()
    options = parser().parse_args(sys.argv[1:])
    torch.set_num_threads(options.threads)
    ways = dict(make_ways(options, options.config[0]))
    steps: dict[str, int] = {}
    print(json.dumps(list(ways)), file=answers, flush=True)
    for line in sys.stdin:
        kind, way, amount = json.loads(line)
        if kind == "parts":
            found = ways[way].breakdown(int(amount))
        else:
            ways[way].step()  # does not count
            n, begun = steps.get(way, 1), time.perf_counter()
            for _ in range(n):
                ways[way].step()
            found = (time.perf_counter() - begun) / n
            steps.setdefault(way, max(1, round(amount / found)))
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
