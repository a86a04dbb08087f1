"""Figures of a chapter in the browser: bring one into view, and move its slider."""

from __future__ import annotations

from browser import Browser

PATIENCE = 300  # seconds: 3-D is drawn by the processor here, which other work may keep busy


def draw(chapter: Browser, label: str, number: int = 0) -> str:
    """Bring the figure of that ``number`` with ``label`` beside its slider into view; what JavaScript calls it."""
    figure = (
        "[...document.querySelectorAll('.nbh-figure')]"
        f".filter(f => f.querySelector('.nbh-controls label')?.innerText.trim() === '{label}')[{number}]"
    )
    chapter.run(f"{figure}.scrollIntoView({{block: 'center'}})")
    chapter.wait(f"{figure}.dataset.state === 'ready'", PATIENCE)
    return figure


def move(chapter: Browser, figure: str, step: int) -> None:
    """Put the slider of ``figure`` at ``step``, and wait until that is drawn."""
    slider = f"{figure}.querySelector('input[type=range]')"
    chapter.run(f"const s = {slider}; s.value = {step}; s.dispatchEvent(new Event('input'))")
    chapter.wait(f"{figure}.dataset.step === '{step}'", PATIENCE)
