"""Figures of the book: alive in a notebook, and on a static page with no kernel.

Every figure is one function from an :class:`~nbhelpers.ImageSet` or plain arrays (NumPy or torch) to an object that
shows itself. Three-dimensional ones are drawn in one scene (``scene``), still ones by matplotlib; ``style`` holds the
colours and symbols of all, ``text`` how names are shown as what they are, ``page`` what a page needs. They read alike,
and raise a ``ValueError`` that names what is missing, not finite, or does not fit the rest:

- ``alt``: the sentence that tells what is to be seen to a reader who can't see it. It must not be empty.
- ``images``: the N images that the numbers are of, with their labels and the names of the C categories; or the C
  ``categories`` alone. ``captions``: one text an image.
- ``directions``: category directions ``mu``, of any length but zero; one set serves all steps.
- ``grid``: rows and columns of the R regions of an image, which are counted row by row.
- ``step_labels``: one name for each of the S steps of a slider, which shows the last one first.
"""

# ruff: noqa: E402, F401
from nbhelpers.extras import require

require("figures")

from nbhelpers.show.attack_curves import layer_changes, success_along, type_shares
from nbhelpers.show.attack_steps import attack_steps
from nbhelpers.show.attributions import attributions
from nbhelpers.show.claims import claims_table
from nbhelpers.show.contours import probability_map
from nbhelpers.show.curves import kappa_curve, kappa_slider, strength_entropy
from nbhelpers.show.distributions import distribution
from nbhelpers.show.emergence import emergence
from nbhelpers.show.forest import forest
from nbhelpers.show.images import image_row
from nbhelpers.show.map_browser import map_browser
from nbhelpers.show.matches import matches
from nbhelpers.show.neighbours import neighbours
from nbhelpers.show.page.figure import Figure
from nbhelpers.show.page.live import Explore
from nbhelpers.show.page.picture import Picture
from nbhelpers.show.page.table import Table
from nbhelpers.show.region_clouds import region_clouds
from nbhelpers.show.region_curves import agreement, points_along, shares
from nbhelpers.show.region_depth import region_depth
from nbhelpers.show.region_maps import heat_maps, points_on_images
from nbhelpers.show.region_paths import region_paths
from nbhelpers.show.sphere import sample_space
from nbhelpers.show.student_bars import student_points
from nbhelpers.show.tables import ablation_table, table, table1, table2
