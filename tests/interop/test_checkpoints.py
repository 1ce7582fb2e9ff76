"""RecBole's checkpoints are read; anything that would run code in one is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.config import Config as RecBoleConfig

from recbole_cl.errors import UsageError
from recbole_cl.interop.checkpoints import read_checkpoint


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "hostile",
    [
        Calls(os.mkdir, "made"),
        Calls(eval, "__import__('os').mkdir('made')"),
        Calls(RecBoleConfig, "BPR", "ml-100k", None, {"x": "__import__('os').mkdir('made')"}),  # it evaluates texts
        Calls(torch.load, "other.pth", None, None),
    ],
)
def test_nothing_in_a_checkpoint_is_run(
    hostile: Calls, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"config": hostile, "state_dict": {}}, "hostile.pth", pickle_protocol=protocol)
    with pytest.raises(UsageError, match="hostile.pth is refused"):
        read_checkpoint("hostile.pth")
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": {}}, "no checkpoint of RecBole's: it has no config and state_dict"),
        ({"config": {"model": "BPR"}, "state_dict": {}}, "its config is a dict"),
        ([1], "no checkpoint of RecBole's"),
    ],
)
def test_what_is_no_checkpoint_of_recboles_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "it.pth", pickle_protocol=4)
    with pytest.raises(UsageError, match=words):
        read_checkpoint(tmp_path / "it.pth")


def test_arrays_beside_the_weights_are_named(tmp_path: Path) -> None:
    """ItemKNN, EASE and SLIMElastic have them."""
    torch.save({"config": {}, "state_dict": {}, "other_parameter": {"w": np.eye(2)}}, tmp_path / "it.pth")
    with pytest.raises(
        UsageError, match="beside weights it holds numpy.*ndarray, which only unpickling reads; run that"
    ):
        read_checkpoint(tmp_path / "it.pth")


def test_a_damaged_or_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "it.pth").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UsageError, match="it.pth is refused: it is no checkpoint of torch 1.6 or later, or damaged"):
        read_checkpoint(tmp_path / "it.pth")
    with pytest.raises(UsageError, match="there is no such file"):
        read_checkpoint(tmp_path / "none.pth")
