"""Networks that give a similarity threshold for each row of a batch.

Letters: B rows, D hidden size, P rows of a full batch.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from recbole_cl.errors import UsageError


class PerRowThreshold(nn.Module):
    """A threshold for each row from its own representation: D -> D / 8 -> 1, for any number of rows.

    Args:
        hidden_size: D.

    Note:
        In the authors' code this network is commented out. As there, there is no nonlinearity between the layers.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        inner = max(hidden_size // 8, 1)
        self.layers = nn.Sequential(nn.Linear(hidden_size, inner), nn.Linear(inner, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """Thresholds, [B, D] -> [B]."""
        return _to_cosines(self.layers(hidden).squeeze(1))


class FlatThreshold(nn.Module):
    """A threshold for each row from the representations of the whole batch: P D -> P D / 8 -> P.

    Reference:
        Jeon et al. (AdaptiveRec), 2023, Eq. 7.

    Args:
        hidden_size: D.
        most_rows: P, number of rows of a full batch.
        max_parameters: Maximum number of parameters; P = 256 and D = 64 need 34 million, P = 1,024 needs 545 million.

    Raises:
        UsageError: If it would have more.

    Note:
        The authors' trainer skips batches that do not have as many rows as an evaluation batch; here missing rows are
            zeros. The initial outputs spread with the batch size: beyond a few hundred rows most thresholds begin at
            either end.
    """

    def __init__(self, hidden_size: int, most_rows: int, max_parameters: int) -> None:
        super().__init__()
        self.most_rows = most_rows
        size = most_rows * hidden_size
        inner = size // 8
        count = (size + 1) * inner + (inner + 1) * most_rows
        if count > max_parameters:
            raise UsageError(
                f"threshold_network = flat: {count:,} parameters for batches of {most_rows} rows are more than "
                f"max_flat_parameters = {max_parameters:,}; use per_row, lower train_batch_size or raise the limit"
            )
        self.layers = nn.Sequential(nn.Linear(size, inner), nn.Linear(inner, most_rows))

    def forward(self, hidden: Tensor) -> Tensor:
        """Thresholds, [B, D] -> [B], B at most P."""
        full = F.pad(hidden, (0, 0, 0, self.most_rows - len(hidden)))  # [P, D]
        return _to_cosines(self.layers(full.flatten())[: len(hidden)])


def _to_cosines(logits: Tensor) -> Tensor:
    """Maps logits to (-1.05, 1.05), so that a threshold may lie beyond every cosine."""
    return 2.1 * (logits.sigmoid() - 0.5)
