"""The journal: one JSON object a line, appended and flushed while a run goes on.

    {"kind": "run", "schema": 1, "id": ..., "started": ISO 8601 UTC, ...}: a `Header`
    {"kind": "launch", "launch": 1.., "rivals": how many such lines were written together,
     "mark": the machine's, "case": {strategy and axes}, "status": ..., "reason": str,
     "median_seconds_per_call": float,
     "seconds_per_call": [float | null, one per round], "bursts": [rounds in a row],
     "calls_per_sample": int, "facts": {...}}: a `timelift.measurement.CaseInLaunch`
    {"kind": "end", "ended": ISO 8601 UTC, "exit": ...}: an `End`

A `launch` line is one case in one launch, so a kill costs the settings of a launch that are built
and have not played all their bursts, and nothing before them; a measurement is all `launch` lines
of its case. What is unknown is left out.

The schema is one number for all that would be misread by a timelift that does not know it. A field
that is new changes none: `median_seconds_per_call` follows from the samples, and older timelifts
pass over it. So journals with and without any newer field are read by one reader.
"""
