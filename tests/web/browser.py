"""A headless Chromium, driven through its pipe: what a visitor's hands and eyes do.

The browser's own protocol (JSON, a NUL after each message, file descriptors 3 and 4) needs no library and no port.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import pytest

PATIENCE = 60.0
"""Seconds until an answer of the browser must be there."""

_KEYS = {
    "Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "Escape": (27, ""), "ArrowDown": (40, ""), "ArrowRight": (39, ""),
}  # fmt: skip


class Browser:
    """One page of one browser."""

    def __init__(self, folder: Path) -> None:
        program = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        if program is None:
            pytest.skip("no Chromium is installed")
        (there, self._to), (self._from, back) = os.pipe(), os.pipe()
        # The browser's ends become 3 and 4 in the shell that then becomes the browser.
        script = f'exec 3<&{there} 4>&{back}; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "browser",
             program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
             "--hide-scrollbars", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(there, back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(there)
        os.close(back)
        self._number, self._data, self._session = 0, b"", None
        self.complaints: list[str] = []
        """Console messages, violations of the page's policy, exceptions."""
        self.requests: list[str] = []
        """Addresses of everything that was asked for."""
        self.answers: list[tuple[str, int]] = []
        self._loaded = 0
        page = next(one for one in self.do("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.do(f"{room}.enable")
        self.size(1280, 900)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._to)
        os.close(self._from)

    def do(self, method: str, /, **params: Any) -> dict[str, Any]:
        """One command, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
        raise TimeoutError(method)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._data:
            ready, _, _ = select.select([self._from], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            piece = os.read(self._from, 1 << 16)
            assert piece, "the browser is gone"
            self._data += piece
        one, _, self._data = self._data.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Log.entryAdded":
            self.complaints.append(f"{params['entry']['source']}: {params['entry']['text']}")
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.responseReceived":
            self.answers.append((params["response"]["url"], params["response"]["status"]))
        elif method == "Page.loadEventFired":
            self._loaded += 1

    def wait_load(self, before: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._loaded <= before:
            self._next(deadline)

    def open(self, address: str) -> None:
        before = self._loaded
        self.do("Page.navigate", url=address)
        self.wait_load(before)

    def leads_on(self, action: Any, *given: Any) -> None:
        """Does something after which another page is loaded."""
        before = self._loaded
        action(*given)
        self.wait_load(before)

    def ask(self, script: str) -> Any:
        """The value of an expression in the page; the tests' own script, which the page's policy does not stop."""
        result = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def media(self, **features: str) -> None:
        """Such as prefers_color_scheme="dark"."""
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.do("Emulation.setEmulatedMedia", features=values)

    def press(self, key: str, shift: bool = False) -> None:
        code, text = _KEYS.get(key, (ord(key.upper()[0]), key))
        given = {
            "key": " " if key == "Space" else key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": 8 if shift else 0,
        }
        self.do("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.do("Input.dispatchKeyEvent", type="keyUp", **given)

    def write(self, text: str) -> None:
        self.do("Input.insertText", text=text)

    def tab_to(self, selector: str, limit: int = 80) -> None:
        """Presses Tab until that has the focus."""
        for _ in range(limit):
            self.press("Tab")
            if self.ask(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    def drop(self, selector: str, *files: Path) -> None:
        """Drags files over the page and lets them go on an element."""
        x, y = self.ask(
            f"(() => {{ const at = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [at.left + at.width / 2, at.top + at.height / 2]; })()"
        )
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.do("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        shot = self.do("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def too_wide(self) -> list[str]:
        """What makes the page scroll sideways, or hangs out of it."""
        found: list[str] = self.ask(
            """(() => {
              const root = document.documentElement;
              const inside = one => { while ((one = one.parentElement)) if (one.classList.contains("scroll")) return true; return false; };
              for (const one of document.querySelectorAll("details")) one.open = true;
              const wide = [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > root.clientWidth + 1 && !inside(one));
              return [...(root.scrollWidth > root.clientWidth ? ["the page"] : []), ...wide.slice(0, 5).map(one => one.outerHTML.slice(0, 200))];
            })()"""
        )
        return found
