"""Checks of the book's exercises: each takes the reader's own function and says what should have been true."""
