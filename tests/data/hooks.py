"""Two hooks whose draws a test can tell: a row itself, and facts of it beside a random number."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.hooks import TrainingRows


class Itself:
    """Draws each anchor's own row."""

    def __init__(self, rows: TrainingRows) -> None:
        self.rows = rows

    def draw(self, row: Tensor, generator: torch.Generator) -> Rows:
        return self.rows.take(row)


class Facts:
    """Draws three numbers for each anchor: its user, its target and a random one."""

    def __init__(self, rows: TrainingRows) -> None:
        self.rows = rows

    def draw(self, row: Tensor, generator: torch.Generator) -> Tensor:
        random = torch.randint(1000, row.shape, generator=generator)
        return torch.stack((self.rows.user[row], self.rows.target[row], random), dim=1)
