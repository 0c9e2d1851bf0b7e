"""The journal: one JSON object a line, appended and flushed while a run goes on.

    {"kind": "run", "schema": 1, "id": ..., "started": ISO 8601 UTC, ...}: a `Header`
    {"kind": "launch", "launch": 1.., "rivals": how many such lines were written together,
     "case": {strategy and axes}, "status": ..., "reason": str, "median_seconds_per_call": float,
     "seconds_per_call": [float | null, one per round], "calls_per_sample": int,
     "facts": {...}}: a `CaseInLaunch` with its `Facts`
    {"kind": "end", "ended": ISO 8601 UTC, "exit": ...}: an `End`

A `launch` line is one case in one launch, so a kill costs the launch that was going on and nothing
before it; a measurement is all `launch` lines of its case. What is unknown is left out.

The schema is one number for all that would be misread by a timelift that does not know it. A field
that is new changes none: `median_seconds_per_call` follows from the samples, and older timelifts
pass over it. So journals with and without any newer field are read by one reader.
"""

from timelift.journal.facts import (
    EXACT_FACTS,
    FACT_RULES,
    SHOWN_FACTS,
    WAITED_FACTS,
    Facts,
    merge_fact,
)
from timelift.journal.files import (
    AGAINST_FOLDER,
    COPIES_FOLDERS,
    SELFTEST_FOLDER,
    PlayedSettings,
    ResumedRun,
    commit_of,
    find,
    find_run,
    read_header,
    read_resumed_run,
    runs_of_machine,
    runs_under,
)
from timelift.journal.lines import (
    IGNORED_PART,
    SCHEMA,
    Against,
    CaseInLaunch,
    Commit,
    End,
    Header,
    Line,
    Machine,
    OtherSideOf,
    Planted,
    Quantity,
    RunEnd,
    StrategyEntry,
    measured_case,
    object_or_empty,
    parse_time,
    short_commit,
    utc_now,
)
from timelift.journal.machines import (
    Difference,
    Identity,
    differences,
    drift_differences,
    flattened,
    identity_differences,
    identity_of,
)
from timelift.journal.reading import (
    ExactFacts,
    MedianInLaunch,
    NumberedLine,
    OtherSchemaError,
    read_lines,
    read_medians,
)
from timelift.journal.writing import Journal, replace_text

__all__ = [
    "AGAINST_FOLDER",
    "COPIES_FOLDERS",
    "EXACT_FACTS",
    "FACT_RULES",
    "IGNORED_PART",
    "SCHEMA",
    "SELFTEST_FOLDER",
    "SHOWN_FACTS",
    "WAITED_FACTS",
    "Against",
    "CaseInLaunch",
    "Commit",
    "Difference",
    "End",
    "ExactFacts",
    "Facts",
    "Header",
    "Identity",
    "Journal",
    "Line",
    "Machine",
    "MedianInLaunch",
    "NumberedLine",
    "OtherSchemaError",
    "OtherSideOf",
    "Planted",
    "PlayedSettings",
    "Quantity",
    "ResumedRun",
    "RunEnd",
    "StrategyEntry",
    "commit_of",
    "differences",
    "drift_differences",
    "find",
    "find_run",
    "flattened",
    "identity_differences",
    "identity_of",
    "measured_case",
    "merge_fact",
    "object_or_empty",
    "parse_time",
    "read_header",
    "read_lines",
    "read_medians",
    "read_resumed_run",
    "replace_text",
    "runs_of_machine",
    "runs_under",
    "short_commit",
    "utc_now",
]
