"""Control groups of files, as a container or its host sees them."""

from tests.support.projects import write
from timelift.canary import Groups


def groups(folder, own, files):
    """Control groups of these files, by path, for a process that is in `own`."""
    mounted = {f"mounted/{name}": text for name, text in files.items()}
    write(folder, mounted | {"own": own})
    return Groups(folder / "mounted", folder / "own")


def stat(periods):
    return f"usage_usec 9\nnr_periods 100\nnr_throttled {periods}\nthrottled_usec 12\n"


def container(periods=0, quota="150000 100000"):
    return {"cpu.max": f"{quota}\n", "cpu.stat": stat(periods)}
