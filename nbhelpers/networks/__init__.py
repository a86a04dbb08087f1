"""Networks: their layers, what they compute, how they are trained and taught."""

from nbhelpers.extras import require

require("data")
