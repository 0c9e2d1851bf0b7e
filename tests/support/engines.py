"""Scripts for engines run in processes of their own, since a process has one backend.

One process a backend imports it, as a launch does, and forks for every script: each begins with a
fresh runtime, and none pays the import again.
"""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: Three processes of tests share two cores: threads of one would wait for those of another.
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
)
#: What scripts about a backend's engine share.
ENGINE = """
import dataclasses, json, sys
import keras
import numpy as np
from timelift.axis_values import Backend, Dtype, Gradients, Mode, Phase, TimeAxis
from timelift.case import Setting
from timelift.worker.engines import Feed, UnavailableError, open_engine
USUAL = Setting("probe", 5, 3, Phase.FORWARD, backend=Backend(keras.backend.backend()))
BACKWARD = {"phase": Phase.BACKWARD, "gradients": Gradients.INPUTS_AND_WEIGHTS}

def changed(**axes):
    return dataclasses.replace(USUAL, **axes)

def lifted(layer, time=5):
    inputs = keras.Input((time, 3))
    return keras.Model(inputs, layer(inputs))

def ones(*shape):
    return np.ones(shape, "float32")

def unavailable(**axes):
    try:
        open_engine(changed(**axes))
    except UnavailableError as error:
        return str(error)
"""
#: The passes of inductor without its C++.
LOWERED = """
from functools import partial
import timelift.worker.engines.torch as ours
from functorch.compile import make_boxed_func
from torch._guards import detect_fake_mode
from torch._inductor.fx_passes.post_grad import post_grad_passes
from torch._inductor.virtualized import V

def lowered(graph, examples, **how):
    with V.set_fake_mode(detect_fake_mode(examples)):
        post_grad_passes(graph, bool(how.get("is_inference")))
    return make_boxed_func(graph.forward)

ours._prepare_compiler = lambda *_, **__: None
ours.compile_fx = partial(ours.compile_fx, inner_compile=lowered)
"""


def skip_without(backend):
    """Leave out a test, or a file of them, where a backend is not installed."""
    import pytest  # the processes here do without it, and without the coordinator

    from timelift.axis_values import Backend
    from timelift.measure.backends import why_not_installed

    if reason := why_not_installed(Backend(backend)):
        pytest.skip(reason, allow_module_level=True)


def run(backend, script):
    """Run a script with the backend under Keras; return what it prints last, from JSON."""
    skip_without(backend)
    process = _imported(str(backend))  # a Backend would be another key of the cache
    process.stdin.write(json.dumps(script) + "\n")
    process.stdin.flush()
    out, error = json.loads(process.stdout.readline() or '["", "the process did not start"]')
    assert not error, error
    return json.loads(out.splitlines()[-1])


def run_afresh(backend, script, **variables):
    """Run a script so in an interpreter that has imported nothing yet, with these variables."""
    skip_without(backend)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=_environment(backend) | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@functools.cache
def evaluate(backend, module, expression):
    return run(backend, f"import json\nfrom {module} import *\nprint(json.dumps({expression}))")


def _environment(backend):
    return {**ONE_THREAD, **os.environ, "KERAS_BACKEND": str(backend), "PYTHONPATH": str(ROOT)}


@functools.cache
def _imported(backend):
    """Start the process of a backend; it ends with this one, at the end of its input."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.engines", backend],
        env=_environment(backend),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve(backend):
    from timelift.worker import engines

    engines.load(backend)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # standard output is for answers, not for what a framework prints
    for line in sys.stdin:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as answer:
                answer.write(json.dumps(_run(json.loads(line))))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            text = answer.read()
        os.wait()
        answers.write((text or json.dumps(["", "the process died"])) + "\n")
        answers.flush()


def _run(script):
    """Return what a script prints, and its traceback if it fails."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(script, "script", "exec"), {"__name__": "__main__"})  # noqa: S102
    except SystemExit as end:
        return printed.getvalue(), f"exit code {end.code}" if end.code else ""
    except BaseException:  # noqa: BLE001 - the parent raises it
        return printed.getvalue(), traceback.format_exc()
    return printed.getvalue(), ""


if __name__ == "__main__":
    _serve(sys.argv[1])
