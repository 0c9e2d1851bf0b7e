"""Served calls, from numpy to numpy: by Keras itself, or by a runtime that has the exported model.

What Keras exports has the sizes of the setting, but for axes that the model leaves open, such as
time on a dynamic time axis. Its inputs go by name. A runtime has the setting's threads, and
computes in float32.
Source: https://keras.io/api/models/model_saving_apis/export/
"""

import contextlib
import importlib.util
import io
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras

from timelift import messages
from timelift.case import BACKEND_THREADS, Runtime, Setting, Status, TimeAxis
from timelift.errors import one_line, ran_out_of_memory
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.making import LostError, Shape, inputs_of
from timelift.worker.reference import Begin

#: From flat inputs to flat outputs.
Run = Callable[[Sequence[Array]], list[Array]]
#: What Keras calls a runtime's format, and how the name of its file ends.
_FORMATS = {
    Runtime.SAVED_MODEL: ("tf_saved_model", ""),
    Runtime.ONNXRUNTIME: ("onnx", ".onnx"),
    Runtime.OPENVINO: ("openvino", ".xml"),
    Runtime.LITERT: ("litert", ".tflite"),
}
#: Where a tool says more than its reason, the part that is the reason.
_REASONS = (
    re.compile(r"No conversion rule found for operations?: [\w, ]*\w(?= --| To |$)"),
    re.compile(r"(?:Load model from \S+ failed:)(?P<why>.*)"),
    re.compile(r"(?P<why>Select TensorFlow op\(s\)).*?(?P<node>Flex\w+)"),
)
_OTHER_WAY = "write it in another way"
_FLEX = f"{_OTHER_WAY}, or link the Flex delegate where it runs"


class ServedByKeras(Compiled):
    """A model that Keras calls with numpy arrays; the feed has them."""

    def __init__(self, engine: Engine, compiled: Compiled) -> None:
        self._engine, self._compiled = engine, compiled

    @property
    def traces(self) -> int:  # type: ignore[override]
        return self._compiled.traces

    @property
    def operations(self) -> Counter[str] | None:  # type: ignore[override]
        return self._compiled.operations

    def trace(self, feed: Feed) -> None:
        self._compiled.trace(self._placed(feed))

    def bind(self, feed: Feed) -> Callable[[], Any]:
        def call() -> Any:
            outputs = self._compiled.bind(self._placed(feed))()
            return keras.tree.map_structure(self._engine.to_numpy, outputs)

        return call

    def _placed(self, feed: Feed) -> Feed:
        def place(array: Array | None) -> Any:
            return None if array is None else self._engine.place(array)

        return Feed(*(keras.tree.map_structure(place, each) for each in (feed.inputs, feed.mask)))


