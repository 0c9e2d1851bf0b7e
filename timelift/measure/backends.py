"""Which backends are installed here, told without importing any."""

import importlib.util
from collections.abc import Callable, Iterable

from timelift.case import Backend

#: The packages of a backend whose versions change what is measured.
PACKAGES = {
    Backend.TENSORFLOW: ("tensorflow",),
    Backend.JAX: ("jax", "jaxlib"),
    Backend.TORCH: ("torch",),
}
#: Those of every backend.
COMMON_PACKAGES = ("keras", "numpy", "ml_dtypes", "pytest", "pytest-benchmark")


def packages(backends: Iterable[Backend]) -> tuple[str, ...]:
    """Return the packages whose versions say what is measured on these backends."""
    return (*(name for one in backends for name in PACKAGES[one]), *COMMON_PACKAGES)


def why_not(backend: Backend, find: Callable[[str], object] = importlib.util.find_spec) -> str:
    """Return why a backend is not installed, and how to install it; empty where it is."""
    if find(backend):
        return ""
    return f"{backend} is not installed; install it with: pip install -e '.[{backend}]'"
