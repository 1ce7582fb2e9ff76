"""A method in a package outside the repository: run, stored, loaded, resumed, compared and tested like ours."""

from __future__ import annotations

import itertools
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from recbole_cl import LoadedRun, load, run, run_seeds
from recbole_cl.cli import main, train_main
from recbole_cl.errors import UsageError
from recbole_cl.model.cl4srec import CL4SRec
from recbole_cl.runs.build import build_config
from recbole_cl.testing.__main__ import main as contract_tests
from recbole_cl.testing.toy import TINY, write_cycle
from tests.running import run_script

METHOD = """
from pathlib import Path

from recbole_cl.config.schema import NotNegative

from .base import TheirBase

Path("{mark}").touch()


class OutsiderSettings(TheirBase.settings):
    strength: NotNegative


class Outsider(TheirBase):
    settings = OutsiderSettings

    def losses(self, batch):
        terms = super().losses(batch)
        return {{name: term * self.options.strength for name, term in terms.items()}}
"""
BASE = """
from recbole_cl.model.cl4srec import CL4SRec


class TheirBase(CL4SRec): ...
"""
_numbers = itertools.count()


class Package:
    """A package of somebody else's in a folder of its own, under a name that no other test has.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"their_package_{next(_numbers)}"
        self.path = f"{self.name}.method.Outsider"
        self.mark = folder / "imported"  # there once the method's module has been run
        files = {
            "__init__.py": "",
            "base.py": BASE,
            "method.py": METHOD.format(mark=self.mark),
            "TheirBase.yaml": "n_layers: 1\nanchors_per_row: 2\n",
            "Outsider.yaml": "strength: 0.5\nanchors_per_row: 3\n",
        }
        (folder / self.name).mkdir()
        for name, text in files.items():
            (folder / self.name / name).write_text(text)

    @property
    def cls(self) -> Any:
        return import_module(f"{self.name}.method").Outsider

    def forget(self) -> None:
        """Leaves things as in a new process, but for what has been named."""
        for module in [name for name in sys.modules if name.split(".")[0] == self.name]:
            del sys.modules[module]
        self.mark.unlink(missing_ok=True)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """The package in the working folder, which is on no path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Package(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return TINY | write_cycle(tmp_path / "data")


def flags(settings: dict[str, Any]) -> list[str]:
    return ["-d", "cycle", *(f"--{key}={value}" for key, value in settings.items())]


def stored(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "config.yaml").read_text()))


def moved(folder: Path, package: Package) -> Package:
    """Makes a run folder one of another package: its module is named by the folder alone."""
    other = Package(package.folder)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace(package.name, other.name))
    package.mark.unlink(missing_ok=True)  # the two share it
    return other


def scores(loaded: LoadedRun) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model.full_sort_predict(loaded.splits[2][torch.arange(5)])


def test_a_class_is_run_and_its_folder_holds_its_path(package: Package, settings: dict[str, Any]) -> None:
    sys.path.append(str(package.folder))
    result = run(package.cls, "cycle", epochs=1, **settings)
    assert result.model == "Outsider" and result.run_dir.name.startswith("Outsider-cycle-2020-")
    assert json.loads((result.run_dir / "result.json").read_text())["model"] == "Outsider"
    held = stored(result.run_dir)
    assert (held["model"], held["strength"]) == (package.path, 0.5)
    assert (held["n_layers"], held["anchors_per_row"]) == (1, 3)  # of the base's file, and of its own
    again = load(result.run_dir)  # its module is imported already
    assert type(again.model) is package.cls and again.config["model"] == "Outsider"
    assert torch.equal(scores(again), scores(load(result.run_dir, package.cls)))


