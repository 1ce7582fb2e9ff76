"""Finished runs are found again: from any folder, and with the class that was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl import load, run
from recbole_cl.config.models import recboles_model
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle


class OwnSASRec(recboles_model("SASRec")):  # type: ignore[misc]
    """Somebody's subclass of RecBole's."""


def test_data_is_found_from_any_folder_also_after_a_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    write_cycle(project / "data")
    elsewhere.mkdir()
    monkeypatch.chdir(project)
    result = run("SASRec", "cycle", **TINY, data_path="data", checkpoint_dir="saved/tests", epochs=0)
    monkeypatch.chdir(elsewhere)
    assert len(load(project / result.run_dir).recommend(["u1"], 3)) == 3
    moved = project.rename(tmp_path / "moved")
    assert load(moved / result.run_dir).dataset.item_num == 21
    (moved / "data").rename(tmp_path / "data")
    with pytest.raises(UsageError, match="dataset 'cycle' is not in data"):
        load(moved / result.run_dir)
    assert load(moved / result.run_dir, data_path=tmp_path / "data").dataset.item_num == 21


@pytest.mark.parametrize("own", [False, True])
def test_a_class_of_recboles_and_a_subclass_of_it_train_and_come_back(own: bool, tmp_path: Path) -> None:
    cls = OwnSASRec if own else recboles_model("SASRec")
    result = run(cls, "cycle", **TINY, **write_cycle(tmp_path), epochs=1)
    trained = load(result.run_dir).model  # the module of the subclass is imported here
    assert isinstance(trained, cls) and type(trained).__name__ == cls.__name__
    stored = (result.run_dir / "config.yaml").read_text()
    assert ("OwnSASRec" if own else "model: recbole:SASRec") in stored
