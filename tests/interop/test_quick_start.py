"""Loading a checkpoint runs no code from files that lie next to it."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


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
