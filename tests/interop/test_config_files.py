"""Configuration files of the kinds that RecBole's users have run untouched, each with the model that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import nn
from torch.nn import functional

from recbole_cl import load, run
from recbole_cl.config.config import Config

FILES = Path(__file__).parent / "configs"
N_ITEMS = 60


def slow(*case: Any) -> Any:
    return pytest.param(*case, marks=pytest.mark.slow)


class StateSpace(SequentialRecommender):
    """A model in RecBole's form: nothing but its code tells which keys it reads. A running mean, by its sizes."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.loss_type, self.d_state = config["loss_type"], config["d_state"]
        self.item_embedding = nn.Embedding(self.n_items, self.d_state * config["expand"], padding_idx=0)

    def forward(self, item_seq: torch.Tensor, item_seq_len: torch.Tensor) -> torch.Tensor:
        return self.item_embedding(item_seq).sum(1) / item_seq_len.unsqueeze(1)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        return functional.cross_entropy(self.full_sort_predict(interaction), interaction[self.POS_ITEM_ID])

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        hidden = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return hidden @ self.item_embedding.weight.T


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("data")
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(90):
        steps = range(8)
        lines += [f"u{user}\ti{(user * 7 + step) % N_ITEMS}\t{1 + step % 5}\t{step}" for step in steps]
    (folder / "shop").mkdir()
    (folder / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    return {"data_path": str(folder), "checkpoint_dir": str(folder / "saved"), "use_gpu": False, "show_progress": False}


@pytest.mark.parametrize(
    ("file", "model", "read"),
    [
        ("duorec", "DuoRec", {"temperature": 1, "supervised_weight": 0.1, "contrast": "us_x"}),
        slow("fearec", "DuoRec", {"stopping_step": 40, "user_inter_num_interval": "[5,inf)"}),
        ("mamba4rec", StateSpace, {"d_state": 32, "train_batch_size": 2048}),
        ("tim4rec", StateSpace, {"chunk_size": 32, "norm_eps": 1e-5}),
        slow("sasrec", "SASRec", {"n_heads": 8, "MAX_ITEM_LIST_LENGTH": 200}),
        slow("gru4rec", "GRU4Rec", {"embedding_size": 64, "num_layers": 2}),
        slow("caser", "Caser", {"nv": 4, "reg_weight": 1e-4}),
        ("llmrank", "SASRec", {"eval_batch_size": 100, "has_gt": None}),
        slow("recbole_gnn", "GCSAN", {"normalize_all": True, "undirected_net": None}),
        ("glint_ru", "CL4SRec", {"MAX_ITEM_LIST_LENGTH": 100, "user_inter_num_interval": None}),
    ],
)
def test_a_file_runs_as_it_is(file: str, model: Any, read: dict[str, Any], data: dict[str, Any]) -> None:
    shorter = {"MAX_ITEM_LIST_LENGTH": 10} if model == "Caser" else {}  # it has a filter for each length
    result = run(model, "shop", config_files=FILES / f"{file}.yaml", **data | shorter, epochs=1)
    assert result.epochs_run == 1 and len(result.test["history_kept"]) >= 2
    loaded = load(result.run_dir)
    assert {key: loaded.config[key] for key in read} == read
    assert loaded.dataset.item_num == N_ITEMS + 1


def test_a_typing_error_in_such_a_file_is_told_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("d_state: 8\nexpand: 2\nloss_type: CE\ntrain_batch_sise: 3\n")
    with pytest.raises(ValueError, match="'train_batch_sise'; did you mean train_batch_size"):
        Config(StateSpace, "ml-100k", [file])