@pytest.mark.slow
def test_a_path_is_run_loaded_resumed_and_compared(
    package: Package, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ours = run("SASRec", "cycle", epochs=1, **settings)
    half = run(package.path, "cycle", epochs=1, **settings)
    whole = run(package.path, "cycle", epochs=2, **settings)
    before = scores(load(half.run_dir))
    package.forget()
    assert torch.equal(scores(load(half.run_dir, model=package.path)), before)
    package.forget()
    resumed = run(package.path, resume=half.run_dir, epochs=2, show_progress=False)
    assert resumed.run_dir == half.run_dir and resumed.test == whole.test
    package.forget()
    assert main(["compare", str(ours.run_dir), str(whole.run_dir)]) == 0
    assert "Outsider" in capsys.readouterr().out and not package.mark.exists()


def test_what_a_run_folder_alone_names_is_not_imported(
    package: Package, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(package.path, "cycle", epochs=1, **settings).run_dir
    other = moved(folder, package)
    words = "named only by a stored file, and only what you name yourself is imported; pass it, as load(run_dir, model="
    for attempt in (lambda: load(folder), lambda: run(resume=folder), lambda: run(None, "cycle", resume=str(folder))):
        with pytest.raises(UsageError) as caught:
            attempt()
        assert str(caught.value).startswith(f'model {other.path}: {words}"{other.path}")')
    assert train_main([f"--resume={folder}"]) == 2
    assert f"--model={other.path}" in capsys.readouterr().err
    assert train_main([f"--resume={folder}", "--model=SASRec"]) == 2
    capsys.readouterr()
    assert f"{other.name}.method" not in sys.modules and not other.mark.exists()
    assert train_main([f"--resume={folder}", f"--model={other.path}", "--epochs=1"]) == 0
    assert other.mark.exists()


def test_a_run_folder_that_complements_imports_nothing_either(package: Package, settings: dict[str, Any]) -> None:
    folder = run(package.path, "cycle", epochs=1, **settings).run_dir
    other = moved(folder, package)
    with pytest.raises(UsageError, match=f"^model {other.path}: named only by a stored file"):
        run("SRMA", "cycle", epochs=1, complement=str(folder), **settings)
    assert not other.mark.exists()


def test_a_file_that_the_caller_gives_names_a_model(package: Package, settings: dict[str, Any]) -> None:
    Path("mine.yaml").write_text(f"model: {package.path}\nstrength: 2\n")
    config = build_config(None, "cycle", ["mine.yaml"], settings)
    assert (config["model"], config["strength"], config.model_class) == ("Outsider", 2, package.cls)


def test_the_working_folder_has_the_last_word_on_presets(package: Package, settings: dict[str, Any]) -> None:
    for name, text in (("model/TheirBase", "n_layers: 4\nn_heads: 4"), ("model/Outsider", "strength: 3\nn_heads: 1")):
        Path("props", name).parent.mkdir(parents=True, exist_ok=True)
        Path("props", f"{name}.yaml").write_text(text)
    config = build_config(package.path, "cycle", [], settings)
    assert (config["strength"], config["n_layers"], config["n_heads"], config["anchors_per_row"]) == (3, 4, 1, 3)
    Path("props", "experiment").mkdir()
    Path("props", "experiment", "Outsider-cycle.yaml").write_text("strength: 4")
    Path("props", "experiment", "CL4SRec-cycle.yaml").write_text("temperature: 4")
    assert build_config(package.path, "cycle", [], settings)["strength"] == 4
    assert build_config("CL4SRec", "cycle", [], settings)["temperature"] == 1  # ours come with the package


def test_the_settings_of_an_outside_model_are_checked(package: Package, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="^strength = -1: expected a number >= 0"):
        run_seeds(package.path, "cycle", [1, 2], strength=-1, **settings)
    with pytest.raises(UsageError, match="^unknown setting 'strenth'; did you mean strength"):
        run(package.path, "cycle", strenth=1, **settings)


def test_a_run_folder_of_another_model_is_told(package: Package, settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    with pytest.raises(UsageError, match="^model = .*Outsider: .* SASRec; leave model out"):
        load(folder, package.path)
    with pytest.raises(UsageError, match="^model = Outsider: .* began with SASRec; start a new run"):
        run(package.path, resume=folder)


def test_a_class_that_no_path_leads_to_is_given_again(settings: dict[str, Any]) -> None:
    class Local(CL4SRec): ...

    result = run(Local, "cycle", epochs=1, **settings)
    assert stored(result.run_dir)["model"].endswith("<locals>.Local")
    with pytest.raises(UsageError, match=r"inside a function.* load\(run_dir, model=Local\)"):
        load(result.run_dir)
    assert type(load(result.run_dir, Local).model) is Local
    assert run(Local, resume=result.run_dir, epochs=2).epochs_run == 2


SCRIPT = """
from recbole_cl import load, run
from recbole_cl.model.cl4srec import CL4SRec

class Mine(CL4SRec): ...

folder = run(Mine, "cycle", epochs=1, **{settings}).run_dir
print(folder, type(load(folder).model).__module__)
"""


def test_the_class_of_a_script_is_restored_by_that_script_or_given(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(settings=settings))
    run_script(script)
    *_, folder, module = capsys.readouterr().out.split()
    assert (stored(Path(folder))["model"], module) == ("__main__.Mine", "__main__")
    with pytest.raises(UsageError, match=r"in a script or notebook.* load\(run_dir, model=Mine\)"):
        load(folder)
    assert load(folder, type("Mine", (CL4SRec,), {})).config["model"] == "Mine"


def test_the_console_script_finds_the_working_folder(package: Package, settings: dict[str, Any]) -> None:
    script = package.folder / "bin" / "recbole-cl"  # whose own folder, not the working one, is on the path
    script.parent.mkdir()
    script.write_text("import sys; from recbole_cl.cli import main; sys.exit(main())")
    with pytest.raises(SystemExit) as caught:
        run_script(script, "train", f"--model={package.path}", "--epochs=1", *flags(settings))
    assert caught.value.code == 0
    (folder,) = Path(settings["checkpoint_dir"]).iterdir()
    assert stored(folder)["model"] == package.path


def test_what_the_module_raises_is_told_with_its_place(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    Path(package.name, "method.py").write_text("import torch\ntorch.no_such_thing\n")
    assert train_main([f"--model={package.path}"]) == 2
    place = f"importing {package.name}.method failed at {Path.cwd() / package.name / 'method.py'}, line 2 with Attr"
    assert place in (err := capsys.readouterr().err) and err.count("\n") == 1
    for path, words in (("gone.method.Outsider", "no module gone,"), (f"{package.name}.base.Base", "mean TheirBase?")):
        assert train_main([f"--model={path}"]) == 2
        assert words in (err := capsys.readouterr().err) and err.count("\n") == 1


def test_the_contract_tests_are_run_on_it(package: Package, capfd: pytest.CaptureFixture[str]) -> None:
    """On one that breaks the contract in one point; docs/adding_a_method.md has one that keeps it."""
    path = Path(package.name, "method.py")
    path.write_text(path.read_text().replace("return {name:", "return {'no ' + name:"))
    assert contract_tests([package.path, "-k", "named or predict or loaded"]) == 1
    printed = capfd.readouterr().out
    assert "2 failed, 2 passed" in printed
    assert "reach_every_parameter[Outsider-sequence]" in printed and "{'no recommendation': tensor" in printed
