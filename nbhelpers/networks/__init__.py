"""Networks: their layers, what they compute, how they are trained and taught."""
