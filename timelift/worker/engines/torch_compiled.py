"""A Keras model as a call of PyTorch, differentiated by autograd and compiled by inductor."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._inductor import cpu_vec_isa
from torch._inductor.compile_fx import compile_fx

from timelift.case import Gradients, Mode, Phase, Setting, TimeAxis
from timelift.worker.engines import Feed, UnavailableError


class TorchCompiled:
    """One model in one phase and mode; counts the graphs that are handed to the compiler.

    A model whose Python cannot be captured whole becomes several graphs with Python between them:
    `traces` is the number of graphs, and `nodes` that of the nodes in all of them.
    """

    def __init__(self, model: Any, setting: Setting, *, training: bool) -> None:
        self.traces = 0
        self.nodes: int | None = None
        self._model, self._setting = model, setting
        self._function = self._wrapped(_outputs_of(model, training))

    def _wrapped(self, body: Callable[..., Any]) -> Any:
        if self._setting.mode is Mode.EAGER:
            return body
        varies = self._setting.time_axis is TimeAxis.DYNAMIC
        return torch.compile(
            body,
            backend=self._compile,
            isolate_recompiles=True,
            dynamic=None if varies else False,  # or the parts of one model share their shapes
        )

    def _compile(self, graph: Any, examples: Sequence[Any]) -> Any:
        self.traces += 1
        self.nodes = (self.nodes or 0) + len(graph.graph.nodes)
        return compile_fx(graph, examples)

    def trace(self, feed: Feed) -> None:
        """Do nothing: PyTorch traces while it runs, and `nodes` is known after the first call."""

    def bind(self, feed: Feed) -> Callable[[], Any]:
        inputs = feed.inputs.detach()
        if self._setting.time_axis is TimeAxis.DYNAMIC and self._setting.mode is Mode.GRAPH:
            _let_time_vary(inputs, feed.mask)
        if feed.cotangent is None:
            return functools.partial(_forward, self._function, inputs, feed.mask)
        sources = [weight.value for weight in self._model.trainable_weights]
        if self._setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            sources = [inputs.requires_grad_(), *sources]
        arguments = inputs, feed.mask, feed.cotangent
        return functools.partial(_backward, self._function, sources, *arguments)


def _outputs_of(model: Any, training: bool) -> Callable[..., Any]:  # noqa: FBT001
    def outputs(inputs: Any, mask: Any) -> Any:
        return model(inputs, training=training, mask=mask)

    return outputs


def _forward(outputs: Callable[..., Any], inputs: Any, mask: Any) -> Any:
    with torch.no_grad():
        return outputs(inputs, mask)


def _backward(
    outputs_of: Callable[..., Any], sources: Sequence[Any], inputs: Any, mask: Any, cotangent: Any
) -> Any:
    """Weigh the outputs outside the compiled part, as a training loop computes its loss."""
    outputs = outputs_of(inputs, mask)
    if outputs.shape != cotangent.shape:  # or they would broadcast
        shapes = tuple(outputs.shape), tuple(cotangent.shape)
        raise ValueError(f"Shapes {shapes[0]} and {shapes[1]} are incompatible")
    loss = (outputs * cotangent).sum()
    return loss, torch.autograd.grad(loss, sources, allow_unused=True) if sources else ()


def _let_time_vary(*tensors: Any) -> None:
    """Forbid the compiler to specialise on the length; it raises where a model does."""
    for tensor in tensors:
        if tensor is not None:
            torch._dynamo.mark_dynamic(tensor, 1)  # noqa: SLF001 - PyTorch documents it so


def prepare_compiler(device: Any, phase: Phase) -> None:
    """Compile something tiny, and its gradient; raises UnavailableError where that fails.

    So no rival pays for what the first compilation of a process or of a machine costs: imports,
    and finding out what vectors the processor and the C++ compiler have, which is kept on disk.
    """
    try:
        if device.type == "cpu":
            cpu_vec_isa.pick_vec_isa()
        tiny = torch.ones(2, device=device, requires_grad=phase is Phase.BACKWARD)
        found = torch.compile(lambda x: x.tanh() + 1, backend=compile_fx)(tiny)
        if tiny.requires_grad:
            found.sum().backward()
    except Exception as error:
        raise UnavailableError(
            f"torch.compile does not work here: {_cause(error)}; it needs a C++ compiler and "
            "Python's headers, on Debian: apt-get install g++ python3-dev"
        ) from error


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said[:200]}"
