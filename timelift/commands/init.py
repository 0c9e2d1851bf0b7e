"""`timelift init`: the files with which a project measures its own layer."""

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from timelift.commands import Options, write_lines
from timelift.commands.bench import with_pythonpath
from timelift.errors import UserError, writing
from timelift.inner_layer import Factory, LayerInputs
from timelift.journal.files import replace_file
from timelift.measure.backends import usual_backend
from timelift.measure.options import option_named
from timelift.measure.users_layer import user_workload
from timelift.project import Project

TEMPLATES = Path(__file__).parent / "templates"
_WORKLOAD, _WORKFLOW = "workloads/mine.py", ".github/workflows/timelift.yml"
#: The template of each file, by its path in the project.
_FILES = {
    "bench/test_lift.py": "question.txt",
    _WORKLOAD: "workload.txt",
    _WORKFLOW: "workflow.yml",
    ".github/workflows/timelift-comment.yml": "comment.yml",
}
#: Without a layer these are left for the user to fill in; the catalogue refuses the ellipsis.
_BLANKS = {
    "inputs": "FEATURES = ...  # fill in the shape of one step, like (96, 96, 3)",
    "title": "a layer of this project",
    "imports": "import keras",
    "make_layer": 'raise NotImplementedError("fill in: return your layer")',
}
#: What the user has to add, since it belongs into files that exist already.
_TO_ADD = """\
  its TIMELIFT needs an address until timelift is on PyPI
add to pytest's addopts    -p timelift.plugin, so that pytest bench/ measures
add to pytest's testpaths  your tests' folder, so that a plain pytest does not
add to .gitignore          results/"""


def init(options: Options, project: Project) -> int:
    """Write a question about your layer, and a CI workflow, into this project.

    Example: timelift init --layer mypkg.models:make_encoder

    files:
      bench/test_lift.py                      the question: which cases to measure
      workloads/mine.py                       the layer, its inputs, and sizes
      .github/workflows/timelift.yml          fails what makes a case slower
      .github/workflows/timelift-comment.yml  shows its answer on the pull request

    Nothing is overwritten: where one of them exists, none is written.
    """
    if project.is_timelift:
        raise UserError(
            "expected a project of yours, received timelift's own checkout, "
            f"{str(project.root.resolve())!r}; type it in your project's folder"
        )
    if options.inputs and not options.layer:
        raise UserError("--inputs: expected --layer, which takes them, received none")
    if existing := [name for name in _FILES if os.path.lexists(project.root / name)]:
        raise UserError(
            f"expected none of these files in {str(project.root.resolve())!r}, found "
            f"{', '.join(existing)}; nothing was written: move them away first"
        )
    texts = {name: (TEMPLATES / source).read_text("utf-8") for name, source in _FILES.items()}
    texts[_WORKFLOW] = texts[_WORKFLOW].replace("[tensorflow]", f"[{usual_backend()[0]}]")
    blanks = _filled_in(options.layer, options.inputs, project) if options.layer else _BLANKS
    texts[_WORKLOAD] = Template(texts[_WORKLOAD]).substitute(blanks)
    _write({project.root / name: text for name, text in texts.items()}, project.root)
    write_lines(_next_steps(project, is_filled_in=bool(options.layer)))
    return 0


def init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layer",
        default="",
        metavar="MODULE:NAME",
        help="what makes your layer, or is it, like mypkg.models:make_encoder (default: none)",
    )
    option_named("inputs").add_to(parser.add_argument)


def _filled_in(layer: str, inputs: str, project: Project) -> dict[str, str]:
    """Return a workload's blanks for a layer; UserError where its module or inputs are unknown."""
    factory = Factory.of(layer)
    if factory.lift or factory.where.endswith(".py"):
        raise UserError(
            "--layer: expected module:name, like mypkg.models:make_encoder, since a file imports "
            f"it; received {layer!r}"
        )
    (backend, _), folders = usual_backend(), with_pythonpath(project).import_folders
    typed_inputs = option_named("inputs").value(inputs)
    layer_inputs = user_workload(layer, typed_inputs, backend, folders).inputs
    module, name = factory.where, factory.name
    only = layer_inputs.tensors[0]
    is_plain = layer_inputs == LayerInputs.of_one(only.shape)
    return {
        "inputs": f"FEATURES = {only.shape}" if is_plain else f'INPUTS = "{layer_inputs}"',
        "title": f"{name} of {module}",
        "imports": f"import keras\n\nfrom {module} import {name}",
        "make_layer": f"return {name} if isinstance({name}, keras.Layer) else {name}()",
    }


def _write(texts: Mapping[Path, str], root: Path) -> None:
    """Write all files, or none and raise UserError if one cannot be written."""
    created: list[Path] = []
    try:
        for path, text in texts.items():
            created += [path, *(folder for folder in path.parents if not os.path.lexists(folder))]
            with writing(path, "nothing was written: mend that, and type it again"):
                replace_file(path, text, root)
    except UserError:
        for path in sorted(created, reverse=True):  # what a folder holds before the folder
            with contextlib.suppress(OSError):  # it was not made
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _next_steps(project: Project, *, is_filled_in: bool) -> Iterator[str]:
    """Yield what was written and where, what to add, and what to type next."""
    yield f"in {project.root.resolve()}"
    yield from (f"  wrote {name}" for name in _FILES)
    yield from ("", f"the workflow is for {usual_backend()[1]}", _TO_ADD)
    todo = "" if is_filled_in else f"fill in FEATURES and make_layer in {_WORKLOAD}, and "
    yield from (f"next, {todo}type:", "  timelift bench")
