"""A notebook that is open in JupyterLab: run it, move its controls, and look at what it draws."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from browser import PATIENCE, Browser
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

PANEL = "jupyterapp.shell.currentWidget"
KERNEL = f"{PANEL}?.sessionContext?.session?.kernel"
# What Chromium says of an answer without a body (204), which is how the server answers when JupyterLab saves the
# arrangement of its windows, or a setting. Nothing was lost.
NOT_OURS = r"net::ERR_ABORTED: http://127\.0\.0\.1:\d+/lab/api/(workspaces|settings)/.*"
DRAWN = """
    const images = [...arguments[0].querySelectorAll('img')].map((image) => image.src).filter(Boolean);
    const plots = [...arguments[0].querySelectorAll('.js-plotly-plot .main-svg')]
        .map((svg) => svg.closest('.js-plotly-plot').data.map((trace) => [trace.x, trace.y, trace.z]));
    return JSON.stringify([...images, ...plots]);
"""
CODE = f"{PANEL}.content.widgets.filter((cell) => cell.model.type === 'code')"
OUTPUTS = f"{CODE}.flatMap((cell) => cell.model.outputs.toJSON())"
ERRORS = f"return {OUTPUTS}.filter((output) => output.output_type === 'error')"
RESULTS = f"return {OUTPUTS}.map((output) => output.data?.[arguments[0]]).filter(Boolean)"
# JupyterLab shows an exception as it shows what is written to stderr.
STDERR = '[data-mime-type="application/vnd.jupyter.stderr"]'
CUT_OFF = """
    const outer = arguments[0].getBoundingClientRect();
    return [...arguments[0].querySelectorAll('.slider-label')].filter((label) => {
        const inner = label.getBoundingClientRect();
        return inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom;
    }).map((label) => label.textContent);
"""


@dataclass(frozen=True)
class Notebook:
    """The notebook in the foreground; to move something is to wait until that is drawn."""

    browser: Browser

    def run_all(self) -> None:
        """Run → Run All Cells, until the last cell is done or one has raised."""
        self.browser.run("jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.allRan = true; })")
        self.browser.wait("window.allRan", 3 * PATIENCE)

    def counts(self) -> list[int | None]:
        """The execution count of every cell with code; None: it did not run."""
        return self.browser.run(f"return {CODE}.map((cell) => cell.model.executionCount)")

    def sources(self) -> list[str]:
        """What is written in every cell with code."""
        return self.browser.run(f"return {CODE}.map((cell) => cell.model.sharedModel.getSource())")

    def errors(self) -> list[str]:
        """What cells raised, and what stands in an output with controls instead of its figure."""
        cells = [f"{raised['ename']}: {raised['evalue']}" for raised in self.browser.run(ERRORS)]
        return cells + [written.text for written in self.find(f".widget-output {STDERR}")]

    def problems(self) -> list[str]:
        """What the browser complained of since the last call, other than NOT_OURS."""
        return [problem for problem in self.browser.problems() if not re.fullmatch(NOT_OURS, problem)]

    def find(self, selector: str) -> list[WebElement]:
        """All that a CSS selector finds in the notebook."""
        return self.browser.driver.find_elements(By.CSS_SELECTOR, f".jp-NotebookPanel {selector}")

    def results(self, kind: str) -> list[str | dict]:
        """What the outputs hold in the form of a MIME type, in order."""
        return self.browser.run(RESULTS, kind)

    def explores(self) -> list[WebElement]:
        """Each output with controls above a figure."""
        return self.find(".widget-vbox:has(> .widget-output)")

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Until the condition is true."""
        WebDriverWait(self.browser.driver, PATIENCE).until(lambda _: condition(), what)

    def drawn(self, element: WebElement) -> str:
        """The addresses of the images and the points of the plots in ``element``."""
        return self.browser.run(DRAWN, element)

    def cut_off(self, plot: WebElement) -> list[str]:
        """The labels of plotly's slider that reach out of their figure."""
        return self.browser.run(CUT_OFF, plot)

    @contextmanager
    def another(self, element: WebElement) -> Iterator[None]:
        """What is done inside makes the figure in ``element`` another one; wait for that."""
        before = self.drawn(element)
        yield
        self.wait(lambda: self.drawn(element) not in (before, "[]"), "another figure")
        self.browser.wait(f"{KERNEL}.status === 'idle'", PATIENCE)

    def choose_another(self, select: WebElement) -> None:
        """Choose the next entry of a list that drops down, or the one before the last."""
        choices = Select(select)
        at = choices.options.index(choices.first_selected_option)
        choices.select_by_index(at + 1 if at + 1 < len(choices.options) else at - 1)

    def step(self, handle: WebElement) -> None:
        """Move a slider by one step with the keyboard, up unless it is at its end."""
        at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        handle.send_keys(Keys.ARROW_LEFT if at_end else Keys.ARROW_RIGHT)

    def slide(self, plot: WebElement) -> None:
        """Click on the other end of plotly's own slider below a figure."""
        rail = plot.find_element(By.CSS_SELECTOR, ".slider-rail-touch-rect")
        grip = plot.find_element(By.CSS_SELECTOR, ".slider-grip-rect")
        middle = rail.rect["x"] + rail.rect["width"] / 2
        side = 1 if grip.rect["x"] < middle else -1
        self.browser.run("arguments[0].scrollIntoView({block: 'center'})", rail)
        ActionChains(self.browser.driver).move_to_element_with_offset(
            rail, side * (rail.rect["width"] // 2 - 5), 0
        ).click().perform()

    def inked(self, plot: WebElement) -> float:
        """How much of a 3-D scene is not background, from 0 to 1; the text that lies above the scene doesn't count."""
        hide = "arguments[0].querySelectorAll('svg, .modebar').forEach((over) => {{ over.style.visibility = '{}'; }})"
        self.browser.run(hide.format("hidden"), plot)
        shot = plot.find_element(By.CSS_SELECTOR, ".gl-container canvas").screenshot_as_png
        self.browser.run(hide.format(""), plot)
        pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("L"), dtype=int)
        return float(np.mean(np.abs(pixels - np.bincount(pixels.ravel()).argmax()) > 8))


@contextmanager
def opened(browser: Browser, path: str) -> Iterator[Notebook]:
    """A notebook in a JupyterLab that remembers no other one, with its kernel, which is shut down in the end."""
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.driver.get("about:blank")
    browser.problems()
    browser.driver.get(f"{browser.address}lab/workspaces/{Path(path).stem}/tree/{path}")
    browser.wait(f"window.jupyterapp && {KERNEL}?.status === 'idle'", PATIENCE)
    try:
        yield Notebook(browser)
    finally:
        browser.driver.execute_async_script(f"{PANEL}.sessionContext.shutdown().then(arguments[0])")
