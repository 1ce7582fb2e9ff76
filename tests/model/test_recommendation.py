"""Every recommendation loss as a choice of a model, and the negatives that are drawn for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recbole_cl.batch import Batch
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.loss.recommendation import cross_entropy
from recbole_cl.model.recommendation import RECOMMENDATION_LOSSES, RecommendationLoss
from recbole_cl.runs.build import build_data, build_loader, build_model
from recbole_cl.testing.toy import N_ITEMS, SMALL, write_cycle
from tests.model.build import build_model as build_small

EVERY_LOSS = pytest.mark.parametrize("loss", RECOMMENDATION_LOSSES.names())
BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])
N = 8  # rows of the item table in the tests of single draws


def assemble(tmp_path: Path, **settings: Any) -> tuple[Any, Any]:
    dropout = {"hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1, "train_batch_size": 64}
    config = Config("SASRec", "cycle", config_dict=SMALL | dropout | write_cycle(tmp_path) | settings)
    train = build_data(config)[1][0]
    model = build_model(config, train)
    return model, build_loader(config, model, train)


def train(model: Any, loader: Any, epochs: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    means = []
    for _ in range(epochs):
        losses = []
        for interaction in loader:
            optimizer.zero_grad()
            loss = sum(model.calculate_loss(interaction))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(form: str = "sequence") -> Batch:
    """Rows of two, three and one item; one row holds an item twice, one its own target."""
    return Batch(
        item_seq=torch.tensor([[3, 5, 0], [1, 1, 4], [7, 0, 0]]),
        seq_len=torch.tensor([2, 3, 1]),
        target=torch.tensor([6, 2, 7]),
        next_items=torch.tensor([[5, 6, 0], [1, 4, 2], [7, 0, 0]]) if form == "sequence" else None,
    )


def loss_of(
    name: str, dataset: Any = None, n_items: int = N, max_length: int = 3, **options: Any
) -> RecommendationLoss:
    defaults = {
        "n_negatives": 50,
        "popularity_exponent": 0.0,
        "exclude_row_items": False,
        "label_smoothing": 0.0,
        "history_penalty": False,
        "gbce_calibration": 0.75,
    }
    settings = SimpleNamespace(**(defaults | {"recommendation_loss": name} | options))
    return RecommendationLoss(settings, n_items, max_length, generator(), dataset)


def split_with_targets(targets: list[int]) -> Any:
    return SimpleNamespace(iid_field="item", inter_feat={"item": torch.tensor(targets)})


@pytest.mark.slow
@BOTH_FORMS
@EVERY_LOSS
def test_every_loss_falls(loss: str, form: str, tmp_path: Path) -> None:
    model, loader = assemble(tmp_path, recommendation_loss=loss, train_form=form)
    means = train(model, loader, epochs={"prefix": 4, "sequence": 8}[form])
    assert all(torch.isfinite(torch.tensor(means))) and means[-1] < 0.7 * means[0]


@pytest.mark.slow
def test_logits_that_take_much_memory_are_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_cl.model.recommendation._LARGE_LOGITS", 4e-9 * 30 * 6)
    for name, n_targets, told in (("ce", 6, 0), ("ce", 7, 1), ("chunked_ce", 7, 0)):
        model = build_small("SASRec", recommendation_loss=name)
        caplog.clear()
        for _ in range(2):
            model.recommendation_loss(torch.randn(n_targets, 16).double(), torch.ones(n_targets, dtype=torch.int64))
        assert [("chunked_ce has the same" in it.message) for it in caplog.records] == [True] * told


@pytest.mark.parametrize("settings", [{"n_negatives": 10}, {"popularity_exponent": 0.75}], ids=str)
def test_sampled_softmax_learns_the_circle(settings: dict[str, Any], tmp_path: Path) -> None:
    model, loader = assemble(tmp_path, recommendation_loss="sampled_softmax", **settings)
    train(model, loader, epochs=11)
    model.eval()
    interaction = loader.batch(torch.arange(len(loader.rows)))
    best = model.full_sort_predict(interaction)[:, 1:].argmax(1) + 1
    assert (best == interaction["item_id"]).double().mean() > 0.9


@EVERY_LOSS
def test_the_seed_decides_the_negatives(loss: str, tmp_path: Path) -> None:
    weights = []
    for i, seed in enumerate((1, 1, 2)):
        model, loader = assemble(tmp_path / str(i), recommendation_loss=loss, seed=1)
        model.generator.manual_seed(seed)
        model.encoder.eval()  # no dropout, which draws from the same generator
        train(model, loader, epochs=1)
        weights.append(model.item_embedding.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2]) == (loss in ("ce", "chunked_ce"))


@EVERY_LOSS
def test_every_loss_is_finite_in_bfloat16(loss: str) -> None:
    model = build_small("SASRec", recommendation_loss=loss).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (term,) = model.losses(rows()).values()
    term.backward()
    assert term.dtype == torch.float32 and torch.isfinite(term)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@BOTH_FORMS
@pytest.mark.parametrize("name", ["SASRec", "CL4SRec"])
def test_ce_and_chunked_ce_agree_through_a_model(name: str, form: str) -> None:
    results = []
    for loss in ("ce", "chunked_ce"):
        model = build_small(name, recommendation_loss=loss)
        terms = model.losses(rows(form))
        sum(terms.values()).backward()
        results.append([terms["recommendation"], *(parameter.grad for parameter in model.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_sampled_softmax_with_many_negatives_approaches_cross_entropy(exponent: float) -> None:
    hidden = torch.randn(5, 4, generator=generator(1), dtype=torch.float64, requires_grad=True)
    table = torch.randn(N, 4, generator=generator(2), dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1, 2, 2, 5, 7])
    dataset = split_with_targets([1, 2, 2, 5, 7, 7, 7, 7, 7])  # 3, 4 and 6 are never a target
    loss = loss_of("sampled_softmax", dataset, n_negatives=400_000, popularity_exponent=exponent)
    sampled, full = loss(hidden, table, target), cross_entropy(hidden, table[1:], target - 1)
    torch.testing.assert_close(sampled, full, rtol=5e-3, atol=0)
    for a, b in zip(*(torch.autograd.grad(it, (hidden, table)) for it in (sampled, full)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=5e-3)


def test_sampled_softmax_estimates_the_normaliser_without_bias() -> None:
    """With few negatives, too: the mean of exp(loss) over draws is the full softmax's 1 / probability."""
    hidden, table = (torch.randn(*shape, generator=generator(3), dtype=torch.float64) for shape in [(1, 4), (N, 4)])
    target = torch.tensor([3])
    dataset = split_with_targets([1, 1, 3, 7])
    for exponent in (0.0, 1.0):
        loss = loss_of("sampled_softmax", dataset, n_negatives=2, popularity_exponent=exponent)
        ratios = torch.stack([loss(hidden, table, target).exp() for _ in range(4000)])
        expected = cross_entropy(hidden, table[1:], target - 1).exp()
        assert abs(ratios.mean() - expected) < 4 * ratios.std() / len(ratios) ** 0.5
        assert ratios.std() > 0


