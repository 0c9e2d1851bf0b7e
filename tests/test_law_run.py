"""The law in a run as users start it: one wrong step of 128 fails its case in both phases."""

from tests.law_cases import STRATEGY
from tests.projects import bench, project

WORDS = (
    "--workloads sensor --seq-lens 128 --batch-sizes 4 --launches 3 --round-seconds 0.01 --seed 1"
).split()


def test_a_mistake_at_one_step_fails_its_own_case_and_no_other(tmp_path):
    """The sentence names the step; the same strategy without the mistake is measured."""
    folder = project(tmp_path, ("native",))
    for name, more in (("wrong_at_57", 0.1), ("right", 0.0)):
        line = f"y * (1.0 + self.at_step(y, {more}))"
        (tmp_path / f"{name}.py").write_text(STRATEGY.format(step=57, line=line, lift="lift"))
    files = ["--strategy-file", "wrong_at_57.py,right.py"]
    done = bench(folder, "bench/test_forward.py", "bench/test_backward.py", *files, *WORDS)
    assert "2 failed, 4 passed" in done.stdout, done.stdout
    case = "sensor-T128-B4-{}-graph-wrong_at_57: law broken: breaks the law: "
    assert case.format("forward") + "outputs at step 57 differ" in done.stdout
    assert case.format("backward") + "at step 57, gradient of weight 0 differs" in done.stdout
