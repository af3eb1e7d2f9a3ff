"""Chromium without a screen, spoken to over a pipe: what a page shows, asks for and complains of.

The DevTools protocol on file descriptors 3 and 4 (``--remote-debugging-pipe``): JSON objects, a zero byte after each.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests' machines run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
# Puts the two pipes where Chromium wants them, 3 to read from and 4 to write to, and becomes Chromium.
PLACE = """
import fcntl, os, sys
first, second = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])  # out of the way
os.dup2(first, 3)
os.dup2(second, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("no Chromium here (apt-get install chromium): nobody looked at the report")


@dataclass
class Page:
    """One tab. ``events`` are all that it has said so far."""

    to: int
    back: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    rest: bytes = b""

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, file: Path, width: int, height: int) -> None:
        """Show a file in a window of so many pixels and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=file.resolve().as_uri())
        while not self.said("Page.loadEventFired"):
            self.events.append(self._next())

    def said(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every event of a kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, width: int, top: int, height: int) -> bytes:
        """A part of the page as PNG, whether it is in the window or not."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            part = os.read(self.back, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has gone")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        event: dict[str, Any] = json.loads(message)
        return event


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with an empty profile, ended afterwards."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    pipes = (str(theirs_in), str(theirs_out))
    command = [sys.executable, "-c", PLACE, *pipes, chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (profile.parent / "chromium.log").open("w") as log:
        process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stdout=log, stderr=log)
    for end in (theirs_in, theirs_out):
        os.close(end)
    try:
        yield Page(ours_out, ours_in)
    finally:
        for end in (ours_out, ours_in):
            os.close(end)  # without its pipe the browser ends
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
