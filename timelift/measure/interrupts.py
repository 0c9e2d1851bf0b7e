"""Ctrl-C and the signal that ends a process: the first asks a run to stop, the second stops it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

#: What a person or a system sends to end a run.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Call `ask_to_stop` at the first signal, and raise KeyboardInterrupt at the next."""

    def __init__(self, ask_to_stop: Callable[[], None]) -> None:
        self._gently, self.count = ask_to_stop, 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {one: signal.signal(one, self._take) for one in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)  # type: ignore[arg-type]

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self._gently()
