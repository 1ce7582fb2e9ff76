from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_cl.errors import UsageError
from recbole_cl.report.store import load_run


def test_a_run_is_read_back(make_run: Any) -> None:
    folder = make_run("DuoRec", seed=2, settings={"temperature": 1.0})
    run = load_run(folder)
    assert (run.model, run.dataset, run.seed, run.train_form, run.best_epoch) == ("DuoRec", "toy", 2, "prefix", 3)
    assert run.n_users == 80 and run.ranks["history_kept"].dtype == np.int32
    assert (run.ranks["history_removed"] == np.load(folder / "ranks_test_history_removed.npy")).all()
    assert run.test["history_removed"]["gauc"] == 0.52
    assert run.settings is not None and run.settings["temperature"] == 1.0
    assert load_run(make_run("SASRec")).settings is None
    assert (
        run.run_dir == folder and run.targets is None and load_run(make_run(targets="abc", name="b")).targets == "abc"
    )
    assert run.without(["temperature", "unknown"]).settings == {"seed": 2, "checkpoint_dir": str(folder)}


@pytest.mark.parametrize("missing", ["result.json", "ranks_test.npy", "ranks_test_history_removed.npy"])
def test_a_run_that_did_not_finish_is_refused_in_one_line(make_run: Any, missing: str) -> None:
    folder = make_run()
    (folder / missing).unlink()
    with pytest.raises(UsageError) as error:
        load_run(folder)
    assert str(error.value) == f"run did not finish: no {missing} in {folder}"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("result.json", "{", "is not JSON"),
        ("result.json", "[]", "holds no JSON object"),
        ("result.json", '{"model": "SASRec"}', "has no str 'dataset'"),
        ("ranks_test.npy", "no array", "is not an array file"),
        ("config.yaml", "a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("config.yaml", "- a", "expected a mapping"),
    ],
)
def test_damaged_files_are_refused_in_one_line(make_run: Any, file: str, content: str, message: str) -> None:
    folder = make_run()
    (folder / file).write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        load_run(folder)
    assert "\n" not in str(error.value)


def test_a_result_without_a_protocol_is_refused(make_run: Any) -> None:
    folder = make_run()
    result = json.loads((folder / "result.json").read_text())
    del result["test"]["history_removed"]
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(UsageError, match="no test metrics of 'history_removed'"):
        load_run(folder)


@pytest.mark.parametrize("ranks", [np.zeros(80, np.int32), np.ones((80, 1), np.int32), np.ones(80)])
def test_arrays_that_are_no_ranks_are_refused(make_run: Any, ranks: Any) -> None:
    folder = make_run()
    np.save(folder / "ranks_test.npy", ranks)
    with pytest.raises(UsageError, match="one rank from 1 per user"):
        load_run(folder)


def test_an_array_file_without_what_it_promises_is_refused(make_run: Any) -> None:
    folder = make_run()
    with (folder / "ranks_test.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": (2**50,)})
    with pytest.raises(UsageError, match=r"ranks_test\.npy is not an array file"):
        load_run(folder)


def test_pickled_arrays_are_refused_and_lengths_must_agree(make_run: Any) -> None:
    folder = make_run()
    np.save(folder / "ranks_test.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="is not an array file"):
        load_run(folder)
    np.save(folder / "ranks_test.npy", np.ones(79, np.int32))
    with pytest.raises(UsageError, match="differ in length"):
        load_run(folder)
