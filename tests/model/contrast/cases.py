"""A batch, and models with a second encoder, that tests of contrastive terms share."""

from __future__ import annotations

from typing import Any

import torch

from recbole_cl.batch import Batch
from tests.model.build import build_model

# Item correlations need a dataset.
WITHOUT_DATA = {"CoSeRec": {"operators": ["crop", "mask", "reorder"], "short_length": -1}}


def a_batch(n_rows: int = 40, width: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(3)
    seq_len = torch.randint(1, width + 1, (n_rows,), generator=generator)
    item_seq = torch.randint(1, 30, (n_rows, width), generator=generator) * (torch.arange(width) < seq_len[:, None])
    return Batch(item_seq, seq_len, torch.randint(1, 30, (n_rows,), generator=generator))


def build(name: str, complement: Any = None, **settings: Any) -> Any:
    model = build_model(name, **(settings | ({"complement": "a run"} if complement else {})))
    if complement:
        model.complement_with(complement)
    return model


def frozen(**settings: Any) -> Any:
    """A model with dropout, which must stay off."""
    own = {"n_layers": 1, "hidden_dropout_prob": 0.5, "seed": 5, "right_aligned": True}
    return build_model("SASRec", **(own | settings))
