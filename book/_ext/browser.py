"""Headless Chromium through selenium: found or installed, cut off from the network, and listened to.

The tests drive it, and the PDFs of the chapters are printed by it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 300  # seconds that anything may take: without a GPU the processor draws 3-D, and other work keeps it busy
NAMES = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU: plotly's 3-D
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True)
class Browser:
    """One browser for all tests; `open` forgets what earlier pages did."""

    driver: webdriver.Chrome
    address: str
    requests: dict[str, str] = field(default_factory=dict)  # what the page has asked for, by the number of the request

    def open(self, page: str, size: tuple[int, int] = (1280, 900)) -> None:
        """Load a page such as "chapters/01_samples", and wait until its scripts and formulas are done."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
        )
        self.driver.get("about:blank")
        mouse = ActionBuilder(self.driver, duration=0)
        mouse.pointer_action.move_to_location(0, 0)  # else it would still point into the next page
        mouse.perform()
        self.problems()
        self.requests.clear()
        self.driver.get(f"{self.address}{page}.html")
        self.wait("document.readyState === 'complete'")
        self.driver.execute_async_script(
            "const done = arguments[0]; Promise.resolve(window.MathJax?.startup?.promise).then(() => done())"
        )

    def run(self, script: str, *arguments: object) -> object:
        """The value of a JavaScript function's body."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        """Until a JavaScript expression is true."""
        WebDriverWait(self.driver, seconds).until(lambda _: self.run(f"return Boolean({condition})"), condition)

    def centre(self, element: str) -> None:
        """Scroll until the element that a JavaScript expression names is in the middle of the window."""
        # At once: the theme would scroll by and by, and what is clicked meanwhile is somewhere else.
        self.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")

    def draw(self, figure: str) -> None:
        """Bring the figure that a JavaScript expression names into view, as it is drawn then, and wait for that."""
        self.centre(figure)
        self.wait(f"{figure}.dataset.state === 'ready'")

    def draw_figures(self) -> int:
        """Draw every figure of the page, one after the other; how many there are."""
        count = self.run("return document.querySelectorAll('.nbh-figure').length")
        for number in range(count):
            self.draw(f"document.querySelectorAll('.nbh-figure')[{number}]")
        return count

    def problems(self) -> list[str]:
        """What went wrong since the last call: console errors, failed requests, requests to any other host.

        A request of the page before may be told to have failed only now: it is not this one's.
        """
        found = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            params = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                url = self.requests[params["requestId"]] = params["request"]["url"]
                if urlsplit(url).scheme not in ("data", "blob", "about") and not url.startswith(self.address):
                    found.append(f"a request to another host: {url}")
            elif event["method"] == "Network.loadingFailed" and params["requestId"] in self.requests:
                found.append(f"{params['errorText']}: {self.requests[params['requestId']]}")
            elif event["method"] == "Network.responseReceived" and params["response"]["status"] >= 400:
                found.append(f"status {params['response']['status']}: {params['response']['url']}")
        return found


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def start(address: str) -> Iterator[Browser]:
    """An installed Chrome or Chromium; else Debian's when we are root there; else the one that selenium fetches."""
    if _installed() is None and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"check": True, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "chromium-driver"], **quiet
        )
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if path := _installed():
        options.binary_location = path
    try:
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    except WebDriverException as error:
        raise OSError(
            "no browser for the built site and its PDFs: install Google Chrome, or chromium and chromium-driver "
            f"(Debian, Ubuntu: apt install chromium chromium-driver). Selenium says: {error.msg}"
        ) from error
    driver.set_script_timeout(PATIENCE)
    try:
        yield Browser(driver, address)
    finally:
        driver.quit()
