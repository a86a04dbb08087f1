"""A data set with a network and its checkpoints, and the numbers that are recorded of them."""

from nbhelpers.extras import require

require("data")
