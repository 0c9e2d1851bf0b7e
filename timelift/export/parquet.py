"""Parquet: one tidy row per case, launch and round, as `timelift.read.results.frame` gives them.

Source: https://parquet.apache.org/docs/ by way of https://arrow.apache.org/docs/python/parquet.html
"""

import dataclasses
import importlib.util
import io

from timelift.case import Case
from timelift.errors import UserError
from timelift.read import results
from timelift.read.measurement import Run


def export(run: Run) -> bytes:
    """Write every round; raises UserError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "expected pyarrow for Parquet, which is not installed; "
            "install it with: python -m pip install 'pyarrow>=22'"
        )
    file = io.BytesIO()
    results.frame(_in_utf8(run)).to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


def _in_utf8(run: Run) -> Run:
    """Replace what no UTF-8 can hold in names; JSON can escape it, Parquet cannot."""
    measurements = [dataclasses.replace(one, case=_case(one.case)) for one in run.measurements]
    return dataclasses.replace(run, measurements=tuple(measurements))


def _case(case: Case) -> Case:
    fields = case.fields()
    texts = {name: _text(fields[name]) for name in ("strategy", "workload", "device")}
    return Case.from_fields(fields | texts)


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
