"""Pure mathematics of directions and their concentration: no networks, no images."""
