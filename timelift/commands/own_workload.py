"""What `timelift init` writes into the blanks of a workload: the layer, and what its inputs are."""

from dataclasses import dataclass, field

from timelift.commands.named_layer import NamedLayer, find_layer
from timelift.errors import UserError
from timelift.measure.devices import usual_backend
from timelift.measure.layer_probe import ask_layer
from timelift.measure.options import option_named
from timelift.project import Project

#: What marks a blank that is left to the user; the catalogue refuses the value before it.
_TO_FILL_IN = "fill in"
#: The blanks of the template that may be left to the user, by what the user sees of them.
_SEEN = {"FEATURES": "FEATURES", "INPUT_HIGH": "inputs", "make_layer": "make_layer"}


@dataclass
class Blanks:
    """The texts of the blanks, and why the shape of a step is not among them, if it was asked."""

    written: dict[str, str] = field(
        default_factory=lambda: {
            "FEATURES": f"...  # {_TO_FILL_IN} the shape of one step, like (96, 96, 3)",
            "inputs": "",
            "title": "a layer of this project",
            "imports": "import keras",
            "make_layer": f'raise NotImplementedError("{_TO_FILL_IN}: return your layer")',
        }
    )
    unknown_because: str = ""

    @property
    def unfilled(self) -> list[str]:
        return [name for name, blank in _SEEN.items() if _TO_FILL_IN in self.written[blank]]


def blanks_of(layer: str, inputs: str, project: Project) -> Blanks:
    """Return the blanks of a layer, `module:name`, and its inputs; either may be an empty text."""
    blanks = Blanks()
    given = option_named("inputs").value(inputs)
    if given:
        blanks.written |= _of_inputs([*given.features], given.dtype, given.high)
    if not layer:
        return blanks
    named = find_layer(layer, project)
    blanks.written |= _of_layer(named)
    if not given:
        try:
            told = ask_layer(
                f"{named.module}:{named.name}", usual_backend(), project.import_folders
            )
            blanks.written |= _of_inputs(**told)
        except UserError as error:
            blanks.unknown_because = str(error)
    return blanks


def _of_layer(layer: NamedLayer) -> dict[str, str]:
    made = f"{layer.name}()"
    if not layer.makes:
        made = f"{layer.name} if isinstance({layer.name}, keras.Layer) else {made}"
    first = "" if layer.makes else "import keras\n\n"
    return {
        "title": f"{layer.name} of {layer.module}",
        "imports": f"{first}from {layer.module} import {layer.name}",
        "make_layer": f"return {made}",
    }


def _of_inputs(features: list[int] | None, input_dtype: str, input_high: int) -> dict[str, str]:
    found = {}
    if features:
        found["FEATURES"] = repr(tuple(features))
    if input_dtype:
        high = input_high or f"...  # {_TO_FILL_IN} the number that inputs lie below"
        found["inputs"] = f'INPUT_DTYPE = "{input_dtype}"\nINPUT_HIGH = {high}\n'
    return found
