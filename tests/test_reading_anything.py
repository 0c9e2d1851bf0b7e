"""Whatever the bytes of a file are, reading it gives a run or a sentence, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import journals
from timelift.errors import UserError
from timelift.read import results
from timelift.read.measurement import Run

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(content=st.binary(max_size=300))
def test_any_bytes_give_a_run_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    """No bytes raise anything but UserError."""
    _run_or_sentence(tmp_path / "any", content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


CASE = journals.case()
FIELDS = st.sampled_from(sorted({*journals.line(CASE), *journals.header(), *CASE.fields()}))


@FUZZ
@given(changes=st.dictionaries(FIELDS, JSON, max_size=4), inner=st.booleans())
def test_any_change_of_a_record_gives_a_run_or_a_sentence(
    tmp_path: Path, changes: dict[str, Any], *, inner: bool
) -> None:
    """Fields of the wrong type, anywhere, in header and record."""
    fields = CASE.fields() | changes if inner else CASE.fields()
    line = journals.line(CASE, case=fields) | ({} if inner else changes)
    header = journals.header() | ({} if inner else changes | {"kind": "run"})
    content = f"{json.dumps(header)}\n{json.dumps(line)}\n{json.dumps(journals.line(CASE, 2))}\n"
    _run_or_sentence(tmp_path / "changed", content.encode())


@FUZZ
@given(changes=st.dictionaries(st.sampled_from(["stats", "params", "name", "group"]), JSON))
def test_any_change_of_a_foreign_benchmark_gives_a_run_or_a_sentence(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The same for the JSON of pytest-benchmark."""
    content = json.dumps(journals.foreign(journals.benchmark() | changes))
    _run_or_sentence(tmp_path / "foreign", content.encode())


def _run_or_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        run = results.load(path)
    except UserError:
        return
    assert isinstance(run, Run)
    times = results.frame(run)["seconds_per_call"].dropna()
    assert (times > 0).all()
    assert np.isfinite(times).all()
