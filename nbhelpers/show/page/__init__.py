"""The page's own plumbing: display objects, their script and style, pickers and live controls."""
