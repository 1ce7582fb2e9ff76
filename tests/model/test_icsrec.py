"""ICSRec: the authors' numbers, its weights, and what it clusters."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.batch import Batch, Rows
from tests.model.build import build_model, from_left_padded, load_s3rec_weights
from tests.oracles.load import oracle


def small(n_intents: int, **settings: Any) -> Any:
    sizes = {"hidden_size": 8, "inner_size": 32, "n_intents": n_intents}
    return build_model("ICSRec", 14, 6, **sizes, **settings).eval()  # their unused row is an item of ours


def with_centroids(model: Any, centroids: torch.Tensor) -> Any:
    model.intents.centroids.copy_(centroids)
    model.intents.is_fitted.fill_(True)
    return model


def test_losses_and_scores_are_the_authors() -> None:
    h3 = oracle("h3_icsrec_model_eval")
    model = with_centroids(small(4, coarse_weight=0.3, fine_weight=0.1), h3["centroids_raw"])
    load_s3rec_weights(model, {key[3:]: value for key, value in h3.items() if key.startswith("w::")})
    item_seq, seq_len = from_left_padded(h3["subsequence_1"])
    partner = Rows(*from_left_padded(h3["subsequence_2"]))
    rows = Rows(item_seq, seq_len)
    torch.testing.assert_close(model._represent(rows), h3["kmeans_input"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(model(*rows[:2]), 0, 14), h3["scores"], rtol=1e-6, atol=1e-6)
    terms = model.losses(Batch(item_seq, seq_len, h3["target"], extra={"same_target": partner}))
    expected = {"recommendation": h3["rec_loss"], "coarse": 0.3 * h3["cicl"], "fine": 0.1 * h3["ficl"]}
    assert set(terms) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, rtol=1e-6, atol=1e-6)
    sum(terms.values()).backward()
    gradient = h3["joint_grad_item_embeddings"]
    torch.testing.assert_close(model.item_embedding.weight.grad, gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("similarity", "temperature"), [("dot", 1.0), ("dot", 0.5), ("cosine", 1.0), ("cosine", 0.5)])
def test_contrasts_are_the_authors(masked: bool, similarity: str, temperature: float) -> None:
    """On given states in the place of encoded rows."""
    h1 = oracle("h1_icsrec_losses")
    settings = {"similarity": similarity, "temperature": temperature, "mask_false_negatives": masked}
    model = with_centroids(small(4, coarse_weight=1.0, fine_weight=1.0, **settings), h1["centroids_raw"])
    states = [h1[name][:, -1].clone().requires_grad_() for name in ("h1", "h2")]
    for z, name in zip(states, ("assign_h1", "assign_h2"), strict=True):
        assert torch.equal(model.intents(z).cluster, h1[name])
    torch.testing.assert_close(model.intents(states[0]).centroid, h1["intent_h1"], rtol=1e-6, atol=1e-6)
    model.encode = lambda *rows: [states[0].detach(), *states]
    target = h1["target"][:, -1] % 14  # theirs has more items; which are equal is all that counts
    assert torch.equal(target[:, None] == target, h1["target"][:, -1:] == h1["target"][:, -1])
    rows = Rows(torch.ones(7, 1, dtype=torch.int64), torch.ones(7, dtype=torch.int64))
    terms = model.losses(Batch(*rows[:2], target, extra={"same_target": rows}))
    tag = f"fneg{int(masked)}_{'cos' if similarity == 'cosine' else 'dot'}_tau{temperature}::"
    for ours, theirs in (("coarse", "cicl"), ("fine", "ficl")):
        torch.testing.assert_close(terms[ours], h1[tag + theirs], rtol=1e-6, atol=1e-6)
        gradients = torch.autograd.grad(terms[ours], states, retain_graph=True)
        for gradient, name in zip(gradients, ("h1", "h2"), strict=True):
            torch.testing.assert_close(gradient, h1[f"{tag}{theirs}_grad_{name}"], rtol=1e-6, atol=1e-6)


def test_without_weights_only_recommendation_is_left() -> None:
    model = small(4, coarse_weight=0.0, fine_weight=0.0)
    one = torch.ones(3, 2, dtype=torch.int64)
    assert model.intents is None and not model.batch_hooks
    assert set(model.losses(Batch(one, one[:, 0], one[:, 1]))) == {"recommendation"}
    assert small(4, fine_weight=0.0).intents is None
