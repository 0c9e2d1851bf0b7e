"""Parquet: one tidy row per case, launch and round, as `analyse.runs.results.frame` has them.

Source: https://parquet.apache.org/docs/ by way of https://arrow.apache.org/docs/python/parquet.html
"""

import importlib.util
import io

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.results import frame
from timelift.errors import UserError


def export(found: RunFindings) -> bytes:
    """Write every round; raises UserError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "expected pyarrow for Parquet, which is not installed; "
            "install it with: python -m pip install 'pyarrow>=22'"
        )
    file = io.BytesIO()
    frame(found.run).to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()
