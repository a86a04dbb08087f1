"""What all estimators of the house share: parameters that are checked when a fit begins, and learned tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nbhelpers.maths.arrays import check_choice, check_not_negative, check_positive, check_whole

Limit = Callable[[Any, str], Any]
positive, not_negative = check_positive, check_not_negative


def whole(lowest: int) -> Limit:
    """Whole numbers of at least ``lowest``."""
    return partial(check_whole, lowest=lowest)


def one_of(*choices: str) -> Limit:
    """These names."""
    return partial(check_choice, choices=choices)


class Estimator(BaseEstimator):
    """scikit-learn's conventions: the constructor stores parameters, ``fit`` learns attributes that end in ``_``."""

    limits: ClassVar[dict[str, Limit]] = {}
    """What each parameter may be."""

    def check_parameters(self) -> None:
        """Refuse what lies outside the limits with a ``ValueError`` that shows it."""
        for name, limit in self.limits.items():
            limit(getattr(self, name), name)

    def learned(self, name: str, where: torch.Tensor | None = None) -> torch.Tensor:
        """A learned attribute as a tensor, of the type and on the device of another."""
        check_is_fitted(self)
        tensor = torch.as_tensor(getattr(self, name))
        return tensor if where is None else tensor.to(where)
