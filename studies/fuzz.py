"""Hand the readers thousands of files from anywhere: `python -m studies.fuzz --examples 20000`.

Every example is one file, made by hypothesis, that goes through the reader's commands in this
process: tables, verdicts, choose, compare, exports, baseline, history, the page and its figures.
Then a real journal and a real file of pytest-benchmark are cut at every byte. What must never
happen is counted; exit code 1 where anything did, and the file that did it is kept in --keep.
"""

import argparse
import collections
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from studies import answer, parser, positive, write
from studies.scoreboard import Column, Scoreboard
from tests import cut, foreign_files
from tests.watched import KINDS, Readers

#: Examples that are made at a time, each time from another seed.
_CHUNK, QUICK_EXAMPLES = 250, 60
HANDED = Scoreboard((Column("handed over"), Column("files", ",.0f")))
HARM = Scoreboard((Column("what must not happen"), Column("found", ",", most=0)))
Harm = list[tuple[str, str, bytes]]


def main(words: Sequence[str] | None = None) -> int:
    options = parser("fuzz", __doc__)
    options.add_argument("--examples", type=positive, default=20_000, metavar="N")
    options.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)"
    )
    options.add_argument("--seconds", type=float, default=3600, help="begin nothing after so many")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where harmful files are kept")
    options.add_argument("--no-cuts", action="store_true", help="leave out the cut files")
    return answer(options, words, _run)


def _run(asked: argparse.Namespace) -> int:
    if asked.quick:
        asked.examples, asked.no_cuts = QUICK_EXAMPLES, True
    begun = time.monotonic()
    done, harm = _all(asked)
    counts = collections.Counter(kind for kind, _, _ in harm)
    HANDED.show([*done.items(), ("seconds", time.monotonic() - begun)])
    write("")
    wrong = HARM.show([(kind, counts[kind]) for kind in KINDS])
    _show(harm, asked.keep)
    return wrong


def _all(asked: argparse.Namespace) -> tuple[dict[str, int], Harm]:
    starts = range(0, asked.examples, _CHUNK)
    chunks = [(asked.seed + at, min(_CHUNK, asked.examples - at)) for at in starts]
    harm: Harm = []
    done = {"examples": 0}
    ends = time.monotonic() + asked.seconds
    with ProcessPoolExecutor(asked.jobs) as pool:
        for count, some in pool.map(_chunk, chunks):
            done["examples"] += count
            harm += some
            sys.stderr.write(f"\r{done['examples']:,} examples, {len(harm)} harms ")
            sys.stderr.flush()
            if time.monotonic() > ends:
                pool.shutdown(cancel_futures=True)
                break
    sys.stderr.write("\n")
    for name, count, some in () if asked.no_cuts else cut.everywhere():
        done[name] = count
        harm += [(kind, what, b"") for kind, what in some]
    return done, harm


def _chunk(what: tuple[int, int]) -> tuple[int, Harm]:
    first, count = what
    harm: Harm = []
    with tempfile.TemporaryDirectory(prefix="timelift-fuzz-") as folder:
        readers = Readers(Path(folder))
        played = 0

        @seed(first)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(data=foreign_files.files)
        def play(data: bytes) -> None:
            nonlocal played
            played += 1
            harm.extend((kind, what, data) for kind, what in readers.read(data))

        play()
    return played, harm


def _name(kind: str, what: str) -> str:
    """Name a harm by its place, whatever the file was, so that the same one is printed once."""
    command, _, printed = what.partition(": ")
    if kind == "traceback":
        return "\n".join(printed.strip().splitlines()[-4:])
    return f"{command.partition(' ')[0]} {printed.partition(': ')[0][:30]}"


def _show(harm: Harm, keep: Path | None) -> None:
    """Print the last lines of each different harm once, and keep the smallest file that did it."""
    smallest_last = sorted(harm, key=lambda one: -len(one[2]))
    different = {_name(kind, what): (kind, what, data) for kind, what, data in smallest_last}
    for name, (kind, what, data) in different.items():
        write(f"\n{kind}: {name}\n  {what[-300:] if kind != 'traceback' else ''}")
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            path = keep / hashlib.sha256(name.encode()).hexdigest()[:8]
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(f"{kind}: {what}\n", encoding="utf-8")
            write(f"  {path}")


if __name__ == "__main__":
    sys.exit(main())
