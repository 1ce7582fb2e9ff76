"""DuoRec against the losses and scores of the authors' code, in eval mode with their weights."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Batch, Rows
from tests.model.build import oracle_model
from tests.oracles.load import oracle


@pytest.mark.parametrize("contrast", ["un", "su", "us", "us_x"])
@pytest.mark.parametrize(
    ("similarity", "temperature", "tag"), [("dot", 1.0, "dot_tau1.0"), ("cosine", 0.05, "cos_tau0.05")]
)
def test_losses_are_the_authors(contrast: str, similarity: str, temperature: float, tag: str) -> None:
    a3 = oracle("a3_duorec_model_eval")
    settings = {"contrast": contrast, "similarity": similarity, "temperature": temperature}
    model = oracle_model("DuoRec", a3, unsupervised_weight=0.1, supervised_weight=0.2, **settings)
    batch = Batch(
        a3["item_seq"], a3["item_len"], a3["pos_items"], extra={"same_target": Rows(a3["sem_aug"], a3["sem_len"])}
    )
    loss = sum(model.losses(batch).values())
    torch.testing.assert_close(loss, a3[f"{contrast}_{tag}::loss"], rtol=1e-6, atol=1e-6)


def test_scores_are_the_authors() -> None:
    a3 = oracle("a3_duorec_model_eval")
    model = oracle_model("DuoRec", a3)
    hidden = model(a3["item_seq"], a3["item_len"])
    torch.testing.assert_close(hidden, a3["forward_last"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(hidden, 0, 13), a3["full_sort_scores"], rtol=1e-6, atol=1e-6)
