"""SASRec goes from RecBole to a run folder and back: the same weights, bit for bit, and the same scores."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from recbole_cl import load
from recbole_cl.cli import main
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.interop import convert_checkpoint
from recbole_cl.interop.checkpoints import read_checkpoint
from recbole_cl.interop.convert_checkpoint import to_checkpoint, to_run_folder


@pytest.fixture(scope="module")
def checkpoint(script: dict[str, Any], registered: list[str], folder: Path) -> Path:
    """What RecBole's trainer writes of its SASRec, with a filter on items and other defaults than ours."""
    settings = script | {"train_neg_sample_args": None, "item_inter_num_interval": "[2,inf)", "n_layers": 3}
    settings |= {"checkpoint_dir": str(folder / "theirs")}
    import_module("recbole.quick_start").run_recbole("SASRec", "cycle", config_dict=settings)
    (file,) = (folder / "theirs").glob("*.pth")
    return file


def test_there_and_back_nothing_changes(checkpoint: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir, back = folder / "ours", folder / "back.pth"
    assert main(["convert-checkpoint", str(checkpoint), f"--output={run_dir}"]) == 0
    assert main(["convert-checkpoint", str(run_dir), f"--output={back}"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(run_dir), str(back)]
    before, after = (read_checkpoint(file)["state_dict"] for file in (checkpoint, back))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

    loaded = load(run_dir)
    assert (loaded.config["n_layers"], loaded.config["train_batch_size"]) == (3, 2048)
    for file in (checkpoint, back):
        _, theirs, _, _, _, test = import_module("recbole.quick_start").load_data_and_model(str(file))
        rows = test.dataset[torch.arange(20)]
        ours = loaded.splits[2][torch.arange(20)]
        assert torch.equal(rows["item_id_list"], ours["item_id_list"])
        with torch.no_grad():
            scores = [model.eval().full_sort_predict(rows) for model in (theirs, loaded.model)]
        torch.testing.assert_close(*scores, rtol=1e-5, atol=1e-6)


def test_how_it_was_trained_is_no_obstacle_but_unknown_items_are(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rm_dup_inter, RecBole numbers items after an unstable sort: weights would belong to other items."""
    state = read_checkpoint(checkpoint, "cpu")
    monkeypatch.setattr(convert_checkpoint, "read_checkpoint", lambda *_: state)
    settings = state["config"].final_config_dict
    settings |= {"loss_type": "BPR", "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}
    run_dir = to_run_folder(checkpoint, tmp_path / "ours")
    assert load(run_dir).config["recommendation_loss"] == "bpr"
    settings["rm_dup_inter"] = "first"
    with pytest.raises(UsageError, match="with rm_dup_inter = first RecBole numbers items after"):
        to_run_folder(checkpoint, tmp_path / "again")
    config = yaml.safe_load((run_dir / "config.yaml").read_text()) | {"rm_dup_inter": "last"}
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UsageError, match="with rm_dup_inter = last RecBole numbers items after"):
        to_checkpoint(run_dir)


def test_what_has_no_counterpart_is_refused(
    checkpoint: Path, script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    sets = {key: it for key, it in script.items() if key != "load_col"} | {"valid_metric": "MRR@10"}
    for model, settings, words in (
        ("DuoRec", {}, "is of DuoRec: only SASRec has a counterpart"),
        ("SASRec", {"encoder": "ligr"}, "encoder = ligr, and RecBole's SASRec has only transformer"),
        ("SASRec", {"right_aligned": True}, "right_aligned = True, and RecBole's SASRec has only False"),
        ("SASRec", {"history_penalty": True}, "history_penalty = True, and RecBole's SASRec has only False"),
        ("SASRec", {"scale_items": True}, "scale_items = True, and RecBole's SASRec has only False"),
        ("SASRec", {"pretrained_items": "x.npz"}, "pretrained_items = x.npz, and RecBole's SASRec has only None"),
        ("SASRec", {"preload_weight": {"v": "w"}}, "preload_weight = {'v': 'w'}, and RecBole's SASRec has only None"),
    ):
        config = Config(model, "cycle", config_dict=sets | settings)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.settings_dict()))
        with pytest.raises(UsageError, match=words):
            to_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="knows 20 items, and .* has 10"):
        _write_other_data(tmp_path / "other")
        to_run_folder(checkpoint, tmp_path / "run", str(tmp_path / "other"))
    assert not (tmp_path / "run").exists()


def _write_other_data(folder: Path) -> None:
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [f"u{user}\ti{(user + step) % 10}\t{step}" for user in range(20) for step in range(6)]
    (folder / "cycle").mkdir(parents=True)
    (folder / "cycle" / "cycle.inter").write_text("\n".join(lines) + "\n")
