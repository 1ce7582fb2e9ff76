"""Our SASRec against RecBole's, with RecBole's weights, in eval mode."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recbole.model.sequential_recommender.sasrec import SASRec as RecBoleSASRec

from tests.model.build import FIELDS, Counts, Settings, build_model, load_recbole_weights

SIZES = {"n_layers": 2, "n_heads": 2, "hidden_size": 16, "inner_size": 32, "MAX_ITEM_LIST_LENGTH": 10}


@pytest.fixture(scope="module")
def theirs() -> Any:
    torch.manual_seed(0)
    shape = SIZES | {"hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5, "hidden_act": "gelu", "loss_type": "CE"}
    # weights larger than RecBole's initial ones, so that the outputs differ between rows
    config = Settings(FIELDS | shape | {"layer_norm_eps": 1e-12, "initializer_range": 0.3})
    model = RecBoleSASRec(config, Counts(30)).eval()
    torch.autograd.set_detect_anomaly(False)
    return model


def rows() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    length = torch.randint(1, 11, (40,), generator=generator)
    items = torch.randint(1, 30, (40, 10), generator=generator) * (torch.arange(10) < length.unsqueeze(1))
    return {"item_id_list": items, "item_length": length, "item_id": torch.randint(1, 30, (40,), generator=generator)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("grouped", [True, False])
def test_equal_to_recboles_sasrec(theirs: Any, dtype: torch.dtype, grouped: bool) -> None:
    from recbole.data.interaction import Interaction

    model = build_model("SASRec", **{k: v for k, v in SIZES.items() if k != "MAX_ITEM_LIST_LENGTH"}).eval().to(dtype)
    theirs = theirs.to(dtype)
    load_recbole_weights(model, theirs.state_dict())
    model.group_by_length = grouped
    batch = Interaction(rows())
    close: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(model.full_sort_predict(batch), theirs.full_sort_predict(batch), **close)
    torch.testing.assert_close(model.predict(batch), theirs.predict(batch), **close)
    (loss,) = model.calculate_loss(batch)
    torch.testing.assert_close(loss, theirs.calculate_loss(batch), **close)
