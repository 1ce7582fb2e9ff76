"""Runs in one file: the same that was put in, and nothing that an archive of runs does not hold."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recbole_cl.errors import UsageError
from recbole_cl.report.archive import find_runs, load_runs, main, write_archive
from recbole_cl.report.store import StoredRun, load_run

RANKS = ("ranks_test.npy", "ranks_test_history_removed.npy")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "page.runs.zip"


def pack(archive: Path, *paths: object) -> Path:
    assert main([str(archive), *map(str, paths)]) == 0
    return archive


def members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def remake(archive: Path, changed: dict[str, bytes | None], method: int = zipfile.ZIP_DEFLATED) -> None:
    """Writes an archive anew with members changed, added or, where they are None, left out."""
    contents = members(archive) | changed
    with zipfile.ZipFile(archive, "w", method) as packed:
        for name, content in contents.items():
            if content is not None:
                packed.writestr(name, content)


def same(one: StoredRun, other: StoredRun) -> bool:
    ranks = all((one.ranks[name] == other.ranks[name]).all() for name in one.ranks)
    return ranks and all(getattr(one, name) == getattr(other, name) for name in ("model", "seed", "test", "targets"))


def refusal(path: object) -> str:
    with pytest.raises(UsageError) as error:
        load_runs(Path(str(path)))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_runs_are_read_back_as_their_folders_hold_them(make_run: Any, archive: Path) -> None:
    folders = [make_run("SASRec", settings={"tau": 1e-3}), make_run("DuoRec", targets="abc", settings={"tau": 2})]
    duorec, sasrec = load_runs(pack(archive, *folders))  # by name
    assert (sasrec.run_dir, duorec.run_dir) == (archive / folders[0].name, archive / folders[1].name)
    assert same(sasrec, load_run(folders[0])) and same(duorec, load_run(folders[1]))
    assert sasrec.settings is not None and sasrec.settings["tau"] == 1e-3


def test_only_what_a_table_needs_is_kept(make_run: Any, archive: Path) -> None:
    folder = make_run()
    (folder / "complement").mkdir()
    kept = ["environment.json", "complement/result.json", "complement/environment.json"]
    for name in [*kept, "best.pth", "log.txt", "complement/config.yaml", "complement/last.pth"]:
        (folder / name).write_text(f"of {name}")
    held = members(pack(archive, folder))
    assert set(held) == {f"{folder.name}/{name}" for name in [*kept, "result.json", *RANKS]}
    assert held[f"{folder.name}/complement/result.json"] == b"of complement/result.json"


def test_settings_do_not_tell_of_the_machine(make_run: Any, archive: Path) -> None:
    folder = make_run(settings={"data_path": "/somebody/data", "tau": 0.5})
    held = yaml.safe_load(members(pack(archive, folder))[f"{folder.name}/config.yaml"])
    assert held == {"data_path": "dataset/", "checkpoint_dir": "saved", "tau": 0.5, "seed": 1}


def test_the_same_runs_give_the_same_bytes(make_run: Any, tmp_path: Path) -> None:
    folders = [make_run(model, settings={"tau": 1}) for model in ("SASRec", "DuoRec")]
    first = pack(tmp_path / "a.zip", *folders).read_bytes()
    for file in folders[0].iterdir():
        os.utime(file, (0, 1e9))
    assert pack(tmp_path / "b.zip", *reversed(folders)).read_bytes() == first
    assert pack(tmp_path / "c.zip", tmp_path / "a.zip").read_bytes() == first


def test_runs_are_added_by_naming_the_archive_as_well(make_run: Any, archive: Path) -> None:
    first, second, third = (make_run(seed=seed) for seed in (1, 2, 3))
    pack(archive, first, second)
    pack(archive, f"{archive}/*-2", third)
    assert [run.seed for run in load_runs(archive)] == [2, 3]


def test_patterns_choose_runs(make_run: Any, archive: Path) -> None:
    pack(archive, *(make_run(model, seed) for model in ("SASRec", "DuoRec") for seed in (1, 2)))

    def found(pattern: str) -> list[str]:
        return [files.path.name for files in find_runs(archive / pattern)]

    assert found("SASRec-*") == ["SASRec-toy-1", "SASRec-toy-2"] and found("*-2") == ["DuoRec-toy-2", "SASRec-toy-2"]
    assert found("DuoRec-toy-[!1]") == ["DuoRec-toy-2"] and found("SASRec-toy-1") == ["SASRec-toy-1"]
    assert "has no run sasrec-*: choose from DuoRec-toy-1, " in refusal(archive / "sasrec-*")


def test_a_run_that_did_not_finish_is_not_packed(make_run: Any, archive: Path, capsys: Any) -> None:
    folder = make_run()
    (folder / "ranks_test.npy").unlink()
    assert main([str(archive), str(folder)]) == 2
    assert f"no ranks_test.npy in {folder}" in capsys.readouterr().err and not archive.exists()


def test_no_other_file_is_overwritten(make_run: Any, tmp_path: Path, capsys: Any) -> None:
    folder, page = make_run(), tmp_path / "page.md"
    page.write_text("text")
    for target in (page, folder):
        assert main([str(target), str(folder)]) == 2
        assert f"{target}: expected the name of the file to write" in capsys.readouterr().err
    assert page.read_text() == "text"
    (tmp_path / "folder.zip").mkdir()
    assert main([str(tmp_path / "folder.zip"), str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_two_runs_of_one_name_are_refused(make_run: Any, archive: Path, tmp_path: Path) -> None:
    folder = make_run()
    other = tmp_path / "elsewhere" / folder.name
    other.parent.mkdir()
    folder.rename(other)
    with pytest.raises(UsageError, match=f"{other}: .* {folder.name}, .*rename"):
        write_archive(archive, [*find_runs(other), *find_runs(other)])
    assert not archive.exists()


@pytest.mark.parametrize(
    "name",
    [
        "/etc/config.yaml",
        "../run/result.json",
        "../result.json",
        "./result.json",
        "a/../result.json",
        "..\\a/result.json",
        "result.json",
        "run/best.pth",
        "run/complement/ranks_test.npy",
        "run/",
    ],
)
def test_a_member_that_is_no_file_of_a_run_is_refused(make_run: Any, archive: Path, name: str) -> None:
    remake(pack(archive, make_run()), {name: b"{}"})
    error = refusal(archive)
    assert (
        f"{archive}: {name!r}" in error and "<run>/<file>" in error and "python -m recbole_cl.report.archive" in error
    )


def test_a_member_that_is_there_twice_is_refused(make_run: Any, archive: Path) -> None:
    pack(archive, make_run())
    with zipfile.ZipFile(archive, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("SASRec-toy-1/result.json", b"{}")
    assert "'SASRec-toy-1/result.json' occurs twice" in refusal(archive)


@pytest.fixture
def claimed(make_run: Any, archive: Path) -> Any:
    """Makes an archive one of whose members says that it has so many bytes, of the 123,456 that it has."""

    def claim(size: int) -> Path:
        remake(pack(archive, make_run()), {"SASRec-toy-1/environment.json": bytes(123_456)})
        true, said = (number.to_bytes(4, "little") for number in (123_456, size))
        content = archive.read_bytes()
        assert content.count(true) == 2  # before the member, and in the table of contents
        archive.write_bytes(content.replace(true, said))
        return archive

    return claim


def test_a_huge_member_is_refused_before_it_is_read(claimed: Any) -> None:
    error = refusal(archive := claimed(2**28 + 1))
    assert f"{archive}: 'SASRec-toy-1/environment.json' has 268435457 bytes, more than 268435456" in error


def test_a_member_that_is_longer_than_it_says_is_refused(claimed: Any) -> None:
    (files,) = find_runs(claimed(9))
    with pytest.raises(UsageError, match=r"SASRec-toy-1/environment\.json is damaged"):
        files.read("environment.json")


def test_another_compression_is_refused(make_run: Any, archive: Path) -> None:
    remake(pack(archive, make_run()), {}, zipfile.ZIP_BZIP2)
    assert "compressed in another way than by deflate" in refusal(archive)


def test_damage_is_told_in_one_line(make_run: Any, archive: Path, tmp_path: Path) -> None:
    pack(archive, make_run())
    whole = archive.read_bytes()
    archive.write_bytes(whole[:60] + bytes(30) + whole[90:])  # within the first member's stream
    assert "is damaged" in refusal(archive)
    for content in (b"", b"text", whole[:-30]):
        archive.write_bytes(content)
        error = refusal(archive)
        assert f"{archive} is no archive of runs" in error and "python -m recbole_cl.report.archive" in error
    assert f"no run folder {tmp_path / 'gone.zip'}" in refusal(tmp_path / "gone.zip")


def test_an_empty_archive_has_no_runs(archive: Path) -> None:
    zipfile.ZipFile(archive, "w").close()
    assert f"{archive} has no run" in refusal(archive) and "empty" in refusal(archive)


def test_files_of_a_run_are_checked_as_in_a_folder(make_run: Any, archive: Path) -> None:
    pack(archive, make_run(settings={"tau": 1}))
    good: dict[str, bytes | None] = {**members(archive)}
    np.save(unsafe := archive.with_name("objects.npy"), np.array([{}], dtype=object), allow_pickle=True)
    for name, content, words in (
        ("ranks_test.npy", unsafe.read_bytes(), "is not an array file"),
        ("ranks_test.npy", None, "run did not finish: no ranks_test.npy"),
        ("result.json", json.dumps({"model": "SASRec"}).encode(), "has no str 'dataset'"),
        ("config.yaml", b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("config.yaml", b"a: \xff", "not valid YAML"),
    ):
        remake(archive, good | {f"SASRec-toy-1/{name}": content})
        error = refusal(archive)
        assert words in error and str(archive / "SASRec-toy-1") in error
