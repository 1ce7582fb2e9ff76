"""RecBole's models in runs of ours: trained on RecBole's batches, tested as all others, taken up exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_cl import load, run
from recbole_cl.config.models import available_models, own_models
from recbole_cl.data.dataset import ROW_END
from recbole_cl.errors import UsageError
from recbole_cl.recboles.data import interactions_of
from recbole_cl.report.store import load_run
from recbole_cl.runs.build import build_data
from recbole_cl.testing.toy import N_ITEMS, N_USERS, TINY, write_cycle
from tests.trainer.parts import assemble, config_of
from tests.watching import interrupted_at, watching

DATA = {key: TINY[key] for key in ("MAX_ITEM_LIST_LENGTH", "show_progress", "use_gpu")}
SIZES: dict[str, dict[str, Any]] = {
    "NCEPLRec": {"rank": 5},
    "S3Rec": {"pretrain_epochs": 1},
    "RaCT": {"pretrain_epochs": 1},
    "DGCF": {"train_batch_size": 128},
    "SASRecCPR": {"reranker_CAN_NUM": 5},
    "GRU4RecCPR": {"reranker_CAN_NUM": 5},
}
LACKING = {"NCL": "the library faiss", "KSR": "a knowledge graph"}
SAMPLE = ["Pop", "BPR", "NeuMF", "LightGCN", "ItemKNN", "FPMC", "recbole:BERT4Rec", "SASRecF"]
ALL = [*(name for name in available_models() if name not in own_models()), "recbole:BERT4Rec", "recbole:SASRec"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A dataset with features of items and vectors of entities."""
    folder = tmp_path_factory.mktemp("data")
    where = write_cycle(folder)
    items = [f"i{k}\tc{k % 3} d{k % 2}\t{k}\t{k} 0.5\n" for k in range(N_ITEMS)]
    columns = "item_id:token\tclass:token_seq\tprice:float\tsize:float_seq\n"
    (folder / "cycle" / "cycle.item").write_text(columns + "".join(items))
    vectors = [f"i{k}\t{' '.join(str((k + j) / 100) for j in range(64))}\n" for k in range(N_ITEMS)]
    (folder / "cycle" / "cycle.ent").write_text("ent_id:token\tent_emb:float_seq\n" + "".join(vectors))
    return DATA | where


def trains(name: str, settings: dict[str, Any], **more: Any) -> Any:
    """One epoch; the run folder then is that of any other run."""
    result = run(name, "cycle", epochs=1, **settings, **SIZES.get(name, {}), **more)
    stored = load_run(result.run_dir)
    for ranks in stored.ranks.values():
        assert ranks.shape == (N_USERS,) and ranks.min() >= 1 and ranks.max() <= N_ITEMS
    assert not torch.is_anomaly_enabled()  # which some of RecBole's files switch on
    return result


@pytest.mark.parametrize("name", SAMPLE)
def test_a_model_of_recbole_trains_and_is_tested_like_all_others(name: str, settings: dict[str, Any]) -> None:
    result = trains(name, settings)
    reference = trains("SASRec", settings | TINY) if name == "BPR" else None
    assert reference is None or result.targets == reference.targets  # so that compare pairs them
    loaded = load(result.run_dir)  # and what lies in its checkpoint scores as it did
    assert type(loaded.model).__name__ == name.removeprefix("recbole:")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL if name not in SAMPLE])
def test_every_other_model_runs_or_says_what_it_lacks(name: str, settings: dict[str, Any]) -> None:
    if name in LACKING:
        with pytest.raises(UsageError, match=f"^{name} needs {LACKING[name]}"):
            trains(name, settings)
    else:
        trains(name, settings)


def test_a_first_stage_has_metrics_of_popularity_too(settings: dict[str, Any]) -> None:
    more = {"train_stage": "pretrain", "metrics": ["Hit", "AveragePopularity"], "valid_metric": "Hit@10"}
    assert "averagepopularity@10" in trains("S3Rec", settings, **more).test["history_kept"]


def test_a_loaded_run_ranks_as_its_test_did(settings: dict[str, Any]) -> None:
    from recbole_cl.evaluation.evaluate import RankEvaluator
    from recbole_cl.runs.evaluation_rows import build_evaluation_rows

    for name in ("ItemKNN", "LightGCN"):  # a sparse matrix beside the weights, and what is computed from these
        result = trains(name, settings)
        loaded = load(result.run_dir)
        rows = build_evaluation_rows(loaded.config, loaded.splits[2], "test")
        ranks = RankEvaluator(loaded.model, 256).rank(rows)["keep"].rank
        assert np.array_equal(ranks.numpy(), np.load(result.run_dir / "ranks_test.npy"))


