"""A run in the formats of other tools: one module a format, each with its source.

A module has `export(found) -> bytes`. Names are anyone's: where a format is data they stay as they
are, and where it is read by a spreadsheet or shown by a tool they are escaped for it.
"""

#: The formats, each with the module that writes it.
FORMATS = {
    "pytest-benchmark": "pytest_benchmark",
    "github-action-benchmark": "github_action",
    "bencher": "bencher",
    "parquet": "parquet",
    "csv": "measurements",
}
#: Formats that are not text, so that no terminal should see them.
BINARY = frozenset({"parquet"})
