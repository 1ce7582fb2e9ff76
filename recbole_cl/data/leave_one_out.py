"""The leave-one-out split: the last rows of each user are not used for training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor


def left_out(user: np.ndarray[Any, Any], mode: str) -> list[Tensor]:
    """The rows for training, validation and test; users are in the order in which they first appear.

    Args:
        user: The user of each row, a user's rows oldest first. Shape [R].
        mode: ``valid_and_test``; or ``valid_only`` or ``test_only``, where only a user's last row is held out.

    Returns:
        Row numbers: all but a user's last two, the last but one, the last. If a user has two rows, the first is for
            training and the last for test; a single row is for training.
    """
    group, _ = pd.factorize(user)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    n_behind = np.repeat(np.cumsum(size), size) - np.arange(len(group)) - 1  # rows after each row in its group
    size = np.repeat(size, size)
    is_test = (n_behind == 0) & (size > 1)
    is_valid = (n_behind == 1) & (size > 2) if mode == "valid_and_test" else np.zeros_like(is_test)
    if mode == "valid_only":
        is_test, is_valid = is_valid, is_test
    return [torch.from_numpy(order[part]) for part in (~is_test & ~is_valid, is_valid, is_test)]
