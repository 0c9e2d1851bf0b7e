"""Names of cases for tools that know a case by one string."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from timelift.case import Case
from timelift.escape import plain


def unique_names(cases: Iterable[Case], limit: int | None = None) -> Iterator[str]:
    """Give every case a name on one line; labels that coincide are numbered, none is lost."""
    seen: Counter[str] = Counter()
    for case in cases:
        label = plain(case.label, limit)
        seen[label] += 1
        yield label if seen[label] == 1 else f"{label} ({seen[label]})"


def as_json(value: Any) -> bytes:
    """Write JSON that every reader accepts: no NaN, and unpaired surrogates escaped."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