class Exported(Compiled):
    """A model as a runtime has it; `trace` exports, loads and runs it once.

    Each raises LostError with the tool's own reason if it fails.
    """

    traces = 1

    def __init__(self, model: Any, setting: Setting, begin: Begin, *, is_first: bool) -> None:
        self._model, self._setting, self._begin = model, setting, begin
        #: Whether the law exports it anew with other weights, which it does in the first launch.
        self.checks_weights = is_first
        self._run: Run | None = None

    def anew(self, feed: Feed) -> "Exported":
        again = Exported(self._model, self._setting, lambda _: None, is_first=True)
        again.trace(feed)
        return again

    def trace(self, feed: Feed) -> None:
        refuse_missing(self._setting.runtime)
        form, ending = _FORMATS[self._setting.runtime]
        arrays, names = keras.tree.flatten(feed.inputs), input_names(feed.inputs)
        specs = [
            keras.InputSpec(shape=shape, dtype=str(array.dtype), name=name)
            for shape, array, name in zip(self._shapes(arrays), arrays, names, strict=True)
        ]
        signature = [keras.tree.pack_sequence_as(feed.inputs, specs)]
        (symbolic,) = keras.tree.map_structure(_symbolic, signature)
        outputs = len(keras.tree.flatten(self._model.compute_output_spec(symbolic)))
        artefact = Artefact("", names, arrays, outputs, self._setting.threads)
        with tempfile.TemporaryDirectory(prefix="timelift-") as folder:
            seconds, artefact = list[float](), replace(artefact, path=f"{folder}/model{ending}")
            with self._stage(messages.EXPORTING, seconds):
                how = {"verbose": False, "input_signature": signature}
                self._model.export(artefact.path, form, **how)
            with self._stage(messages.LOADING, seconds):
                loaded = _LOADERS[self._setting.runtime](artefact)
            with self._stage(messages.RUNNING, seconds):
                loaded.run(arrays)
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
            self.operations, largest_rank = loaded.describe()
        self._run = loaded.run
        self.facts = {
            "export_seconds": seconds[0],
            "load_seconds": seconds[1],
            "first_call_seconds": seconds[1] + seconds[2],
            "trace_seconds": None,
            "artefact_bytes": size,
            "largest_rank": largest_rank,
            "operations": dict(self.operations) if self.checks_weights else None,
        }

    def bind(self, feed: Feed) -> Callable[[], Any]:
        assert self._run
        return partial(self._run, keras.tree.flatten(feed.inputs))

    def _shapes(self, arrays: Sequence[Array]) -> list[Shape]:
        """Return the shape of each input with the batch of its array, open where the model's is."""
        declared = [tuple(tensor.shape) for tensor in inputs_of(self._model)]
        if len(declared) == len(arrays):
            pairs = zip(arrays, declared, strict=True)
            return [(len(array), *shape[1:]) for array, shape in pairs]
        is_open = self._setting.time_axis is TimeAxis.DYNAMIC
        shapes: list[Shape] = [array.shape for array in arrays]
        return [(shape[0], None, *shape[2:]) for shape in shapes] if is_open else shapes

    @contextmanager
    def _stage(self, stage: str, seconds: list[float]) -> Iterator[None]:
        self._begin(stage)
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            if ran_out_of_memory(error):
                raise
            traceback.print_exc()
            raise LostError(why_unserved(error), messages.UNSERVED[stage]) from error
        seconds.append(time.perf_counter() - started)


def served(
    engine: Engine, model: Any, setting: Setting, begin: Begin, *, is_first: bool
) -> Compiled:
    """Return a model as a setting serves it."""
    if setting.is_exported:
        return Exported(model, setting, begin, is_first=is_first)
    return ServedByKeras(engine, engine.compile(model, setting, training=False))


def refuse_missing(runtime: Runtime) -> None:
    """Raise LostError if this interpreter, which may be another machine's, lacks a package."""
    if missing := [name for name in runtime.modules if not importlib.util.find_spec(name)]:
        names = " ".join(missing).replace("_", "-")
        why = f"{sys.executable} lacks {names} for {runtime}; install it there with: pip install "
        raise LostError(f"{why}{names}", Status.UNAVAILABLE)


def input_names(nest: Any) -> list[str]:
    """Return the names of inputs in the order in which Keras flattens them."""
    if isinstance(nest, Mapping) and not any(map(keras.tree.is_nested, nest.values())):
        return sorted(nest)
    return [f"input_{number}" for number, _ in enumerate(keras.tree.flatten(nest), 1)]


def why_unserved(error: Exception) -> str:
    """Return the reason of a tool in one line, and the remedy."""
    told, text = one_line(error), " ".join(str(error).split())
    for found in filter(None, (pattern.search(text) for pattern in _REASONS)):
        named = found.groupdict()
        told = (named.get("why") or found[0]).strip()
        if node := named.get("node"):
            return f"{told} that this interpreter lacks ({node}); {_FLEX}"
    return f"{told.rstrip('.')}; {_OTHER_WAY}"


def _symbolic(spec: Any) -> Any:
    return keras.KerasTensor(spec.shape, spec.dtype)


# What runs them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Artefact:
    """What was exported: its path, the names of its inputs with arrays that fit, and its outputs.

    `outputs` is their number: a runtime may add some of its own behind. It is run by so many
    `threads`, `BACKEND_THREADS` being the runtime's own choice.
    """

    path: str
    names: Sequence[str]
    arrays: Sequence[Array]
    outputs: int
    threads: int


@dataclass(frozen=True)
class Loaded:
    """A loaded artefact: what runs it, and its operations by kind with the rank of each tensor."""

    run: Run
    kinds: Callable[[], Iterable[str]]
    ranks: Callable[[], Iterable[int]]

    def describe(self) -> tuple[Counter[str], int | None]:
        return Counter(self.kinds()), max(self.ranks(), default=None)


