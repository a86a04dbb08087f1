"""No page breaks a rule of WCAG 2.1 AA that axe-core checks: wide, narrow, light, dark, all unfolded."""

from importlib import resources

import pytest
from browser import Browser

AXE = resources.files("selenium_axe_python").joinpath("axe-core/axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# A formula has the colour of the text around it, and MathJax writes some ten thousand elements a page.
CHECK = """
const done = arguments[1];
axe.run({exclude: ["mjx-container"]}, {runOnly: arguments[0], resultTypes: ["violations"]})
  .then(({violations}) => done(violations.flatMap(({id, nodes}) =>
    nodes.map(({target, failureSummary}) => `${id}: ${target.join(" ")}: ${failureSummary}`))));
"""


def violations(browser: Browser) -> list[str]:
    """What axe-core finds on the open page, one line for each element."""
    if not browser.run("return Boolean(window.axe)"):
        browser.run(AXE)
    return browser.driver.execute_async_script(CHECK, RULES)


def test_page_breaks_no_rule(browser: Browser, page: str, screen: tuple[int, int]) -> None:
    browser.open(page, screen)
    browser.draw_figures()
    browser.run("for (const one of document.querySelectorAll('article details')) one.open = true")
    # A colour that is still on its way from light to dark is none that anybody reads.
    browser.run("document.head.insertAdjacentHTML('beforeend', '<style>* { transition: none !important; }</style>')")
    for theme in ("light", "dark"):
        browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
        assert violations(browser) == [], theme


@pytest.mark.parametrize(
    ("markup", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ('<input type="range">', "label"),
        ('<p style="color: #999; background: #fff">pale</p>', "color-contrast"),
        ("<button></button>", "button-name"),
    ],
)
def test_a_broken_rule_is_found(browser: Browser, markup: str, rule: str) -> None:
    browser.open("references")
    browser.run("document.querySelector('article').insertAdjacentHTML('beforeend', arguments[0])", markup)
    assert [found.split(":")[0] for found in violations(browser)] == [rule]
