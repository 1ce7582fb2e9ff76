"""A batch that the tests of this folder share."""

from __future__ import annotations

import torch

from recbole_cl.batch import Batch


def a_batch(n_rows: int = 40, width: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(3)
    seq_len = torch.randint(1, width + 1, (n_rows,), generator=generator)
    item_seq = torch.randint(1, 30, (n_rows, width), generator=generator) * (torch.arange(width) < seq_len[:, None])
    return Batch(item_seq, seq_len, torch.randint(1, 30, (n_rows,), generator=generator))
