"""What all estimators of the house share: parameters, each with its limit, and learned tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from functools import partial
from typing import Any

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


def within(limit: Limit, default: Any) -> Any:
    """A parameter of an estimator: what it may be, and what it is by default."""
    return field(default=default, metadata={"limit": limit})


class Estimator(BaseEstimator):
    """scikit-learn's conventions, for a dataclass of parameters: ``fit`` checks them, and learns what ends in ``_``."""

    def check_parameters(self) -> None:
        """Refuse what lies outside its limit with a ``ValueError`` that shows it."""
        for parameter in fields(self):  # pyright: ignore[reportArgumentType]
            if "limit" in parameter.metadata:
                parameter.metadata["limit"](getattr(self, parameter.name), parameter.name)

    def learned(self, name: str, where: torch.Tensor | None = None) -> torch.Tensor:
        """A learned attribute as a tensor, of the type and on the device of another."""
        check_is_fitted(self)
        tensor = torch.as_tensor(getattr(self, name))
        return tensor if where is None else tensor.to(where)
