"""Who a process is by its environment, and what each may do."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.cli import main
from recbole_cl.config.config import Config
from recbole_cl.distributed import processes
from recbole_cl.distributed.processes import World, is_first, local_place, started
from recbole_cl.errors import UsageError
from recbole_cl.runs.together import Attempts, refuse_data_to_write
from recbole_cl.writing import atomic_write_text

ENVIRONMENT = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "here",
    "MASTER_PORT": "1",
}


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (ENVIRONMENT | {"WORLD_SIZE": "2", "RANK": "1"}).items():
        monkeypatch.setenv(key, value)


def test_the_environment_tells_who_a_process_is() -> None:
    assert started({}) == started({"WORLD_SIZE": "1", "RANK": "0"}) == local_place({}) == World(0, 1)
    assert started(ENVIRONMENT) == World(3, 4) and local_place(ENVIRONMENT) == World(1, 2)
    assert is_first({}) and is_first(ENVIRONMENT | {"RANK": "0"}) and not is_first(ENVIRONMENT)


def test_processes_that_cannot_meet_are_told_what_is_missing() -> None:
    with pytest.raises(UsageError, match="WORLD_SIZE = 2, but LOCAL_RANK, MASTER_ADDR, MASTER_PORT is missing"):
        started({"WORLD_SIZE": "2", "RANK": "0"})
    with pytest.raises(UsageError, match="RANK = a: expected a number"):
        started(ENVIRONMENT | {"RANK": "a"})


@pytest.mark.usefixtures("second_of_two")
@pytest.mark.parametrize(("asked", "taken"), [("2,5", "5"), ([0, 3], "3"), ("visible", "1"), ("", ""), (-1, "")])
def test_each_process_takes_its_own_gpu(asked: object, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # is put back after the test, whatever is written there
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("recbole_cl.config.config._visible_before", {})
    assert Config("SASRec", "ml-100k", None, {"gpu_id": asked})["gpu_id"] == taken


@pytest.mark.usefixtures("second_of_two")
def test_a_gpu_for_two_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_cl.config.config._visible_before", {})
    with pytest.raises(UsageError, match="gpu_id = 3: each of 2 processes on this machine needs a GPU"):
        Config("SASRec", "ml-100k", None, {"gpu_id": 3})


@pytest.mark.usefixtures("second_of_two")
def test_the_number_of_processes_may_be_said_if_it_is_right() -> None:
    Config("SASRec", "ml-100k", None, {"nproc": 2, "world_size": 2, "use_gpu": False})
    with pytest.raises(UsageError, match="world_size = 3: 2 runs? here"):
        Config("SASRec", "ml-100k", None, {"world_size": 3, "use_gpu": False})


@pytest.mark.usefixtures("second_of_two")
def test_what_is_one_processs_work_is_refused_to_several(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_cl.guard._FIRST_TELLS", 0)
    assert main(["models"]) == 2
    assert "models runs in one process, but torchrun has started 2" in capsys.readouterr().err
    with pytest.raises(UsageError, match="2 processes can't write it"):
        refuse_data_to_write(Path("log.csv"))
    refuse_data_to_write("ml-100k")


def test_only_the_first_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_world", World(1, 2))
    atomic_write_text(tmp_path / "a", "text")
    assert not list(tmp_path.iterdir())


def test_the_next_attempt_finds_the_folder_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job/7")
    monkeypatch.setattr("recbole_cl.runs.together._count", iter([0, 1, 0, 1, 0, 1, 1, 0]))
    first, second = Attempts(tmp_path), Attempts(tmp_path)  # of two seeds
    assert first.folder() is None
    second.begin_in(run)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    again, next_seed = Attempts(tmp_path), Attempts(tmp_path)
    assert again.folder() is None and next_seed.folder() is None, "there is nothing to go on from"
    for name in ("last.pth", "config.yaml"):
        (run / name).touch()
    assert next_seed.folder() == run
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    for _ in range(2):
        assert Attempts(tmp_path).folder() is None  # another job with the same id
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert Attempts(tmp_path).folder() is None, "the first attempt of that job has left nothing"
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert Attempts(tmp_path).folder() is None
