"""Methods with a recurrent encoder: RecBole's GRU4Rec with its weights, and what the contract asks of every method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.model.sequential_recommender.gru4rec import GRU4Rec

from recbole_cl import load, run
from recbole_cl.config.models import model_class, own_models
from recbole_cl.errors import UsageError
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.testing.toy import SMALL, write_cycle
from tests.model.build import FIELDS, Counts, Settings, build_model, losses_and_gradients
from tests.model.test_contract import assemble

BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])
METHODS = pytest.mark.parametrize("name", ["SASRec", "DuoRec"])
WITHOUT_ATTENTION = [name for name in own_models() if not model_class(name).needs_attention]
GRU = {"encoder": "gru"}


@pytest.mark.parametrize("grouped", [True, False])
def test_equal_to_recboles_gru4rec(grouped: bool) -> None:
    torch.manual_seed(0)
    shape = {"embedding_size": 16, "hidden_size": 16, "num_layers": 2, "dropout_prob": 0.3, "loss_type": "CE"}
    theirs = GRU4Rec(Settings(FIELDS | shape | {"MAX_ITEM_LIST_LENGTH": 10}), Counts(30)).eval().double()
    torch.autograd.set_detect_anomaly(False)
    model = build_model("SASRec", encoder="gru", n_layers=2).eval()
    renamed = {"gru_layers": "encoder.recurrence", "dense": "encoder.output", "item_embedding": "item_embedding"}
    parts = ((name.partition("."), value) for name, value in theirs.state_dict().items())
    model.load_state_dict({f"{renamed[part]}.{rest}": value for (part, _, rest), value in parts})
    model.group_by_length = grouped
    generator = torch.Generator().manual_seed(3)
    length = torch.randint(1, 11, (40,), generator=generator)
    items = torch.randint(1, 30, (40, 10), generator=generator) * (torch.arange(10) < length[:, None])
    target = torch.randint(1, 30, (40,), generator=generator)
    batch = Interaction({"item_id_list": items, "item_length": length, "item_id": target})
    torch.testing.assert_close(model.full_sort_predict(batch), theirs.full_sort_predict(batch))
    torch.testing.assert_close(sum(model.calculate_loss(batch)), theirs.calculate_loss(batch))


@BOTH_FORMS
@pytest.mark.parametrize("name", WITHOUT_ATTENTION)
def test_losses_reach_every_parameter_however_rows_are_grouped(name: str, form: str, tmp_path: Path) -> None:
    _, model, loader = assemble(model_class(name), tmp_path, train_form=form, hidden_dropout_prob=0.0, **GRU)
    interaction, results = next(iter(loader)), []
    model.start_epoch(0)
    model.named_losses(interaction)
    model.end_epoch(0)  # a term may begin with the second epoch
    model.start_epoch(1)
    for grouped in (True, False):
        results.append(losses_and_gradients(model, lambda: model.named_losses(interaction), grouped))
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@BOTH_FORMS
@METHODS
def test_learns_the_circle(name: str, form: str, tmp_path: Path) -> None:
    epochs = {"prefix": 20, "sequence": 40}[form]
    settings = {"epochs": epochs, "learning_rate": 0.01, "train_form": form, "train_batch_size": 64, "topk": [1, 5, 10]}
    more = {"hidden_dropout_prob": 0.1, "metrics": ["Recall", "MRR"], "eval_step": epochs // 2}
    result = run(name, "cycle", **(SMALL | write_cycle(tmp_path) | settings | more | GRU))
    assert result.test["history_kept"]["recall@1"] > 0.9


@pytest.mark.slow
@METHODS
def test_resumes_and_loads_exactly(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = SMALL | write_cycle(tmp_path) | GRU
    whole, half = run(name, "cycle", **settings, epochs=2), run(name, "cycle", **settings, epochs=1)
    resumed = run(name, "cycle", **settings, epochs=2, resume=str(half.run_dir))
    assert resumed.test == whole.test
    first, second = load(whole.run_dir), load(resumed.run_dir)
    rows = first.splits[2][torch.arange(5)]
    with torch.no_grad():
        assert torch.equal(first.model.full_sort_predict(rows), second.model.full_sort_predict(rows))


def test_a_method_that_needs_attention_refuses_it() -> None:
    class Attentive(EncoderRecommender):
        needs_attention = True

    config = build_model("SASRec").options.model_dump() | FIELDS | GRU | {"MAX_ITEM_LIST_LENGTH": 10}
    with pytest.raises(UsageError, match="encoder = gru: Attentive needs attention"):
        Attentive(Settings(config), Counts(30))