def test_popularity_is_that_of_training_targets(tmp_path: Path) -> None:
    settings = {"recommendation_loss": "sampled_softmax", "popularity_exponent": 1.0, "n_negatives": 64}
    model, loader = assemble(tmp_path, **settings)
    counts = torch.zeros(N_ITEMS + 1, dtype=torch.int64)
    for interaction in loader:
        counts += torch.bincount(interaction["item_id"], minlength=N_ITEMS + 1)
    expected = (counts + 1) / (counts[1:] + 1).sum()
    negatives, log_count = model._recommendation.shared.draw()
    torch.testing.assert_close(log_count, (64 * expected[negatives]).log())


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_one_negative_is_any_item_but_the_target(loss: str) -> None:
    drawing = loss_of(loss)
    target = torch.tensor([1, 4, 7]).repeat(7000)
    negative = drawing.one_each(target, rows())
    seen = torch.bincount(target * N + negative, minlength=N * N).view(N, N)
    for item in (1, 4, 7):
        assert seen[item, 0] == seen[item, item] == 0
        others = seen[item][[i for i in range(1, N) if i != item]].double()
        assert ((others - 7000 / 6).abs() < 4 * (7000 / 6) ** 0.5).all()


@BOTH_FORMS
def test_one_negative_can_keep_out_of_the_row(form: str) -> None:
    batch = rows(form)
    free = [{1, 2, 4, 7}, {3, 5, 6, 7}, {1, 2, 3, 4, 5, 6}]
    owner = [0, 1, 2] if form == "prefix" else [0, 0, 1, 1, 1, 2]
    drawing = loss_of("bce", exclude_row_items=True)
    drawn = torch.stack([drawing.one_each(batch.supervised_target, batch) for _ in range(200)])
    assert [set(column.tolist()) for column in drawn.T] == [free[row] for row in owner]


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("bpr", {"n_items": 2}, "recommendation_loss = bpr: 1 item leaves no negative"),
        ("sampled_softmax", {"n_items": 2}, "recommendation_loss = sampled_softmax: 1 item leaves no negative"),
        ("bce", {"exclude_row_items": True, "max_length": 6}, "a row of 6 items and its target may leave none of 7"),
    ],
)
def test_too_few_items_are_refused(name: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as caught:
        loss_of(name, **settings)
    assert "\n" not in str(caught.value)


def test_losses_without_such_negatives_do_not_mind() -> None:
    loss = loss_of("chunked_ce", n_items=2)(torch.ones(1, 2), torch.ones(2, 2), torch.tensor([1]))
    assert loss.item() == pytest.approx(0.693147)
    loss_of("sampled_softmax", exclude_row_items=True, max_length=50)


def test_rows_kept_out_must_be_known() -> None:
    loss = loss_of("bpr", exclude_row_items=True)
    with pytest.raises(UsageError, match="does not pass its batch to recommendation_loss"):
        loss(torch.ones(1, 2), torch.ones(N, 2), torch.tensor([1]))


def test_labels_are_smoothed_where_there_are_any() -> None:
    losses = {}
    for loss in ("ce", "chunked_ce"):
        for share in (0.0, 0.2):
            model = build_small("SASRec", recommendation_loss=loss, label_smoothing=share)
            losses[loss, share] = model.losses(rows())["recommendation"].item()
        assert losses[loss, 0.2] != pytest.approx(losses[loss, 0.0])
    assert losses["ce", 0.2] == pytest.approx(losses["chunked_ce", 0.2])
    with pytest.raises(UsageError, match="label_smoothing = 0.2: recommendation_loss = bce has no labels to smooth"):
        loss_of("bce", label_smoothing=0.2)
