"""The faults that `studies.mutations` plants: slips that a person could make in a refactoring.

Each replaces a text that stands exactly once in its file, and is no syntax error. Beside it are the
tests that `make test` has for its room and that should see it, those that take seconds first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What is wrong, in a few words, and the text that makes it so; `tests` are files."""

    room: str
    what: str
    path: str
    right: str
    wrong: str
    tests: tuple[str, ...]

    def count(self, root: Path) -> int:
        """Return how often the right text stands in its file below `root`."""
        path = root / self.path
        return path.read_text(encoding="utf-8").count(self.right) if path.is_file() else 0

    def planted(self, root: Path) -> str:
        return (root / self.path).read_text(encoding="utf-8").replace(self.right, self.wrong)


#: What is wrong, the right text and the wrong one.
Slip = tuple[str, str, str]


def _faults(room: str, path: str, tests: str, *slips: Slip) -> Iterator[Fault]:
    """Yield faults of one file; `tests` are the names of the files of their tests."""
    files = tuple(f"tests/test_{name}.py" for name in tests.split())
    yield from (Fault(room, *slip[:1], path, *slip[1:], files) for slip in slips)


FAULTS = (
    # The ground -------------------------------------------------------------------------------
    *_faults(
        "ground",
        "timelift/escape.py",
        "escape",
        (
            "an unescaped name: HTML in Markdown",
            "html.escape(plain(text, limit), quote=False)",
            "plain(text, limit)",
        ),
        (
            "a formula behind white space",
            "shown.lstrip().startswith(_FORMULA)",
            "shown.startswith(_FORMULA)",
        ),
        (
            "a slug that keeps the dots of a path",
            'words.strip(f"-.{keep}")',
            'words.strip(f"-{keep}")',
        ),
    ),
    *_faults(
        "ground",
        "timelift/errors.py",
        "percent",
        (
            "a wrong unit: a percentage in thousandths",
            "(100 if signed else 1)",
            "(1000 if signed else 1)",
        ),
    ),
    *_faults(
        "ground",
        "timelift/cgroup.py",
        "cgroup",
        (
            "the loosest quota of a container's groups",
            "round(min(quotas), 2)",
            "round(max(quotas), 2)",
        ),
    ),
    *_faults(
        "ground",
        "timelift/canary.py",
        "machine",
        (
            "the jitter of the median beat",
            "times[(9 * len(times)) // 10]",
            "times[(5 * len(times)) // 10]",
        ),
    ),
    *_faults(
        "ground",
        "timelift/case.py",
        "grid",
        (
            "forward settings that differ in gradients",
            "if self.phase is Phase.FORWARD:",
            "if self.phase is Phase.FORWARD and self.gradients is Gradients.INPUTS_AND_WEIGHTS:",
        ),
    ),
    # Messages and rounds ----------------------------------------------------------------------
    *_faults(
        "rounds",
        "timelift/rounds.py",
        "rounds",
        (
            "an off-by-one in the least rounds",
            "few = kept < LEAST_ROUNDS",
            "few = kept <= LEAST_ROUNDS",
        ),
        (
            "a wrong unit: seconds per sample",
            "timed[player.name] = seconds / player.calls_per_sample",
            "timed[player.name] = seconds",
        ),
        (
            "a round that is kept although a rival retraced",
            "return None if retraced else timed",
            "return timed",
        ),
        (
            "a round that is kept with the clocks held down",
            "if timed is not None and not slowed:",
            "if timed is not None:",
        ),
        (
            "a wait that is not on the clock",
            "        self.wait(result)\n        return clock() - start",
            "        seconds = clock() - start\n        self.wait(result)\n        return seconds",
        ),
        (
            "rivals that always play in one order",
            "enumerate(dice.sample(pairs, len(pairs)))",
            "enumerate(pairs)",
        ),
        (
            "two sides of a pair that are not neighbours",
            "return sorted(shuffled, key=lambda player: place[player.pair or player.name])",
            "return shuffled",
        ),
        (
            "a cold first call on the clock",
            "            self.sample(self.priming_calls, clock)\n",
            "            pass\n",
        ),
    ),
    *_faults(
        "rounds",
        "timelift/messages.py",
        "launch",
        (
            "an order for another worker that is taken",
            "if fields.pop(address, None) != number:",
            "if fields.pop(address, None) is None:",
        ),
        (
            "a line that a strategy wrote is an error",
            "except (TypeError, ValueError):  #",
            "except KeyError:  #",
        ),
    ),
    # The journal ------------------------------------------------------------------------------
    *_faults(
        "journal",
        "timelift/journal/facts.py",
        "journal_lines",
        ("a wrong merge of a fact", "return max(numbers)", "return min(numbers)"),
        (
            "a first call that is merged by its median",
            (
                "    if merge is Merge.WAITED and min(numbers) > 0:\n"
                "        return statistics.geometric_mean(numbers)\n"
            ),
            "",
        ),
    ),
    *_faults(
        "journal",
        "timelift/journal/lines.py",
        "journal_lines",
        (
            "a median one place too high",
            "ordered[(count - 1) // 2] * ordered[count // 2]",
            "ordered[count // 2] * ordered[count // 2]",
        ),
    ),
    *_faults(
        "journal",
        "timelift/journal/writing.py",
        "journal_files",
        ("a dropped fsync", "            os.fsync(self._file.fileno())\n", ""),
        ("a resumed run that keeps a torn tail", "            self._file.truncate()\n", ""),
        (
            "a file that is written in place",
            '        draft.write_text(text, encoding="utf-8")\n        draft.replace(path)\n',
            '        path.write_text(text, encoding="utf-8")\n',
        ),
    ),
    *_faults(
        "journal",
        "timelift/journal/files.py",
        "journal_files",
        (
            "a resume that keeps half a setting",
            "len(group) >= (group[-1].rivals or 1):",
            "len(group) >= 1:",
        ),
        (
            "a resume that keeps a damaged measurement",
            "            raise place.error\n",
            "            continue\n",
        ),
        (
            "the latest run by its name",
            "key=lambda path: (start_time(path), path.name))",
            "key=lambda path: path.name)",
        ),
    ),
    *_faults(
        "journal",
        "timelift/journal/reading.py",
        "journal_lines",
        (
            "a stored median that is believed unchecked",
            "if not math.isclose(stored, right, rel_tol=1e-9):",
            "if not stored > 0:",
        ),
        (
            "damage that is swallowed",
            (
                "                damage.append(_damage_sentence(name, _expected_type(error), "
                "fields[one.name]))\n"
            ),
            "                continue\n",
        ),
    ),
    *_faults(
        "journal",
        "timelift/journal/machines.py",
        "compare_command",
        (
            "another machine that is taken for the same",
            "tuple(differences(flattened(old.identity), flattened(new.identity)))",
            "tuple(differences(flattened(old.identity), flattened(old.identity)))",
        ),
    ),
    # The coordinator --------------------------------------------------------------------------
    *_faults(
        "measure",
        "timelift/measure/locks.py",
        "locks",
        (
            "a lost lock: two runs side by side",
            "if lock_descriptor(descriptor, blocking=False):",
            "if lock_descriptor(descriptor, blocking=False) or not wait:",
        ),
        (
            "a launch that plays while another builds",
            "lambda: not (self._building or self._playing))",
            "lambda: not self._playing)",
        ),
        (
            "a launch that builds while another plays",
            "lambda: not (self._playing or self._waiting))",
            "lambda: not self._waiting)",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/campaign.py",
        "campaign",
        (
            "a resume that plays a case twice",
            (
                "                    self._add_to_results(self._played[slot.number, setting])\n"
                "                continue\n"
            ),
            "                    self._add_to_results(self._played[slot.number, setting])\n",
        ),
        (
            "first calls of launches that built side by side",
            "undisturbed = slot.alone or self.options.two_sided",
            "undisturbed = True",
        ),
        (
            "an off-by-one in --maxfail",
            "0 < self.options.stop_after <= len(failed)",
            "0 < self.options.stop_after < len(failed)",
        ),
        (
            "a failed rival that plays on",
            "chosen = [case for case in cases if self._is_open(case)]",
            "chosen = list(cases)",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/campaign_options.py",
        "campaign_options",
        (
            "a pair of launches across a decision point",
            "ends = first in decision_points or",
            "ends =",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/campaign_options.py",
        "campaign",
        (
            "no two launches left that build by themselves",
            "return 2 if self.fewest >= _UNDISTURBED else 0",
            "return 2",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/launch_pool.py",
        "launch_pool",
        (
            "a first launch that gives nothing up in time",
            "return self.at_once if self.number > 1 else 1",
            "return self.at_once",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/peaks.py",
        "peaks",
        (
            "peak memory of what the other interpreter built",
            "chosen = [one for one in rivals if one.in_other_python == in_other_python]",
            "chosen = rivals",
        ),
        (
            "a reader that is waited for in vain",
            "                reader.kill()\n",
            "                del reader\n",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/sides_gate.py",
        "sides_gate",
        (
            "another layer that is lifted by both sides",
            "            self._catalogue.base_workloads[workload.name] = other\n",
            "            self._catalogue.base_workloads[workload.name] = workload\n",
        ),
        (
            "a change that hides in the project's own imports",
            "return not _same_file(mine.path, theirs.path) or self._imports_ours(mine.path)",
            "return not _same_file(mine.path, theirs.path)",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/worker_state.py",
        "launch",
        (
            "a death that is charged at once, and to the first",
            "if found.death and (found.death.clear or spared):",
            "if found.death:",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/campaign.py",
        "bench_layers",
        (
            "a layer that cannot be made and is asked for at every size",
            "        if not none:\n            return\n        lost",
            "        if none or not none:\n            return\n        lost",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/campaign.py",
        "campaign bench",
        (
            "peak memory that is read in every launch",
            "return first or (self._beyond",
            "return True or (self._beyond",
        ),
        (
            "peaks of a trial that are not read",
            "self._doubtful_peaks = frozenset(case.setting for case in peaks)",
            "self._doubtful_peaks = frozenset()",
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/launch.py",
        "bench",
        (
            "colours in what a worker printed last",
            'without_codes(self._log.read().decode(errors="replace"))',
            'self._log.read().decode(errors="replace")',
        ),
    ),
    *_faults(
        "measure",
        "timelift/measure/option_texts.py",
        "grid",
        (
            "an option that is split inside its brackets",
            'if letter == "," and depth <= 0:',
            'if letter == ",":',
        ),
    ),
    # Inside a launch --------------------------------------------------------------------------
    *_faults(
        "law",
        "timelift/worker/layer.py",
        "own_layers",
        (
            "a layer of another dtype that is held to the setting's",
            "coarsest(computed_in(layer) or [setting.dtype], *device)",
            "coarsest([setting.dtype], *device)",
        ),
        (
            "gradients by float32 inputs that are held to float64",
            "coarsest([setting.dtype, *computed_in(layer)], *device)",
            "self.precision",
        ),
        ("a backward of nothing", "or layer.trainable_weights:", "or layer:"),
    ),
    *_faults(
        "worker",
        "timelift/worker/tolerance.py",
        "law_checker",
        (
            "a law tolerance ten times too wide",
            "DtypePrecision.FLOAT32: Tolerance(1e-5, 1e-4,",
            "DtypePrecision.FLOAT32: Tolerance(1e-4, 1e-3,",
        ),
        (
            "a leak ten thousand times too wide",
            "DtypePrecision.FLOAT64: Tolerance(1e-12, 1e-11, 1e-13,",
            "DtypePrecision.FLOAT64: Tolerance(1e-12, 1e-11, 1e-9,",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/law.py",
        "law_checker",
        (
            "NaN that agrees with anything",
            "    if worst <= allowed:",
            "    if not worst > allowed:",
        ),
        (
            "a gradient in padding that is not asked about",
            "others[:, expected.steps] = ~expected.valid[:, expected.steps]",
            "others[:, expected.steps] = False",
        ),
        (
            "a weight without gradient that is passed over",
            'raise LawBrokenError(f"has no gradient of weight {index}: it would never be trained")',
            "continue",
        ),
        (
            "gradients of weights that are one scale for all",
            "        scale = scale_of(values, least=LEAST_SHARE_OF_WEIGHTS * largest)",
            "        scale = scale_of(values, least=largest)",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/reference.py",
        "law_every_step",
        (
            "steps that are not asked about: every second",
            "for step in np.flatnonzero(self.valid.any(axis=0))]",
            "for step in np.flatnonzero(self.valid.any(axis=0))][::2]",
        ),
        (
            "a fold that is believed where it differs",
            "return bool(off.max() <= allowed)",
            "return bool(off.min() <= allowed)",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/checks.py",
        "law_every_step",
        (
            "a loss that is not asked for at every step",
            "        self._check_loss(result.loss, folded.cotangent, folded.steps)\n",
            "",
        ),
        (
            "a bisection that takes the wrong half",
            "steps[:half] if is_off(steps[:half]) else steps[half:]",
            "steps[half:] if is_off(steps[:half]) else steps[:half]",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/inputs.py",
        "inputs",
        (
            "a mask that is dropped",
            "mask = place(self.valid) if varying and not self.ragged else None",
            "mask = None",
        ),
        (
            "a batch without a sequence of full length",
            "    share[0] = 1.0\n",
            "",
        ),
        (
            "padding in the cotangent of a ragged rival",
            "place(cotangent[self.valid] if self.ragged else cotangent)",
            "place(cotangent)",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/prepare.py",
        "absolute_times",
        (
            "a stale first call: the clock is not read again",
            "        ended = time.perf_counter()\n",
            "        ended = traced\n",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/twins.py",
        "twins",
        (
            "a planted effect that goes the other way",
            "return play_sample(player, clock) * (1 + slower)",
            "return play_sample(player, clock) / (1 + slower)",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/system.py",
        "throttle machine",
        (
            "heat that is not looked at",
            "HELD_DOWN = 0x08 | 0x20 | 0x40 | 0x80",
            "HELD_DOWN = 0x08 | 0x80",
        ),
        (
            "a wrong unit: waits in microseconds",
            "return sum(waited) * 1e-9",
            "return sum(waited) * 1e-6",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/server.py",
        "bench_layers",
        (
            "a launch that leaves its processors",
            '        os.sched_setaffinity(0, map(int, cores.split(",")))\n',
            "        pass\n",
        ),
    ),
    *_faults(
        "worker",
        "timelift/worker/server.py",
        "survival",
        (
            "what a strategy started and nobody ends",
            "    _end_group(pid)\n    code",
            "    code",
        ),
    ),
    # Analysis: statistics ---------------------------------------------------------------------
    *_faults(
        "stats",
        "timelift/analyse/stats/verdicts.py",
        "verdicts",
        (
            "a wrong sign in a verdict",
            "np.where(estimates.effect < 0, Verdict.FASTER, Verdict.SLOWER)",
            "np.where(estimates.effect > 0, Verdict.FASTER, Verdict.SLOWER)",
        ),
        ("a verdict from too few launches", "MIN_LAUNCHES = 3", "MIN_LAUNCHES = 2"),
        (
            "swapped sides that keep their interval",
            "            low=-self.high,\n            high=-self.low,\n",
            "            low=-self.low,\n            high=-self.high,\n",
        ),
        (
            "p-values that are adjusted the wrong way round",
            "np.arange(len(members), 0, -1)",
            "np.arange(1, len(members) + 1)",
        ),
        (
            "a difference that contrary launches do not stop",
            "differs = guarded & sure & (size >= log_margin)",
            "differs = enough & sure & (size >= log_margin)",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/robust_mean.py",
        "effects",
        (
            "an off-by-one in the trimmed mean",
            "kept = (place >= cut) & (place < count - cut)",
            "kept = (place > cut) & (place < count - cut)",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/families.py",
        "estimates",
        (
            "pairs that tell each other of an error that they share",
            "total - of_rival[:, first] - of_rival[:, second] + values",
            "total - values",
        ),
        (
            "pairs that are taken for independent comparisons",
            "return 2 / rivals_in(families)",
            "return np.ones(len(rivals_in(families)))",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/shrink_variances.py",
        "estimates",
        (
            "a quiet pair that is taken for quiet because others are loud",
            "    if slopes[-1] > 0:\n",
            "    if slopes[-1] != 0:\n",
        ),
        (
            "a setting whose own noise is left out of its prior",
            "    if some.independent_comparisons < MIN_FOR_TREND:\n        return prior\n",
            "    return prior\n",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/lifts.py",
        "lifts",
        (
            "a look-alike that is recommended",
            "return [one for one in run.measurements if one.case.strategy not in others]",
            "return [one for one in run.measurements if others or one]",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/ranking.py",
        "ranking",
        (
            "ranks that count the slower rivals",
            "rank_low=1 + words.count(Verdict.SLOWER)",
            "rank_low=1 + words.count(Verdict.FASTER)",
        ),
        (
            "an interval whose ends are swapped",
            '"low": _exp(effect - below),',
            '"low": _exp(effect - above),',
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/stopping.py",
        "stopping",
        (
            "a look that spends what the next one has",
            "return np.asarray([0.0, *levels])[look]",
            "return np.asarray([*levels, levels[-1]])[look]",
        ),
        (
            "a twin that is no anchor of a self-test",
            "self._plan = Plan(by_verdict(precision), anchor=_untouched)",
            "self._plan = Plan(by_verdict(precision))",
        ),
        (
            "a price that forgets that any rival may be the best",
            "< level / others",
            "< level",
        ),
    ),
    *_faults(
        "stats",
        "timelift/analyse/stats/stopping.py",
        "until",
        (
            "a width that believes its own luck",
            "half_width = widening * estimates",
            "half_width = estimates",
        ),
    ),
    # Analysis: the gate -----------------------------------------------------------------------
    *_faults(
        "programs",
        "timelift/worker/programs/__init__.py",
        "programs engine_tensorflow",
        (
            "operands in any order",
            "sorted(inputs) if node.unordered else inputs",
            "sorted(inputs)",
        ),
        (
            "what is computed twice counts once",
            "sorted(found.values()),",
            "sorted(set(found.values())),",
        ),
        (
            "Python in a body that is overlooked",
            "node.kind in python or any(body.calls_python for body in node.bodies)",
            "node.kind in python",
        ),
        (
            "a constant that is in no digest",
            "(node.kind, node.label, [body.digest for body in node.bodies])",
            "(node.kind, [body.digest for body in node.bodies])",
        ),
    ),
    *_faults(
        "programs",
        "timelift/worker/equal_programs.py",
        "programs untimed_cases",
        (
            "a planted slow-down that is not timed",
            "if len(sides) == 2 and not planted:",
            "if len(sides) == 2:",
        ),
        (
            "what is traced again and not timed",
            "return before == [one.compiled.traces for one in sides]",
            "return True",
        ),
        (
            "an unknown program that equals another",
            "return one is not None and other is not None and one.is_same(other)",
            "return one is None or other is None or one.is_same(other)",
        ),
    ),
    *_faults(
        "gate",
        "timelift/analyse/gate/outcomes.py",
        "gate_outcomes",
        (
            "swapped sides",
            "        Sides(played[old], played[new])\n",
            "        Sides(played[new], played[old])\n",
        ),
        (
            "doubt that never fails a case",
            "(undecided_fails and is_undecided)",
            "(undecided_fails and not is_undecided)",
        ),
        (
            "a trial of what fails already",
            "            if not _is_broken(pair)\n",
            "            if pair\n",
        ),
        (
            "peaks of all suspects read again",
            "return self._doubtful(Quantity.MEMORY)",
            "return self.to_play()",
        ),
        (
            "a wrong unit: the floor of a first call in ms",
            '("first_call_seconds", 0.05)',
            '("first_call_seconds", 50)',
        ),
    ),
    *_faults(
        "gate",
        "timelift/analyse/gate/rule.py",
        "gate_rule",
        (
            "a suspect that is judged by its screening",
            "values[len(effects.effect) :], both)",
            "values[: len(effects.effect)], both)",
        ),
        (
            "a trial that may confirm the other side",
            "confirmed = suspected & same_side & differs",
            "confirmed = suspected & differs",
        ),
        (
            "a change that is ignored and counts",
            "same_side & differs & _is_beyond(second, rule.log_ignored)",
            "same_side & differs",
        ),
        (
            "an off-by-one in the screened launches",
            "np.asarray(numbers) <= rule.screening",
            "np.asarray(numbers) < rule.screening",
        ),
    ),
    # Analysis: runs ---------------------------------------------------------------------------
    *_faults(
        "runs",
        "timelift/analyse/runs/measurement.py",
        "provisional",
        (
            "a run that is interrupted and whose verdicts are final",
            "return not (self.complete or self.cut_short)",
            "return not (self.complete or self.ended)",
        ),
    ),
    *_faults(
        "runs",
        "timelift/analyse/runs/measurement.py",
        "results",
        (
            "a warning that is swallowed",
            (
                '            warnings.add(where, f"launch {record.launch} of '
                '{record.case.label} a second time")\n'
            ),
            "            continue\n",
        ),
        (
            "a crash that is forgotten where launches were good",
            "    return Measurement(case, end.status, launches, end.reason)",
            "    return Measurement(case, records[0].status, launches, end.reason)",
        ),
    ),
    *_faults(
        "runs",
        "timelift/analyse/runs/baseline.py",
        "baseline",
        (
            "a path in a baseline's reasons",
            "scrub(one.reason)[:_REASON_LIMIT]",
            "one.reason[:_REASON_LIMIT]",
        ),
    ),
    *_faults(
        "runs",
        "timelift/analyse/runs/condense.py",
        "compare",
        (
            "blocks across a change of the players",
            "starts = [0, *changes.tolist(), total]",
            "starts = [0, total]",
        ),
    ),
    *_faults(
        "runs",
        "timelift/analyse/runs/fact_changes.py",
        "compare",
        (
            "fewer weights that are no other layer",
            "new > old or not FACT_RULES[name].more_is_worse",
            "new > old",
        ),
        (
            "a slower machine that makes first calls suspect",
            "_beyond(before * usual, after, limit)",
            "_beyond(before, after, limit)",
        ),
    ),
    # Analysis: changes ------------------------------------------------------------------------
    *_faults(
        "changes",
        "timelift/analyse/changes/shift.py",
        "compare",
        (
            "a wrong sign: new and old exchanged",
            "return new.effect - old.effect, variance",
            "return old.effect - new.effect, variance",
        ),
        (
            "a rival's change that is given to the case",
            "changes = _square(change, rivals, sign=-1, own=own)",
            "changes = _square(change, rivals, sign=1, own=own)",
        ),
    ),
    *_faults(
        "changes",
        "timelift/analyse/changes/two_runs.py",
        "compare",
        (
            "a suspect of too few launches",
            "min(shift.launches) >= MIN_LAUNCHES",
            "max(shift.launches) >= MIN_LAUNCHES",
        ),
        (
            "a case that fails now and is no suspect",
            "(*slower, *facts, *self.failing_now)",
            "(*slower, *facts)",
        ),
    ),
    *_faults(
        "changes",
        "timelift/analyse/changes/segments.py",
        "history",
        ("a change that rests on two runs", "LEAST_RUNS = 3", "LEAST_RUNS = 2"),
    ),
    *_faults(
        "changes",
        "timelift/analyse/changes/levels.py",
        "history",
        (
            "seconds times the canary's",
            "return self.log_seconds - (self.log_canary if",
            "return self.log_seconds + (self.log_canary if",
        ),
    ),
    *_faults(
        "changes",
        "timelift/analyse/changes/many_runs.py",
        "history",
        (
            "a case that vanished and keeps its state",
            "if not len(self.places) or self.places[-1] < end - LEAST_RUNS:",
            "if not len(self.places):",
        ),
    ),
    # Analysis: scaling ------------------------------------------------------------------------
    *_faults(
        "scaling",
        "timelift/analyse/scaling/overtaking.py",
        "scaling",
        (
            "the one that is overtaken overtakes",
            "first, then = (a, b) if not crossing.rising else (b, a)",
            "first, then = (a, b) if crossing.rising else (b, a)",
        ),
        (
            "a curve that goes on behind the last size",
            "weights[(asked < logs[0] - slack) | (asked > logs[-1] + slack)] = np.nan",
            "weights[asked < logs[0] - slack] = np.nan",
        ),
    ),
    *_faults(
        "scaling",
        "timelift/analyse/scaling/growth.py",
        "scaling",
        (
            "a slope over all sizes",
            "step = math.log(sizes[-1] / sizes[-2])",
            "step = math.log(sizes[-1] / sizes[0])",
        ),
        (
            "a power of times that do not grow",
            (
                "    if curve.is_flat:\n"
                "        return Exponent(*about, ExponentBasis.FLAT, launches)\n"
            ),
            "",
        ),
    ),
    # Analysis: choosing -----------------------------------------------------------------------
    *_faults(
        "choose",
        "timelift/analyse/choose/decide.py",
        "choose",
        ("an answer that may be dear", "DEAREST = 1.10", "DEAREST = 3.0"),
        (
            "an answer beyond what was measured",
            "return (before[-1], after[0]) if before and after else ()",
            "return (before[-1], (after or before)[0]) if before else ()",
        ),
        (
            "the facts of two goals exchanged",
            '{Goal.MEMORY: "peak_bytes", Goal.FIRST_CALL: "first_call_seconds"}',
            '{Goal.MEMORY: "first_call_seconds", Goal.FIRST_CALL: "peak_bytes"}',
        ),
        (
            "a time that is interpolated the wrong way round",
            "np.log(ends), np.log(seconds))",
            "np.log(ends), np.log(seconds)[::-1])",
        ),
    ),
    *_faults(
        "choose",
        "timelift/analyse/choose/beside.py",
        "choose_gain",
        (
            "a gain over what was measured at one end alone",
            "set.intersection(*(",
            "set.union(*(",
        ),
        (
            "a gain interpolated the wrong way round",
            "curves.between(found.strategy, baseline)",
            "curves.between(baseline, found.strategy)",
        ),
        (
            "the facts of a neighbouring size",
            "if others or not own:",
            "if not own:",
        ),
    ),
    *_faults(
        "choose",
        "timelift/usage.py",
        "choose_code",
        (
            "an import that only a refusal needs, kept",
            "and not binds[id(node)] & used_at_all",
            "",
        ),
        (
            "code from a journal's name",
            "else ast.literal_eval(one.value)",
            "else ast.unparse(one.value)",
        ),
    ),
    # Analysis: the self-test ------------------------------------------------------------------
    *_faults(
        "selftest",
        "timelift/analyse/selftest/recording.py",
        "recording",
        (
            "a wrong sign of what was planted",
            "else math.log1p(slower)",
            "else math.log1p(-slower)",
        ),
        (
            "a twin of some launches that counts as steady",
            "return None if slower and one_launch_in > 1 else",
            "return None if slower and one_launch_in < 1 else",
        ),
    ),
    *_faults(
        "selftest",
        "timelift/analyse/selftest/score.py",
        "trust_file",
        (
            "a bound that forgets one false alarm",
            "special.betaincinv(self.hits + 1, self.tries - self.hits, CONFIDENCE)",
            "special.betaincinv(self.hits + 1, self.tries - self.hits + 1, 1 - CONFIDENCE)",
        ),
        (
            "planted rivals among the identical ones",
            "false_alarms=_proportion(sign != 0, tried & (truth == 0)),",
            "false_alarms=_proportion(sign != 0, tried),",
        ),
    ),
    *_faults(
        "selftest",
        "timelift/analyse/selftest/trust_file.py",
        "trust_file",
        (
            "a self-test of another machine that is quoted",
            "if name is None or Path(name).name != name or name ==",
            "if name is None or name ==",
        ),
    ),
    # Analysis: the rest -----------------------------------------------------------------------
    *_faults(
        "analyse",
        "timelift/analyse/recommend.py",
        "recommend",
        (
            "the one that was shown slower is recommended",
            "(-one.settings, one.strategy not in never_slower,",
            "(-one.settings, one.strategy in never_slower,",
        ),
        (
            "one that the second row beats is called never slower",
            "if was_tested(row, one) and row.rank_low == 1",
            "if was_tested(row, one) and row.verdict is not Verdict.SLOWER",
        ),
    ),
    *_faults(
        "analyse",
        "timelift/analyse/quality.py",
        "quality",
        (
            "a restless canary that goes unnoticed",
            "(seen.canary_spread or 0.0) > _RESTLESS",
            "(seen.canary_spread or 0.0) < 0",
        ),
    ),
    *_faults(
        "analyse",
        "timelift/analyse/across.py",
        "across",
        (
            "two ways of execution exchanged",
            "float(trimmed_mean(second) - trimmed_mean(first))",
            "float(trimmed_mean(first) - trimmed_mean(second))",
        ),
    ),
    *_faults(
        "analyse",
        "timelift/analyse/costs.py",
        "limit page_answer",
        (
            "a share of the limit the wrong way round",
            "return least / seconds_per_call",
            "return seconds_per_call / least",
        ),
        (
            "an off-by-one in when a first call pays off",
            "math.floor(1 + dearer / saved) + 1)",
            "math.floor(1 + dearer / saved))",
        ),
    ),
    # What is shown ----------------------------------------------------------------------------
    *_faults(
        "present",
        "timelift/present/tables.py",
        "tables",
        (
            "an unescaped name in a Markdown table",
            "([markdown(cell) for cell in row] for row in",
            "([str(cell) for cell in row] for row in",
        ),
        (
            "a formula in a sheet for programs",
            "        return csv_text(value)\n",
            "        return value\n",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/exports.py",
        "exports",
        (
            "a wrong unit: seconds as microseconds",
            "_NANOSECOND, _MILLISECOND = 1e-9, 1e-3",
            "_NANOSECOND, _MILLISECOND = 1e-9, 1e-6",
        ),
        (
            "the bounds of a latency exchanged",
            '        "lower_value": row.seconds_low,\n        "upper_value": row.seconds_high,\n',
            '        "lower_value": row.seconds_high,\n        "upper_value": row.seconds_low,\n',
        ),
    ),
    *_faults(
        "present",
        "timelift/present/case_table.py",
        "case_table",
        (
            "a column that reads the other end",
            '_of_rival("low"), _ratio),',
            '_of_rival("high"), _ratio),',
        ),
        (
            "a look-alike without its mark",
            'return f"{name} (no lift)" if no_lift and TWIN not in name else name',
            "return name if no_lift and TWIN not in name else name",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/summary.py",
        "summary",
        (
            "refusals that are counted as failures",
            "if one.status not in SKIPPED and one.status is not Status.MEASURED",
            "if one.status is not Status.MEASURED",
        ),
        (
            "the workloads with the fewest settings",
            "key=lambda row: -row.settings)[:rows]",
            "key=lambda row: row.settings)[:rows]",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/advised.py",
        "summary",
        (
            "a difference that was not shown and is told as a gain",
            "is_shown = gain.faster or gain.slower or not advice.has_verdict",
            "is_shown = True",
        ),
        (
            "a loss everywhere that is told of one setting",
            "    if not lost.has_no_exception:\n",
            "    if lost.settings >= settings:\n",
        ),
        (
            "few launches that are a verdict",
            'if not advice.has_verdict:\n        return "unknown"\n',
            "pass\n",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/terminal.py",
        "provisional",
        (
            "a verdict that may change and is green",
            '        return "dim"',
            '        return "bold green"',
        ),
    ),
    *_faults(
        "present",
        "timelift/present/report.py",
        "report golden",
        (
            "a report that swallows the warnings of a file",
            'warnings = [f"- warning: {markdown(text)}" for text in report.warnings]',
            "warnings: list[str] = []",
        ),
        (
            "a setting of a run that is going on, and of which nothing says so",
            "heading = provisional.heading(setting.label, found.run)",
            "heading = setting.label",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/page/data.py",
        "page",
        (
            "a name in the page's data that ends a script",
            'text.replace("<", "\\\\u003c").replace(',
            "text.replace(",
        ),
        (
            "settings without a measurement left out of the page",
            "| {one.case.setting for one in lost})",
            "| {one.setting for one in found.rankings})",
        ),
        (
            "the other end of an interval on the page",
            "_digits(one.low) if one else None for one in found]",
            "_digits(one.high) if one else None for one in found]",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/page/headline.py",
        "page_answer",
        (
            "an answer that hides where it loses",
            "    if advice.losses:\n        where =",
            "    if not advice.losses:\n        where =",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/conditions.py",
        "summary",
        (
            "a run that is told to take less time than it took",
            "_budget(2 * (run.seconds",
            "_budget(0 * (run.seconds",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/wrapping.py",
        "wrapping",
        (
            "a line that begins with the end of a word",
            "            place -= 1\n",
            "            pass\n",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/gate_words.py",
        "gate_outcomes",
        (
            "slower said where it is faster",
            "    less = finding.effect < 0\n",
            "    less = finding.effect > 0\n",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/units.py",
        "units",
        ("a wrong unit: bytes in thousands", "count /= 1024\n", "count /= 1000\n"),
        (
            "a bound that is rounded down",
            'return f"{_per_cent(ratio, math.ceil)} %"',
            'return f"{_per_cent(ratio, math.floor)} %"',
        ),
    ),
    *_faults(
        "present",
        "timelift/present/across_table.py",
        "across",
        (
            "a swapped axis of a table",
            'Column("usual", value=lambda pair: pair.values[0]),',
            'Column("usual", value=lambda pair: pair.values[1]),',
        ),
    ),
    *_faults(
        "present",
        "timelift/present/figures/frame.py",
        "figures",
        (
            "two workloads in one panel",
            "replace(setting, seq_len=0)",
            'replace(setting, seq_len=0, workload="")',
        ),
    ),
    *_faults(
        "present",
        "timelift/present/figures/plot_by_length.py",
        "figures",
        (
            "a bar that is half of an interval",
            'high=known.get(f"{self.column}_high", bare)',
            'high=known.get(f"{self.column}", bare)',
        ),
        (
            "the slowest strategy above the others",
            "ascending=not self.quantity.more_is_better",
            "ascending=True",
        ),
        (
            "an interval that flattens a panel",
            "min(max(high, rows.high.max()), high * _FAR)",
            "max(high, rows.high.max())",
        ),
        (
            "a ring around every strategy's memory",
            "best = rows[rows.on_front]",
            "best = rows",
        ),
    ),
    *_faults(
        "present",
        "timelift/present/figures/plot_price.py",
        "figures",
        (
            "the typical price as the most",
            "most = [price.ratio for price in found]",
            "most = [price.typical for price in found]",
        ),
    ),
    # Advice on a model ------------------------------------------------------------------------
    *_faults(
        "advice",
        "timelift/analyse/model_advice.py",
        "model_advice",
        ("a gain that its interval does not show", "one.low > 1", "one.high > 1"),
        ("a loss that its interval does not show", "one.high < 1", "one.low < 1"),
        ("any gain of one launch", "LIKELY = math.exp(CLEAR)", "LIKELY = 1.0"),
        ("no gain of one launch", "(gain.is_shown or is_likely)", "gain.is_shown"),
        (
            "a gain by the far end of its interval",
            "return gain.speed_up.low",
            "return gain.speed_up.high",
        ),
        ("a meaning that is always another", "if before[one] != after[one]", "if before[one]"),
    ),
    *_faults(
        "advice",
        "timelift/present/model_advice.py",
        "model_advice",
        ("first calls after and before", '" → ".join(written)', '" → ".join(written[::-1])'),
        ("memory after and before", "{before} → {after}", "{after} → {before}"),
    ),
    *_faults(
        "advice",
        "timelift/commands/advise.py",
        "advise_command",
        ("a module that makes a model slower", "whole and whole.gain.is_loss", "whole is None"),
        ("a budget that is spent twice", "within(texts, rest)", "texts"),
    ),
    *_faults(
        "advice",
        "timelift/told_model.py",
        "model_advice changed_models",
        ("two lifts of one name", "while name in found or not", "while not"),
        (
            "a train step where nothing trains",
            "Phase.BACKWARD if self.trains",
            "Phase.BACKWARD if True",
        ),
    ),
    *_faults(
        "advice",
        "timelift/worker/loops.py",
        "changed_models",
        ("a loop that leaves steps out", "[*range(shape[0])]", "[*range(len(nodes))]"),
        ("a loop that is stacked elsewhere", "axis % rank == 1", "axis % rank > 0"),
        (
            "a loop whose loss is lost",
            '"activity_regularizer", None) is not None',
            '"activity_regularizer", None) == 0',
        ),
        ("a layer called step by step all the same", "if is_lifting else inputs", "if True else 0"),
    ),
    *_faults(
        "advice",
        "timelift/better_model.py",
        "advise_command changed_models",
        (
            "a name that ends the text that it stands in",
            """.replace('"', r"\\"")""",
            "",
        ),
        (
            "a strategy twice in a module",
            "dict.fromkeys(one.strategy for one in changes)",
            "[one.strategy for one in changes]",
        ),
    ),
    *_faults(
        "advice",
        "timelift/worker/lifts.py",
        "changed_models",
        ("a shared lift that is counted twice", "seen.add(id(layer))", "seen.add(id(path))"),
        (
            "a lift inside of itself",
            "around = (*around, lift)",
            "around = (lift, lift)",
        ),
        (
            "weights that a strategy makes anew",
            "own = {id(one) for one in lift.inner.weights}",
            "own = {id(one) for one in model.weights}",
        ),
        (
            "an inner layer that is not told of training",
            ".call(inputs, training=training)",
            ".call(inputs, training=False)",
        ),
    ),
    *_faults(
        "advice",
        "timelift/worker/model_under_test.py",
        "changed_models",
        (
            "outputs that differ as they like",
            "if not off <= self._tolerance.outputs",
            "if not off <= 1e9",
        ),
        (
            "a rival with weights of its own",
            "model.set_weights(written.weights)",
            "model.get_weights()",
        ),
        (
            "the law of the model as it is written",
            "if rival.parameters and not self.task",
            "if not rival.parameters and not self.task",
        ),
    ),
    # The doors --------------------------------------------------------------------------------
    *_faults(
        "doors",
        "timelift/commands/changes.py",
        "history_command",
        (
            "a wrong exit code of a slow-down",
            "return EXIT_NOT_YES if found.findings.worse else 0",
            "return EXIT_NOT_YES if found.findings.changed else 0",
        ),
    ),
    *_faults(
        "doors",
        "timelift/commands/table.py",
        "history_command",
        (
            "a wrong exit code of bad usage",
            'self.exit(1, f"{self.prog}: error: {message}',
            'self.exit(2, f"{self.prog}: error: {message}',
        ),
    ),
    *_faults(
        "doors",
        "timelift/commands/changes.py",
        "compare_command",
        (
            "two machines that fail a strict comparison",
            "strict = options.strict and not options.across_machines",
            "strict = options.strict",
        ),
        (
            "a run that is its own history",
            "runs_of_machine(folder, new.header.machine, paths)",
            "runs_of_machine(folder, new.header.machine)",
        ),
    ),
    *_faults(
        "doors",
        "timelift/commands/bench.py",
        "command",
        (
            "questions of timelift's instead of the project's",
            "return [own] if any(map(_asks",
            "return [own] if all(map(_asks",
        ),
        (
            "a project's own options of pytest that are not read",
            'yield from ("-c", str(file))',
            'yield from ("-c", str(project.root / "none.ini"))',
        ),
    ),
    *_faults(
        "doors",
        "timelift/commands/init.py",
        "init",
        (
            "a file that is overwritten",
            "if os.path.lexists(project.root / name)]",
            "if os.path.islink(project.root / name)]",
        ),
        (
            "files that stay where another could not be written",
            "path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)",
            "pass",
        ),
    ),
    *_faults(
        "doors",
        "timelift/ended.py",
        "ending",
        (
            "a self-test that tells less takes the other's place",
            "trust_file.rests_on_more(before, found) else None",
            "trust_file.rests_on_more(found, before) else None",
        ),
    ),
    *_faults(
        "doors",
        "timelift/commands/arguments.py",
        "golden",
        ("a gate ten times too wide", '        default="3%",\n', '        default="30%",\n'),
    ),
    *_faults(
        "doors",
        "timelift/live_report.py",
        "live_report",
        (
            "a page that goes on asking for a run that ended",
            "results_folder, None if ended else every)",
            "results_folder, every)",
        ),
    ),
    *_faults(
        "doors",
        "timelift/plugin/results.py",
        "plugin",
        (
            "samples that are replayed in the wrong order",
            "        self._readings.reverse()\n",
            "",
        ),
    ),
    *_faults(
        "doors",
        "timelift/plugin/questions.py",
        "plugin",
        (
            "a table that -v does not bring",
            "verbose > 0 or any(",
            "verbose > 1 or any(",
        ),
        (
            "cases that are played as another plugin has shuffled them",
            "key=self._collected.__getitem__",
            "key=lambda case: 0",
        ),
    ),
    *_faults(
        "doors",
        "timelift/measure/launch.py",
        "plugin_elsewhere",
        ("a launch that coverage.py traces", '"COVERAGE_PROCESS_", ', ""),
    ),
    *_faults(
        "doors",
        "timelift/plugin/options.py",
        "plugin_clash",
        (
            "a clash of options that ends in a traceback",
            "    except argparse.ArgumentError as error:",
            "    except ZeroDivisionError as error:",
        ),
        ("an ini key that is shared with another plugin", "if text != option.full_help:", "if 0:"),
    ),
    *_faults(
        "doors",
        "timelift/measure/interrupts.py",
        "plugin",
        ("a second Ctrl-C that is gentle, too", "if self.count > 1:", "if self.count > 2:"),
        (
            "a run that goes on hearing signals when it has ended",
            "            signal.signal(one, handler)  # type",
            "            signal.getsignal(one)  # type",
        ),
    ),
    # Strategies and workloads -----------------------------------------------------------------
    *_faults(
        "strategies",
        "workloads/sensor.py",
        "strategies",
        ("another layer than a workload says", "Dense(16, activation", "Dense(8, activation"),
    ),
    *_faults(
        "strategies",
        "workloads/windows.py",
        "strategies",
        ("a fifth workload that is measured by default", "DEFAULT = False\n", ""),
    ),
    *_faults(
        "strategies",
        "strategies/simple_rnn.py",
        "strategies",
        ("a counterpart without the layer's activation", "layer.activation", "None"),
    ),
    *_faults(
        "strategies",
        "strategies/mask_and_pad.py",
        "meaning",
        (
            "padding that is kept",
            "return ops.where(valid, y, ops.zeros_like(y))",
            "return ops.where(valid, y, y)",
        ),
    ),
    *_faults(
        "strategies",
        "strategies/rnn_cell.py",
        "meaning",
        ("padding that repeats", "zero_output_for_mask=True", "zero_output_for_mask=False"),
    ),
    *_faults(
        "strategies",
        "strategies/fold_time.py",
        "meaning",
        (
            "a mask that ends in the lift",
            "self.supports_masking = True",
            "self.supports_masking = False",
        ),
    ),
    *_faults(
        "strategies",
        "strategies/fold_time.py",
        "strategies",
        (
            "steps and sequences exchanged in a fold",
            "ops.reshape(x, (batch * time, *features))",
            "ops.reshape(ops.swapaxes(x, 0, 1), (batch * time, *features))",
        ),
    ),
    *_faults(
        "strategies",
        "strategies/bucketing.py",
        "drop_in",
        ("a lift that forgets its parameter when it is saved", '"k": self.k}', "}"),
        ("a lift that is lost for a saved model", "@keras.saving.register", "@keras.saving.get"),
    ),
    *_faults(
        "strategies",
        "strategies/tf_scan.py",
        "drop_in",
        (
            "a scan that gives the steps in the reverse order",
            "tf.scan(step, steps, carry)",
            "tf.scan(step, steps, carry, reverse=True)[::-1]",
        ),
    ),
)
