"""Chromium, driven over its own debugging protocol: pages, keys, themes, widths, what it says.

Source of the protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync --hide-scrollbars "
    "--disable-background-networking --disable-component-update --remote-debugging-pipe"
).split()
#: Keys that write nothing, each with its code.
_CODES = {"Tab": 9, "Enter": 13, "ArrowUp": 38}
#: Seconds after which a page or the browser hangs, however much else the machine does.
_PATIENCE = 300.0


class Browser:
    """One window of a browser that runs until it is closed; use it in a `with`."""

    def __init__(self):
        self.said = []
        self._number = 0
        self._buffer = b""

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        hear, self._write = os.pipe()
        self._read, say = os.pipe()
        command = [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        # the protocol has fixed numbers for its two pipes
        script = f'exec "$@" 3<&{hear} 4>&{say}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *command],
            pass_fds=(hear, say),
            stderr=subprocess.DEVNULL,
        )
        os.close(hear)
        os.close(say)
        self._session = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self._session = None
        self._ask("Browser.close")
        self._process.wait(_PATIENCE)
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def open(self, path, fragment="", width=1280, height=800, *, dark=False):
        self.resize(width, height)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[theme])
        self._ask("Page.navigate", url="about:blank")
        self.said.clear()
        self._ask("Page.navigate", url=f"{Path(path).as_uri()}{fragment}")
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")
        self.settle()

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)

    def before_pages(self, script):
        """Run a script before those of every page from now on; return what ends that."""
        add = "Page.addScriptToEvaluateOnNewDocument"
        number = self._ask(add, source=script)["identifier"]
        return lambda: self._ask("Page.removeScriptToEvaluateOnNewDocument", identifier=number)

    def ask(self, script):
        how = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        found = self._ask("Runtime.evaluate", expression=script, **how)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition):
        end = time.monotonic() + _PATIENCE
        while not self.ask(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def settle(self):
        self.ask("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")

    def press(self, *keys):
        for key in keys:
            for kind in ("rawKeyDown", "keyUp"):
                code = _CODES[key]
                text = {"text": "\r"} if (key, kind) == ("Enter", "rawKeyDown") else {}
                self._ask(
                    "Input.dispatchKeyEvent",
                    type="keyDown" if text else kind,
                    key=key,
                    code=key,
                    windowsVirtualKeyCode=code,
                    **text,
                )
            self.settle()

    def print(self):
        return base64.b64decode(self._ask("Page.printToPDF")["data"])

    def _ask(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def _next(self):
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _note(self, event):
        """Keep what the page said on its console, and what it did wrong."""
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.said.append(str(told["args"]))
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.said.append(details.get("exception", details).get("description", str(details)))
        elif method == "Log.entryAdded":
            self.said.append(told["entry"]["text"])
