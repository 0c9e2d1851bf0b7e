"""The versions that timelift is tried on: `make versions`, or one by `nox -s "newest-3.13(jax)"`.

Each session is a fresh environment with this checkout's wheel and one backend. There the default
strategies are built, held to the law and called, and a small run is measured and reported. All of
them take half an hour and 13 GB of disk. docs/environments.md has what was found.
"""

import re
import tempfile

import nox

PYTHONS = ("3.11", "3.12", "3.13")
#: PyTorch is tried by `make test` alone: on PyPI its wheels for Linux bring CUDA, 5 GB.
BACKENDS = ("tensorflow", "jax")

nox.options.reuse_venv = "no"


@nox.session(python=PYTHONS)
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def newest(session: nox.Session, backend: str) -> None:
    """Try the newest versions that pip finds."""
    session.install(f".[{backend}]")
    try_it(session, backend)


@nox.session(python=PYTHONS[0])
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def oldest(session: nox.Session, backend: str) -> None:
    """Try each direct requirement at its lower bound in pyproject.toml."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    wanted = (*project["dependencies"], *project["optional-dependencies"][backend])
    pins = [re.sub(r">=([^,]+).*", r"==\1", one) for one in wanted]
    session.install(f".[{backend}]", *pins)
    try_it(session, backend)


def try_it(session: nox.Session, backend: str) -> None:
    """Hold the default strategies to the law on three workloads; measure and report a small run.

    It happens outside of this checkout, whose options of pytest are for its own tests.
    """
    environment = {"KERAS_BACKEND": backend}
    questions = ("timelift", "bench", "-k", "test_forward", "--seq-lens", "3", "--batch-sizes", "2")
    law = ("--phases", "forward,backward", "--benchmark-disable")
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        for words in (
            (*questions, *law, "--workloads", "sensor,tokens,sentences"),
            (*questions, "--workloads", "sensor", "--launches", "1"),
            ("timelift", "report", "--output", "page"),
        ):
            session.run(*words, env=environment)
