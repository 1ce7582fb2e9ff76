"""CL4SRec against the losses and scores of the authors' code, in eval mode with their weights."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Batch, Rows
from tests.model.build import oracle_model
from tests.oracles.load import oracle


@pytest.mark.parametrize(
    ("similarity", "temperature", "weight", "tag"),
    [("dot", 1.0, 0.1, "dot_tau1.0_lmd0.1"), ("cosine", 0.05, 0.3, "cos_tau0.05_lmd0.3")],
)
def test_the_loss_on_given_views_is_the_authors(similarity: str, temperature: float, weight: float, tag: str) -> None:
    e3 = oracle("e3_cl4srec_model_eval")
    settings = {"similarity": similarity, "temperature": temperature, "contrastive_weight": weight}
    model = oracle_model("CL4SRec", e3, **settings)
    views = Rows(e3["aug1"], e3["aug_len1"]), Rows(e3["aug2"], e3["aug_len2"])
    model.draw_views = lambda rows: views
    loss = sum(model.losses(Batch(e3["item_seq"], e3["item_len"], e3["pos_items"])).values())
    torch.testing.assert_close(loss, e3[f"{tag}::loss"], rtol=1e-6, atol=1e-6)
    scores = model.score_items(model(e3["item_seq"], e3["item_len"]), 0, 13)
    torch.testing.assert_close(scores, e3["full_sort_scores"], rtol=1e-6, atol=1e-6)
