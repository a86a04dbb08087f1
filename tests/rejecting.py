"""Checks of exercises that must reject an answer."""

import pytest


def rejects(check, answer, message):
    with pytest.raises(AssertionError, match=message):
        check(answer)
