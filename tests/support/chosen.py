"""Runs to choose from, and `timelift choose` on them."""

from tests.support import journals

NAMES = ("native", "fold_time", "time_distributed", "loop_slice")


def journal(folder, strategies=NAMES, launches=5, noise=0.002, **grid):
    """A run of some frames, at 10 and at 40 steps."""
    sizes = {"workloads": ("frames",), "seq_lens": (10, 40), "phases": ("forward",)} | grid
    cases = journals.grid(strategies, **sizes)
    return journals.synthetic(folder / "run.jsonl", cases, launches=launches, noise=noise)


def choose(run_command, path, code, *words):
    return run_command(code, "choose", "--run", path, *words)