@pytest.mark.parametrize(
    "name",
    [
        "NeuMF",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("recbole:BERT4Rec", "RecVAE")),
    ],
)
def test_a_run_that_is_taken_up_ends_as_if_it_had_not_been_cut_short(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Both of torch's random states and numpy's (NeuMF), Python's (BERT4Rec), and two optimisers (RecVAE)."""
    written: list[int] = []  # bytes of events that would outlive the process, in each epoch

    def see(message: str) -> None:
        if " training [" in message:
            written.extend(file.stat().st_size for file in tmp_path.glob("*/events*"))

    given = settings | {"checkpoint_dir": str(tmp_path), "epochs": 3}
    with watching(see):
        whole = run(name, "cycle", **given)
    assert 0 < written[0] < written[1] < written[2]
    with interrupted_at("epoch 1 training"), pytest.raises(KeyboardInterrupt):
        run(name, "cycle", **given)
    folder = next(it for it in tmp_path.iterdir() if it != whole.run_dir)
    resumed = run(resume=str(folder))
    ours, theirs = (torch.load(it.run_dir / "best.pth", weights_only=True) for it in (whole, resumed))
    assert resumed.test == whole.test and resumed.valid == whole.valid
    assert all(torch.equal(value, theirs["state_dict"][key]) for key, value in ours["state_dict"].items())


def test_no_test_or_validation_item_is_trained_on(settings: dict[str, Any]) -> None:
    config = config_of(Path(settings["data_path"]), "BPR", hidden_size=None, inner_size=None)
    _, (train, valid, test) = build_data(config)
    taught = interactions_of(train)
    hidden = set(torch.cat((valid.inter_feat[ROW_END], test.inter_feat[ROW_END])).tolist())
    open_to_training = [place for place in range(len(train.flat)) if place not in hidden]
    known = {(int(train.flat["user_id"][place]), int(train.flat["item_id"][place])) for place in open_to_training}
    kept = {(int(u), int(i)) for u, i in zip(taught.inter_feat["user_id"], taught.inter_feat["item_id"], strict=True)}
    assert len(taught) == len(train.flat) - len(hidden) == len(train) + N_USERS and kept == known
    assert taught.inter_matrix().nnz == len(kept)
    loader = assemble(Path(settings["data_path"]), "BPR", hidden_size=None, inner_size=None).loader
    seen = {(int(u), int(i)) for batch in loader for u, i in zip(batch["user_id"], batch["item_id"], strict=True)}
    assert seen == kept


def test_pickles_that_recbole_would_take_up_are_not_touched(settings: dict[str, Any], tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "harmed").encode() + b"'\ntR."
    for name in ("cycle-Dataset.pth", "cycle-for-BPR-dataloader.pth", "cycle-SequentialDataset.pth"):
        (tmp_path / name).write_bytes(bomb)
    run("BPR", "cycle", epochs=1, **(settings | {"checkpoint_dir": str(tmp_path)}))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.slow
def test_a_first_stage_hands_its_weights_to_the_next(settings: dict[str, Any]) -> None:
    first = trains("S3Rec", settings)
    assert not first.valid and json.loads((first.run_dir / "result.json").read_text())["epochs_run"] == 1
    second = trains("S3Rec", settings, train_stage="finetune", pre_model_path=str(first.run_dir / "best.pth"))
    assert second.valid


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("FDSA", {"selected_features": ["brand"]}, "FDSA needs brand of cycle.item, which is not loaded"),
        (
            "FDSA",
            {"selected_features": ["class", "price"]},
            "FDSA reads numbers only from numerical_features: add price",
        ),
        (
            "SASRecF",
            {"selected_features": ["size"], "numerical_features": ["size"]},
            "SASRecF fails with vectors, as size",
        ),
        ("LDiffRec", {"n_cate": 2}, "LDiffRec needs the library kmeans_pytorch"),
        ("BPR", {"ema_decay": 0.9}, "ema_decay = 0.9: BPR trains with RecBole's trainer"),
        ("ConvNCF", {"cnn_channels": [1, 2]}, "ConvNCF can't be built with these settings"),
    ],
)
def test_what_is_lacking_is_told_in_one_line(
    name: str, given: dict[str, Any], words: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as caught:
        run(name, "cycle", epochs=1, **settings, **given)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_a_user_of_all_items_leaves_no_negative(tmp_path: Path) -> None:
    where = write_cycle(tmp_path, n_users=4)
    with (tmp_path / "cycle" / "cycle.inter").open("a") as file:
        file.writelines(f"all\ti{step % N_ITEMS}\t{step}\n" for step in range(N_ITEMS + 5))
    with pytest.raises(UsageError, match="BPR draws items that a user has not met, and a user has met all"):
        run("BPR", "cycle", **(DATA | where))


def test_numbers_of_items_and_ratings_are_read_as_in_recbole(settings: dict[str, Any]) -> None:
    features = {"selected_features": ["class", "price"], "numerical_features": ["price"]}
    model = assemble(Path(settings["data_path"]), "SASRecF", **features).trainer.model
    assert any("float_embedding_table" in name for name in model.state_dict())
    rated = {"inter_matrix_type": "rating", "RATING_FIELD": "timestamp", "hidden_size": None, "inner_size": None}
    assert config_of(Path(settings["data_path"]), "LightGCN", require_pow=True, hidden_size=None, inner_size=None)[
        "require_pow"
    ]
    rating: Any = assemble(Path(settings["data_path"]), "DMF", **rated).trainer.model
    assert rating.max_rating > 1


def test_negatives_in_place_of_cross_entropy(settings: dict[str, Any]) -> None:
    settings = settings | {"eval_batch_size": 16}  # of 80 users
    plain, paired = trains("GRU4Rec", settings), trains("GRU4Rec", settings, loss_type="BPR")
    assert (plain.train_form, paired.train_form) == ("prefix", "recbole") and plain.test != paired.test