def _load_saved_model(artefact: Artefact) -> Loaded:
    import tensorflow as tf  # noqa: PLC0415 - each is imported where it is asked for

    serve, names = tf.saved_model.load(artefact.path).signatures["serving_default"], artefact.names
    outputs = _in_order(serve.structured_outputs)

    def run(arrays: Sequence[Array]) -> list[Array]:
        named = {name: tf.constant(each) for name, each in zip(names, arrays, strict=True)}
        returned = serve(**named)
        return [returned[name].numpy() for name in outputs]

    graph = serve.graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
    shapes = (shape for node in nodes for shape in node.attr["_output_shapes"].list.shape)
    known = [len(shape.dim) for shape in shapes if not shape.unknown_rank]
    return Loaded(run, lambda: (node.op for node in nodes), lambda: known)


def _load_onnx(artefact: Artefact) -> Loaded:
    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is fatal; the rest is raised
    if artefact.threads != BACKEND_THREADS:
        options.intra_op_num_threads = artefact.threads
    session = onnxruntime.InferenceSession(artefact.path, options, ["CPUExecutionProvider"])
    names = artefact.names

    def run(arrays: Sequence[Array]) -> list[Array]:
        returned: list[Array] = session.run(None, dict(zip(names, arrays, strict=True)))
        return returned

    model = onnx.shape_inference.infer_shapes(onnx.load(artefact.path))

    def nodes(graph: Any) -> Iterator[Any]:
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                yield from nodes(attribute.g)

    infos = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    ranks = [len(info.type.tensor_type.shape.dim) for info in infos]
    return Loaded(run, lambda: (node.op_type for node in nodes(model.graph)), lambda: ranks)


def _load_openvino(artefact: Artefact) -> Loaded:
    import openvino  # noqa: PLC0415

    core, options = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    if artefact.threads != BACKEND_THREADS:
        options["INFERENCE_NUM_THREADS"] = str(artefact.threads)
    model = core.read_model(artefact.path)
    request = core.compile_model(model, "CPU", options).create_infer_request()
    takes = [artefact.names.index(each.get_any_name()) for each in model.inputs]
    gives = range(artefact.outputs)

    def run(arrays: Sequence[Array]) -> list[Array]:
        returned = request.infer([arrays[place] for place in takes])
        return [returned[place] for place in gives]

    made = [each for each in model.get_ordered_ops() if each.get_type_name() not in _NO_WORK]
    shapes = [one.get_partial_shape() for each in made for one in each.outputs()]
    ranks = [shape.rank.get_length() for shape in shapes if shape.rank.is_static]
    return Loaded(run, lambda: (each.get_type_name() for each in made), lambda: ranks)


#: Nodes of OpenVINO that compute nothing.
_NO_WORK = {"Parameter", "Constant", "Result"}


def _load_litert(artefact: Artefact) -> Loaded:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    path, threads = artefact.path, artefact.threads
    signature = Interpreter(path).get_signature_runner()
    details, returned = signature.get_input_details(), signature.get_output_details()
    takes = [details[name]["index"] for name in artefact.names]
    gives = [returned[name]["index"] for name in _in_order(returned)]
    interpreter = Interpreter(path, num_threads=None if threads == BACKEND_THREADS else threads)
    for index, array in zip(takes, artefact.arrays, strict=True):
        interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()

    def run(arrays: Sequence[Array]) -> list[Array]:
        for index, array in zip(takes, arrays, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in gives]

    text = _analysed(path)
    shapes = re.findall(r"shape:\[([^\]]*)\]", text)
    return Loaded(
        run,
        lambda: re.findall(r"^\s*Op#\d+ (\w+)\(", text, re.MULTILINE),
        lambda: (len(shape.split(",")) if shape.strip() else 0 for shape in shapes),
    )


def _analysed(path: str) -> str:
    """Return what TensorFlow's analyser prints of a LiteRT model: each operation and tensor."""
    import tensorflow as tf  # noqa: PLC0415

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tf.lite.experimental.Analyzer.analyze(model_path=path)
    return printed.getvalue()


def _in_order(outputs: Iterable[str]) -> list[str]:
    """Return names of outputs in the order in which Keras flattens them: output_2, output_10."""
    return sorted(outputs, key=lambda name: [int(n) if n.isdigit() else n for n in name.split("_")])


_LOADERS: Mapping[Runtime, Callable[[Artefact], Loaded]] = {
    Runtime.SAVED_MODEL: _load_saved_model,
    Runtime.ONNXRUNTIME: _load_onnx,
    Runtime.OPENVINO: _load_openvino,
    Runtime.LITERT: _load_litert,
}
