"""Figures of the book: alive in a notebook, and on a static page with no kernel."""

from nbhelpers.show.contours import probability_map
from nbhelpers.show.curves import kappa_curve, kappa_slider, strength_entropy
from nbhelpers.show.emergence import emergence
from nbhelpers.show.figure import Figure, Table
from nbhelpers.show.images import image_row
from nbhelpers.show.live import Explore
from nbhelpers.show.neighbours import neighbours
from nbhelpers.show.picture import Picture
from nbhelpers.show.sphere import sample_space
from nbhelpers.show.tables import TableView, table1

__all__ = [
    "Explore",
    "Figure",
    "Picture",
    "Table",
    "TableView",
    "emergence",
    "image_row",
    "kappa_curve",
    "kappa_slider",
    "neighbours",
    "probability_map",
    "sample_space",
    "strength_entropy",
    "table1",
]
