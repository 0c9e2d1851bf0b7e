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

from timelift.journal.brief import medians
from timelift.journal.facts import ABOUT, EXACT, KEPT, SHOWN, WAITED, Facts, merged
from timelift.journal.finding import (
    AGAINST_FOLDER,
    APART,
    BASELINE_FOLDER,
    SELFTEST_FOLDER,
    TWINS_FOLDERS,
    find,
    find_run,
    latest,
    of_same_machine,
    runs_and_baselines,
    runs_under,
    started,
)
from timelift.journal.going_on import Past, Played, read_past
from timelift.journal.lines import (
    QUANTITIES,
    SCHEMA,
    Against,
    CaseInLaunch,
    Commit,
    End,
    Header,
    Line,
    Machine,
    StrategyEntry,
    as_object,
    measured,
    moment,
    utc_now,
)
from timelift.journal.machines import (
    Difference,
    Identity,
    differences,
    drift_differences,
    flat,
    identity_differences,
    identity_of,
)
from timelift.journal.reading import (
    BAD_RECORD,
    LONGEST_SECONDS,
    Damage,
    OtherSchemaError,
    Place,
    case_from,
    case_in_launch_from,
    head_of,
    header_from,
    header_of,
    is_closed,
    lenient,
    parse_object,
    places,
    read_line,
    samples,
    whole,
)
from timelift.journal.writing import Journal, as_text, replace_text, write_whole, written

__all__ = [
    "ABOUT",
    "AGAINST_FOLDER",
    "APART",
    "BAD_RECORD",
    "BASELINE_FOLDER",
    "EXACT",
    "KEPT",
    "LONGEST_SECONDS",
    "QUANTITIES",
    "SCHEMA",
    "SELFTEST_FOLDER",
    "SHOWN",
    "TWINS_FOLDERS",
    "WAITED",
    "Against",
    "CaseInLaunch",
    "Commit",
    "Damage",
    "Difference",
    "End",
    "Facts",
    "Header",
    "Identity",
    "Journal",
    "Line",
    "Machine",
    "OtherSchemaError",
    "Past",
    "Place",
    "Played",
    "StrategyEntry",
    "as_object",
    "as_text",
    "case_from",
    "case_in_launch_from",
    "differences",
    "drift_differences",
    "find",
    "find_run",
    "flat",
    "head_of",
    "header_from",
    "header_of",
    "identity_differences",
    "identity_of",
    "is_closed",
    "latest",
    "lenient",
    "measured",
    "medians",
    "merged",
    "moment",
    "of_same_machine",
    "parse_object",
    "places",
    "read_line",
    "read_past",
    "replace_text",
    "runs_and_baselines",
    "runs_under",
    "samples",
    "started",
    "utc_now",
    "whole",
    "write_whole",
    "written",
]
