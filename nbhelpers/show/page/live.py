"""Controls for a live kernel above any figure function; without a kernel a page offers the choices of one of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import clear_output, display

from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.inline import asset
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.shown import Shown, Writers
from nbhelpers.show.text import page, visible


class Explore(Shown):
    """Draw a figure again whenever its reader moves a control.

    A front end with a kernel shows the controls and the figure. A static page offers the choices of the first control
    that is a list, drawn when the page is made, while the other controls keep their first values; a line names those.

    What ``function`` raises at the first drawing, or outside a notebook, is raised. Later, or for one choice of a page,
    it is shown where the figure would be.

    Parameters
    ----------
    function : callable
        Takes one keyword argument for each control and returns a :class:`Figure` or a :class:`Picture`.
    **controls : widget or abbreviation
        As for ``ipywidgets.interact``: a widget, ``(low, high, step)``, a list or mapping of choices, a bool. The
        default of the argument, if it has one, is the first value.

    Attributes
    ----------
    figure : Figure or Picture
        What was drawn last.

    Raises
    ------
    ValueError
        If there is no control, or one can't be made a widget.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> Explore(lambda width: Picture(plt.figure(figsize=(width, 1)), alt=f"{width} wide."), width=(1, 5)).figure
    3 wide.
    """

    def __init__(self, function: Callable[..., Figure | Picture], **controls: Any) -> None:
        if not controls:
            raise ValueError("there is nothing to explore: name at least one argument of the function and its choices")
        self.function = function
        self.controls = {name: _widget(function, name, choice) for name, choice in controls.items()}
        self.output = ipywidgets.Output()
        self.figure = self.draw()
        for widget in self.controls.values():
            widget.observe(self._redraw, names="value")

    def _sentence(self) -> str:
        return self.figure.alt

    def _stills(self) -> Writers:
        return self.figure._stills()

    def draw(self, **instead: Any) -> Figure | Picture:
        """The figure for what the controls say now, but for these arguments."""
        return self.function(**{name: widget.get_interact_value() for name, widget in self.controls.items()} | instead)

    def _redraw(self, change: Any) -> None:
        with self.output:  # in a notebook it shows what is raised here, else lets it pass
            clear_output(wait=True)
            self.figure = self.draw()
            display(self.figure)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # Not captured by the widget: a client without a screen would answer on the channel on which it awaits our
        # reply, and now and then it then waits for ever.
        shown = {"output_type": "display_data", "data": self.figure._repr_mimebundle_(), "metadata": {}}
        self.output.outputs = (shown,)
        view = ipywidgets.VBox([*self.controls.values(), self.output])
        widget = view._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
        still = {"text/html": self.html(), "text/plain": repr(self.figure)}
        return {"application/vnd.jupyter.widget-view+json": widget, **still}

    def html(self) -> str:
        """The figure for a page, a menu for the first list of choices, and what the other controls are."""
        lists = (name for name, widget in self.controls.items() if isinstance(widget, ipywidgets.Dropdown))
        offered = next(lists, None)
        kept = ", ".join(widget.description for name, widget in self.controls.items() if name != offered)
        note = f'<p class="nbh-live">With a live kernel you choose here: {page(kept)}.</p>' if kept else ""
        if offered is None:
            return self.figure.html() + note
        widget = self.controls[offered]
        entries, others = [], []
        for number, entry in enumerate(widget.options):
            label, value = entry if isinstance(entry, tuple) else (str(entry), entry)
            chosen = value == widget.value
            entries.append(f"<option{' selected' * chosen}>{page(visible(label))}</option>")
            if not chosen:
                others.append(f'<template data-at="{number}">{self._choice(offered, value)}</template>')
        # A form control that a script drives stays off until the script is there.
        return (
            '<div class="nbh-choices"><label class="nbh-menu">'
            f'{page(widget.description)} <select autocomplete="off" disabled>{"".join(entries)}</select></label>'
            f'<div class="nbh-chosen">{self.figure.html()}</div>{"".join(others)}{note}'
            f"<script>{asset('choices.js')}</script></div>"
        )

    def _choice(self, name: str, value: Any) -> str:
        try:
            return self.draw(**{name: value}).html()
        except Exception as error:  # of one choice: it must not take the figure and the other choices from the reader
            return f'<p class="nbh-raised">{page(f"{type(error).__name__}: {error}")}</p>'


def _widget(function: Callable[..., Any], name: str, choice: Any) -> ipywidgets.ValueWidget:
    argument = inspect.signature(function).parameters.get(name, inspect.Parameter)
    widget = ipywidgets.interactive.widget_from_abbrev(choice, getattr(argument, "default", argument.empty))
    if widget is None:
        raise ValueError(f"{name}={choice!r} is no control: give a widget, (low, high, step), choices or a bool")
    widget.description = widget.description or name
    widget.style.description_width = "initial"
    if hasattr(widget, "continuous_update"):
        widget.continuous_update = False  # a figure takes a moment: draw it for where the slider stops
    return widget
