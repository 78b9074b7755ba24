"""A headless Chromium, driven by its own protocol (CDP) over a websocket.

    with Chromium(executable, directory) as chromium:
        async with chromium.tab(width=320, scheme="dark") as tab:
            await tab.open(url)
            assert await tab.evaluate("document.title") == "…"
            assert (tab.complaints, tab.requests) == ([], [url])

Source: https://chromedevtools.github.io/devtools-protocol/ (domains Target, Page, Runtime, Log, Network, Emulation).
"""

import asyncio
import base64
import itertools
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp

Scheme = Literal["light", "dark"]

PATIENCE_S = 20.0

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has none, nor have most containers; what is opened is our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Chromium:
    """A process with a profile of its own; gone with all its children at the end."""

    def __init__(self, executable: str, directory: Path) -> None:
        self._profile = Path(tempfile.mkdtemp(dir=directory))
        self._process = subprocess.Popen(
            [executable, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    @asynccontextmanager
    async def tab(self, *, width: int, height: int = 900, scheme: Scheme = "light") -> AsyncIterator["Tab"]:
        """An empty tab of that size, in CSS pixels."""
        url = await self._endpoint()
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
            tab = Tab(socket)
            reading = asyncio.create_task(tab.listen())
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await tab.begin(width, height, scheme)
                yield tab
                await tab.end()
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _endpoint(self) -> str:
        """Chromium writes its port and path into its profile when it is ready."""
        file, deadline = self._profile / "DevToolsActivePort", time.monotonic() + PATIENCE_S
        while True:
            lines = file.read_text().split() if file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Chromium did not start (exit code {self._process.returncode})")
            await asyncio.sleep(0.05)


class Tab:
    """`complaints`: what a developer would see in red on the console. `requests`: URLs asked for, but data: ones."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._session: str | None = None
        self._target = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def begin(self, width: int, height: int, scheme: Scheme) -> None:
        """Make the tab."""
        self._target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.call("Target.attachToTarget", targetId=self._target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def end(self) -> None:
        """Close the tab."""
        self._session = None
        await self.call("Target.closeTarget", targetId=self._target)

    async def open(self, url: str) -> None:
        """Load a page whole."""
        self._loaded.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self.call("Page.navigate", url=url)
            await self._loaded.wait()

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, as JSON can say it."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def accessible(self) -> list[tuple[str, str]]:
        """(role, name) of everything that a screen reader is told of, in order."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    async def screenshot(self) -> bytes:
        """The whole page as PNG, beyond the window, too."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, answered."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        async with asyncio.timeout(PATIENCE_S):
            answer = await answered
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self) -> None:
        """Sort what comes in, for ever."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded.set()
        elif event == "Network.requestWillBeSent" and not told["request"]["url"].startswith("data:"):
            self.requests.append(told["request"]["url"])
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(str(told["args"]))
