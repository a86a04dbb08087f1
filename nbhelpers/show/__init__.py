"""Figures of the book: alive in a notebook, and on a static page with no kernel."""

# ruff: noqa: E402
from nbhelpers.extras import require

require("figures")

from nbhelpers.show.attack_curves import layer_changes, success_along, type_shares
from nbhelpers.show.attack_steps import attack_steps
from nbhelpers.show.claims import claims_table
from nbhelpers.show.contours import probability_map
from nbhelpers.show.curves import kappa_curve, kappa_slider, strength_entropy
from nbhelpers.show.emergence import emergence
from nbhelpers.show.histograms import histogram
from nbhelpers.show.images import image_row
from nbhelpers.show.map_browser import map_browser
from nbhelpers.show.neighbours import neighbours
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.live import Explore
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.region_clouds import region_clouds
from nbhelpers.show.region_curves import agreement, points_along, shares
from nbhelpers.show.region_depth import region_depth
from nbhelpers.show.region_maps import heat_maps, points_on_images
from nbhelpers.show.region_paths import region_paths
from nbhelpers.show.region_tables import ablation_table, table2
from nbhelpers.show.sphere import sample_space
from nbhelpers.show.student_bars import student_points
from nbhelpers.show.tables import Table, TableView, table1

__all__ = [
    "Explore",
    "Figure",
    "Picture",
    "Table",
    "TableView",
    "ablation_table",
    "agreement",
    "attack_steps",
    "claims_table",
    "emergence",
    "heat_maps",
    "histogram",
    "image_row",
    "kappa_curve",
    "kappa_slider",
    "layer_changes",
    "map_browser",
    "neighbours",
    "points_along",
    "points_on_images",
    "probability_map",
    "region_clouds",
    "region_depth",
    "region_paths",
    "sample_space",
    "shares",
    "strength_entropy",
    "student_points",
    "success_along",
    "table1",
    "table2",
    "type_shares",
]
