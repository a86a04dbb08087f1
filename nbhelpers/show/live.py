"""Controls for a live kernel above any figure function; without a kernel the figure stands alone."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import clear_output, display

from nbhelpers.show.figure import Figure
from nbhelpers.show.picture import Picture


class Explore:
    """Draw a figure again whenever its reader moves a control.

    A front end with a kernel shows the controls and the figure. A static page shows the figure for the controls' first
    values, and a line that names what a kernel would let the reader choose.

    An exception of ``function`` is raised in the cell when it happens at the first drawing. Later it is shown where the
    figure would be; outside a notebook, as in a test, it is raised.

    Parameters
    ----------
    function : callable
        Takes one keyword argument for each control and returns a :class:`Figure` or a :class:`Picture`.
    **controls : widget or abbreviation
        As for ``ipywidgets.interact``: a widget, ``(low, high, step)``, a list or mapping of choices, a bool. The
        default of the argument, if it has one, is the first value.

    Attributes
    ----------
    controls : dict of str to widget
    figure : Figure or Picture
        What was drawn last.

    Raises
    ------
    ValueError
        If there is no control, or one can't be made a widget.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> def line(slope):
    ...     return Figure(go.Figure(go.Scatter(x=[0, 1], y=[0, slope])), alt=f"A line of slope {slope}.")
    >>> explore = Explore(line, slope=(1, 5))
    >>> explore.figure
    A line of slope 3.
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

    def draw(self) -> Figure | Picture:
        """The figure for what the controls say now."""
        return self.function(**{name: widget.get_interact_value() for name, widget in self.controls.items()})

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
        names = html.escape(", ".join(widget.description for widget in self.controls.values()))
        note = f'<p class="nbh-live">With a live kernel you choose here: {names}.</p>'
        widget = view._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
        return {
            "application/vnd.jupyter.widget-view+json": widget,
            "text/html": self.figure.html() + note,
            "text/plain": str(self.figure),
        }


def _widget(function: Callable[..., Any], name: str, choice: Any) -> ipywidgets.ValueWidget:
    argument = inspect.signature(function).parameters.get(name)
    widget = ipywidgets.interactive.widget_from_abbrev(
        choice, argument.default if argument else inspect.Parameter.empty
    )
    if widget is None:
        raise ValueError(
            f"{name}={choice!r} can't be made a control: give a widget, (low, high, step), choices or a bool"
        )
    widget.description = widget.description or name
    widget.style.description_width = "initial"
    if hasattr(widget, "continuous_update"):
        widget.continuous_update = False  # a figure takes a moment: draw it for where the slider stops
    return widget
