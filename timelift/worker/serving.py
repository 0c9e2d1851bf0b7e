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
from timelift.axis_values import EXPORT_FORMATS, Runtime, Status, TimeAxis
from timelift.case import BACKEND_THREADS, Setting
from timelift.errors import one_line, ran_out_of_memory
from timelift.worker.engines import Array, Compiled, Engine, Feed
from timelift.worker.making import LostError, Shape, inputs_of, parts_of
from timelift.worker.reference import Begin

#: From flat inputs to flat outputs.
Run = Callable[[Sequence[Array]], list[Array]]
#: Where a tool says more than its reason, the part that is the reason.
_REASONS = (
    re.compile(r"No conversion rule found for operations?: [\w, ]*\w(?= --| To |$)"),
    re.compile(r"Load model from \S+ failed:(?P<why>.*)"),
    re.compile(r"(?P<why>Select TensorFlow op\(s\)).*?(?P<node>Flex\w+)"),
)
#: Where a node is inside of a graph, in front of its name.
_NODE = re.compile(r"(?<![\w/.:])\w+/(?:\w+/)+")
_OTHER_WAY = "write it in another way"
#: The oldest Keras of which exports were tried.
_OLDEST_KERAS = [3, 15]
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
            return None if array is None else keras.ops.convert_to_tensor(array)

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
        again = Exported(self._model, self._setting, self._begin, is_first=True)
        again.trace(feed)
        return again

    def trace(self, feed: Feed) -> None:
        _refuse_unable(self._model, self._setting.runtime)
        form, ending = EXPORT_FORMATS[self._setting.runtime]
        arrays, names = keras.tree.flatten(feed.inputs), input_names(feed.inputs)
        specs = [
            keras.InputSpec(shape=shape, dtype=str(array.dtype), name=name)
            for shape, array, name in zip(self._shapes(feed), arrays, names, strict=True)
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
            self._begin(messages.DESCRIBING)
            self.operations, largest_rank = _described(loaded)
        self._run = loaded.run
        self.facts = {
            "export_seconds": seconds[0],
            "load_seconds": seconds[1],
            "first_call_seconds": seconds[1] + seconds[2],
            "trace_seconds": None,
            "artefact_bytes": size,
            "largest_rank": largest_rank,
            "operations": self.operations if self.checks_weights else None,
        }

    def bind(self, feed: Feed) -> Callable[[], Any]:
        assert self._run
        return partial(self._run, keras.tree.flatten(feed.inputs))

    def _shapes(self, feed: Feed) -> list[Shape]:
        """Return the shape of each input with the batch of its array, open where the model's is.

        A model of a list of inputs takes a dictionary by their names.
        """
        arrays, names = keras.tree.flatten(feed.inputs), input_names(feed.inputs)
        declared = inputs_of(self._model)
        by_name = {tensor.name: tensor for tensor in declared}
        if isinstance(feed.inputs, Mapping) and by_name.keys() == {*names}:
            declared = [by_name[name] for name in names]
        if len(declared) == len(arrays):
            pairs = zip(arrays, declared, strict=True)
            return [(len(array), *tensor.shape[1:]) for array, tensor in pairs]
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
            status = messages.STATUS_OF_STAGE[stage]
            raise LostError(why_unserved(error, self._model), status) from error
        seconds.append(time.perf_counter() - started)


def served(
    engine: Engine, model: Any, setting: Setting, begin: Begin, *, is_first: bool
) -> Compiled:
    """Return a model as a setting serves it."""
    if setting.is_exported:
        return Exported(model, setting, begin, is_first=is_first)
    return ServedByKeras(engine, engine.compile(model, setting, training=False))


def _refuse_unable(model: Any, runtime: Runtime) -> None:
    """Raise LostError if this interpreter, perhaps another machine's, or the model is unfit.

    What the runtime needs is imported, so that no clock has that. OpenVINO would tell its makers of
    each conversion, if it found the package that does.
    """
    pairs = zip(runtime.modules, runtime.packages, strict=True)
    if missing := " ".join(name for module, name in pairs if not importlib.util.find_spec(module)):
        why = f"{sys.executable} lacks {missing} for {runtime}; install it there with: pip install "
        raise LostError(f"{why}{missing}", Status.UNAVAILABLE)
    if [*map(int, keras.__version__.split(".")[:2])] < _OLDEST_KERAS:
        why = f"expected Keras 3.15 or newer to export for {runtime}, received {keras.__version__}"
        raise LostError(f"{why}; pip install 'keras>=3.15,<4'", Status.UNAVAILABLE)
    dtypes = {str(part.compute_dtype) for part in parts_of(model)} - {"float32"}
    if floats := sorted(dtype for dtype in dtypes if "float" in dtype):
        why = f"a layer computes in {' and '.join(floats)}, and {runtime} is held to float32"
        raise LostError(f"{why}; export a model of float32", Status.REFUSED)
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    for name in runtime.modules:
        importlib.import_module(name)
    if runtime is Runtime.LITERT:
        importlib.import_module("ai_edge_litert.interpreter")


def input_names(nest: Any) -> list[str]:
    """Return the names of inputs in the order in which Keras flattens them."""
    if isinstance(nest, Mapping) and not any(map(keras.tree.is_nested, nest.values())):
        return sorted(nest)
    return [f"input_{number}" for number, _ in enumerate(keras.tree.flatten(nest), 1)]


def why_unserved(error: Exception, model: Any = None) -> str:
    """Return the reason of a tool in one line, and the remedy, which the model's layers tell."""
    text = " ".join(str(error).split())
    found = next(filter(None, (pattern.search(text) for pattern in _REASONS)), None)
    named = found.groupdict() if found else {}
    told = named.get("why") or (found[0] if found else one_line(error))
    told = _NODE.sub("\N{HORIZONTAL ELLIPSIS}/", told.strip().rstrip("."))
    if node := named.get("node"):
        return f"{told} that this interpreter lacks ({node}); {_FLEX}"
    parts = parts_of(model) if "TensorList" in told else ()
    if any(isinstance(part, keras.layers.RNN) and not part.unroll for part in parts):
        return f"{told}; {_OTHER_WAY}, or a recurrent layer with unroll=True"
    return f"{told}; {_OTHER_WAY}"


def _described(loaded: "Loaded") -> tuple[Counter[str] | None, int | None]:
    """Return how many operations of each kind an artefact has, and the largest rank of a tensor.

    Both are None if the tool that reads them fails, since the artefact runs.
    """
    try:
        kinds, ranks = loaded.describe()
        return Counter(kinds), max(ranks, default=None)
    except Exception:  # noqa: BLE001 - any tool may raise anything
        traceback.print_exc()
        return None, None


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
    """A loaded artefact: what runs it, and what describes it while its file is there.

    That is the kind of each operation and the rank of each tensor.
    """

    run: Run
    describe: Callable[[], tuple[Iterable[str], Iterable[int]]]


def _load_saved_model(artefact: Artefact) -> Loaded:
    import tensorflow as tf  # noqa: PLC0415 - each is imported where it is asked for

    serve, names = tf.saved_model.load(artefact.path).signatures["serving_default"], artefact.names
    outputs = _in_order(serve.structured_outputs)

    def run(arrays: Sequence[Array]) -> list[Array]:
        named = {name: tf.constant(each) for name, each in zip(names, arrays, strict=True)}
        returned = serve(**named)
        return [returned[name].numpy() for name in outputs]

    def describe() -> tuple[Iterable[str], Iterable[int]]:
        graph = serve.graph.as_graph_def(add_shapes=True)
        nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
        shapes = (shape for node in nodes for shape in node.attr["_output_shapes"].list.shape)
        known = [len(shape.dim) for shape in shapes if not shape.unknown_rank]
        return [node.op for node in nodes], known

    return Loaded(run, describe)


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

    def graphs(graph: Any) -> Iterator[Any]:
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                yield from graphs(attribute.g)

    def describe() -> tuple[Iterable[str], Iterable[int]]:
        model = onnx.shape_inference.infer_shapes(onnx.load(artefact.path))
        own = [*graphs(model.graph)]
        infos = (info for one in own for info in (*one.value_info, *one.input, *one.output))
        ranks = [len(info.type.tensor_type.shape.dim) for info in infos]
        return [node.op_type for one in own for node in one.node], ranks

    return Loaded(run, describe)


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

    def made(body: Any) -> Iterator[Any]:
        for each in body.get_ordered_ops():
            if each.get_type_name() not in _NO_WORK:
                yield each
            if each.get_type_name() in _LOOPS:
                yield from made(each.get_function())

    def describe() -> tuple[Iterable[str], Iterable[int]]:
        own = [*made(model)]
        shapes = (one.get_partial_shape() for each in own for one in each.outputs())
        ranks = [shape.rank.get_length() for shape in shapes if shape.rank.is_static]
        return [each.get_type_name() for each in own], ranks

    return Loaded(run, describe)


#: Nodes of OpenVINO that compute nothing.
_NO_WORK = {"Parameter", "Constant", "Result"}
_LOOPS = {"Loop", "TensorIterator"}


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

    def describe() -> tuple[Iterable[str], Iterable[int]]:
        text = _analysed(path)
        shapes = re.findall(r"shape:\[([^\]]*)\]", text)
        ranks = [len(shape.split(",")) if shape.strip() else 0 for shape in shapes]
        return re.findall(r"^\s*Op#\d+ (\w+)\(", text, re.MULTILINE), ranks

    return Loaded(run, describe)


def _analysed(path: str) -> str:
    """Return what TensorFlow's analyser prints of a LiteRT model: each operation and tensor."""
    import tensorflow as tf  # noqa: PLC0415

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tf.lite.experimental.Analyzer.analyze(model_path=path)
    return printed.getvalue()


def _in_order(outputs: Iterable[str]) -> list[str]:
    """Return names of outputs in the order in which Keras flattens them: by number, or by key."""
    names, numbered = sorted(outputs), re.compile(r"output_(\d+)")
    numbers = [found[1] for found in map(numbered.fullmatch, names) if found]
    if len(numbers) < len(names):
        return names
    return [f"output_{number}" for number in sorted(map(int, numbers))]


_LOADERS: Mapping[Runtime, Callable[[Artefact], Loaded]] = {
    Runtime.SAVED_MODEL: _load_saved_model,
    Runtime.ONNXRUNTIME: _load_onnx,
    Runtime.OPENVINO: _load_openvino,
    Runtime.LITERT: _load_litert,
}
