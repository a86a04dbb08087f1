"""Helpers of the book on visualising the emergence of intermediate visual patterns."""

__version__ = "0.6.0"
