"""Loading a checkpoint runs no code from files that lie next to it."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from recbole_cl import run
from recbole_cl.errors import UsageError
from recbole_cl.interop import convert_checkpoint
from recbole_cl.interop.checkpoints import read_checkpoint
from recbole_cl.interop.convert_checkpoint import to_checkpoint, to_run_folder


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.made,)


@pytest.mark.parametrize("named", [True, False])
def test_pickles_of_data_are_not_read(
    named: bool, script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    start: Any = import_module("recbole.quick_start")
    settings = script | {"checkpoint_dir": str(tmp_path), "save_dataset": True, "save_dataloaders": True}
    if named:
        settings |= {"dataset_save_path": str(tmp_path / "data"), "dataloaders_save_path": str(tmp_path / "loaders")}
    start.run_recbole("DuoRec", "cycle", config_dict=settings)
    pickles = [tmp_path / name for name in ("cycle-SequentialDataset.pth", "cycle-for-DuoRec-dataloader.pth")]
    (checkpoint,) = set(tmp_path.glob("*.pth")) - {*pickles}
    pickles = [tmp_path / "data", tmp_path / "loaders"] if named else pickles
    made = [tmp_path / f"made-{number}" for number in range(2)]
    for file, trace in zip(pickles, made, strict=True):
        file.write_bytes(pickle.dumps(Trap(trace)))
    before = [file.read_bytes() for file in pickles]
    config, *_ = start.load_data_and_model(str(checkpoint))
    assert not any(trace.exists() for trace in made)
    assert [file.read_bytes() for file in pickles] == before
    assert config["save_dataset"] and config["dataset_save_path"] == settings.get("dataset_save_path")


def test_items_in_lists_of_presplit_rows_are_items_in_recbole_too(
    script: dict[str, Any], registered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RecBole alone numbers them by themselves: the same numbers then mean other items."""
    (tmp_path / "shop").mkdir()
    for part, length in (("train", 3), ("valid", 4), ("test", 5)):
        lists = [([f"i{(user + step) % 6}" for step in range(length)], f"i{(user + length) % 6}") for user in range(6)]
        lines = [f"u{user}\t{' '.join(items)}\t{target}" for user, (items, target) in enumerate(lists)]
        header = "user_id:token\titem_id_list:token_seq\titem_id:token"
        (tmp_path / "shop" / f"shop.{part}.inter").write_text("\n".join([header, *lines]) + "\n")
    given = {key: value for key, value in script.items() if key != "load_col"} | {"data_path": str(tmp_path)}
    given |= {"benchmark_filename": ["train", "valid", "test"], "checkpoint_dir": str(tmp_path), "epochs": 0}
    folder = run("SASRec", "shop", **(given | {"topk": [2], "valid_metric": "MRR@2"})).run_dir
    back = to_checkpoint(folder)
    for file in (folder / "best.pth", back):
        *_, test = import_module("recbole.quick_start").load_data_and_model(str(file))
        row = test.dataset[0]
        assert test.dataset.id2token("item_id", row["item_id_list"].numpy()).ravel().tolist() == [
            f"i{k}" for k in range(5)
        ]
    state = read_checkpoint(back, "cpu")
    assert to_run_folder(back, tmp_path / "again").is_dir()
    monkeypatch.setattr(convert_checkpoint, "read_checkpoint", lambda *_: state)
    state["config"]["alias_of_item_id"] = None
    with pytest.raises(UsageError, match="RecBole numbered the items of item_id_list by themselves"):
        to_run_folder(back, tmp_path / "third")
