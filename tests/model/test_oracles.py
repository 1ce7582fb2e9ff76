"""DuoRec and CL4SRec against the losses and scores of the authors' code, in eval mode with their weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.batch import Batch, Rows
from tests.model.build import build_model, load_recbole_weights
from tests.oracles.load import oracle

SIZES = {"hidden_size": 8, "inner_size": 32, "n_items": 13, "max_length": 6}


def oracle_model(name: str, values: dict[str, Any], **settings: Any) -> Any:
    model = build_model(name, **SIZES, **settings).eval()
    load_recbole_weights(model, {key[3:]: value for key, value in values.items() if key.startswith("w::")})
    return model


@pytest.mark.parametrize("contrast", ["un", "su", "us", "us_x"])
@pytest.mark.parametrize(
    ("similarity", "temperature", "tag"), [("dot", 1.0, "dot_tau1.0"), ("cosine", 0.05, "cos_tau0.05")]
)
def test_duorec_losses(contrast: str, similarity: str, temperature: float, tag: str) -> None:
    a3 = oracle("a3_duorec_model_eval")
    settings = {"contrast": contrast, "similarity": similarity, "temperature": temperature}
    model = oracle_model("DuoRec", a3, unsupervised_weight=0.1, supervised_weight=0.2, **settings)
    batch = Batch(
        a3["item_seq"], a3["item_len"], a3["pos_items"], extra={"same_target": Rows(a3["sem_aug"], a3["sem_len"])}
    )
    loss = sum(model.losses(batch).values())
    torch.testing.assert_close(loss, a3[f"{contrast}_{tag}::loss"], rtol=1e-6, atol=1e-6)


def test_duorec_scores() -> None:
    a3 = oracle("a3_duorec_model_eval")
    model = oracle_model("DuoRec", a3)
    hidden = model(a3["item_seq"], a3["item_len"])
    torch.testing.assert_close(hidden, a3["forward_last"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(hidden, 0, 13), a3["full_sort_scores"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("similarity", "temperature", "weight", "tag"),
    [("dot", 1.0, 0.1, "dot_tau1.0_lmd0.1"), ("cosine", 0.05, 0.3, "cos_tau0.05_lmd0.3")],
)
def test_cl4srec_loss_on_given_views(similarity: str, temperature: float, weight: float, tag: str) -> None:
    e3 = oracle("e3_cl4srec_model_eval")
    settings = {"similarity": similarity, "temperature": temperature, "contrastive_weight": weight}
    model = oracle_model("CL4SRec", e3, **settings)
    views = Rows(e3["aug1"], e3["aug_len1"]), Rows(e3["aug2"], e3["aug_len2"])
    model.draw_views = lambda rows: views
    loss = sum(model.losses(Batch(e3["item_seq"], e3["item_len"], e3["pos_items"])).values())
    torch.testing.assert_close(loss, e3[f"{tag}::loss"], rtol=1e-6, atol=1e-6)
    scores = model.score_items(model(e3["item_seq"], e3["item_len"]), 0, 13)
    torch.testing.assert_close(scores, e3["full_sort_scores"], rtol=1e-6, atol=1e-6)
