"""Things by name and by dotted path, and that nothing is imported unasked."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry, is_path, name_paths, paths_in

_numbers = itertools.count()
WriteModule = Callable[..., str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteModule:
    """Writes a module with a name of its own into the working folder; its import leaves the file <name>.imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(text: str = "def thing(): ...\n", package: bool = False) -> str:
        name = f"outside_{next(_numbers)}"
        marked = f"open({str(tmp_path / name)!r} + '.imported', 'w').close()\n" + textwrap.dedent(text)
        if package:
            (tmp_path / name).mkdir()
        (tmp_path / (f"{name}/__init__.py" if package else f"{name}.py")).write_text(marked)
        return name

    return write


def was_imported(module: str) -> bool:
    """Whether a module of ``write_module`` was run; the working folder is the one it was written to."""
    return Path(f"{module}.imported").exists()


@pytest.fixture
def things() -> Registry[object]:
    return Registry("thing", {"Join": "os.path:join", "counter": "collections.Counter"}, remedy="say {path} aloud")


def refusal(registry: Registry[object], name: str) -> str:
    """What a name is refused with: one line."""
    with pytest.raises(UsageError) as caught:
        registry.resolve(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_is_found_in_any_capitals(things: Registry[object]) -> None:
    import collections
    import os.path

    assert things.names() == ["Join", "counter"]
    assert things.resolve("join") is os.path.join
    assert things.resolve("COUNTER") is collections.Counter
    assert things.find("JOIN") == "Join" and things.find("split") is None
    assert things.path("Join") == "os.path:join" and things.path("other") is None


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys; from recbole_cl.registry import Registry; r = Registry('x', {'a': 'wave.Wave_read'}); r.names(); "
    )
    code += "assert 'wave' not in sys.modules; r.resolve('a'); assert 'wave' in sys.modules; "
    code += "assert {m for m in sys.modules if m.startswith('recbole_cl')} <= "
    code += "{'recbole_cl', 'recbole_cl.allocator', 'recbole_cl.errors', 'recbole_cl.registry'}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("counte", "unknown thing 'counte': did you mean counter? known are Join, counter; or give a path"),
        ("zzz", "unknown thing 'zzz': known are Join, counter; or give a path, such as my_package.my_module.MyThing"),
        ("../mine.py", "unknown thing '../mine.py': known are"),
        (".relative", "unknown thing '.relative'"),
        ("a:b:c", "unknown thing 'a:b:c'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(
    things: Registry[object], name: str, expected: str
) -> None:
    assert expected in refusal(things, name)


def test_other_code_adds_names_of_its_own(things: Registry[object], write_module: WriteModule) -> None:
    module = write_module()
    things.register("Mine", f"{module}.thing")
    assert things.names() == ["Join", "counter", "Mine"] and not was_imported(module)
    assert things.resolve("mine").__module__ == module
    things.register("mine", len)  # a cell of a notebook that is run again
    assert things.resolve("Mine") is len and things.names() == ["Join", "counter", "Mine"]


def test_a_name_of_our_own_or_with_a_dot_cannot_be_added(things: Registry[object]) -> None:
    with pytest.raises(UsageError, match="thing 'JOIN': Join comes with this package; choose another name"):
        things.register("JOIN", len)
    with pytest.raises(UsageError, match=r"thing 'a\.b': expected a name of letters, digits and _"):
        things.register("a.b", len)


@pytest.mark.parametrize("form", ["{}.thing", "{}:thing"])
def test_a_path_that_the_caller_names_is_imported_from_the_working_folder(
    things: Registry[object], write_module: WriteModule, form: str
) -> None:
    path = form.format(module := write_module())
    name_paths({"a": [{"b": path}]})
    assert not was_imported(module)
    assert things.resolve(path).__module__ == module and was_imported(module)


def test_a_path_that_nobody_names_is_not_imported(things: Registry[object], write_module: WriteModule) -> None:
    module = write_module()
    name_paths([f"{module}.other", module, f"elsewhere.{module}.thing"])  # another path of the same module is no leave
    words = refusal(things, f"{module}.thing")
    assert words == (
        f"thing {module}.thing: named only by a stored file, and only what you name yourself is imported; "
        f"say {module}.thing aloud"
    )
    assert module not in sys.modules and not was_imported(module)


def test_a_path_that_nobody_names_does_not_import_its_package_either(
    things: Registry[object], write_module: WriteModule
) -> None:
    package = write_module("", package=True)
    Path(package, "inner.py").write_text("def thing(): ...\n")
    assert "only what you name yourself is imported" in refusal(things, f"{package}.inner.thing")
    assert not was_imported(package)


def test_a_path_whose_module_is_imported_already_is_resolved(things: Registry[object]) -> None:
    assert things.resolve("subprocess.run") is subprocess.run


def test_an_attribute_behind_a_colon_may_be_an_inner_one(things: Registry[object], write_module: WriteModule) -> None:
    module = write_module("class Outer:\n    class Inner: ...\n")
    path = f"{module}:Outer.Inner"
    name_paths(path)
    inner: Any = things.resolve(path)
    assert inner.__qualname__ == "Outer.Inner"


def test_a_module_that_is_not_there_is_told(things: Registry[object], write_module: WriteModule) -> None:
    module = write_module()
    for path, missing in (("gone_1.thing", "gone_1"), (f"{module}.inner.thing", f"{module}.inner")):
        name_paths(path)
        assert f"thing {path}: there is no module {missing}, neither installed nor in {Path.cwd()}" in refusal(
            things, path
        )


def test_a_missing_attribute_is_told_with_the_file_and_the_nearest(
    things: Registry[object], write_module: WriteModule
) -> None:
    module = write_module("def first(): ...\ndef second(): ...\n")
    name_paths([f"{module}.secnod", f"{module}.zzz"])
    assert f"{module} ({Path.cwd() / module}.py) has no secnod; did you mean second?" in refusal(
        things, f"{module}.secnod"
    )
    assert "has no zzz; it defines first, second" in refusal(things, f"{module}.zzz")


def test_a_module_in_place_of_what_it_defines_is_told(things: Registry[object], tmp_path: Path) -> None:
    (tmp_path / "folder_of_things").mkdir()
    (tmp_path / "folder_of_things" / "mine.py").write_text("def first(): ...\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        name_paths("folder_of_things.mine")
        name_paths("folder_of_things:gone.first")
        assert "has no gone.first" in refusal(things, "folder_of_things:gone.first")
        assert "folder_of_things.mine: a module; add the name in it, as in" in refusal(things, "folder_of_things.mine")


@pytest.mark.parametrize(
    ("text", "found"), [("thing = 3", "an int"), ("import os as thing", "a module"), ("thing = None", "a NoneType")]
)
def test_something_of_another_kind_is_told(
    things: Registry[object], write_module: WriteModule, text: str, found: str
) -> None:
    name_paths(path := f"{write_module(text)}.thing")
    assert refusal(things, path) == f"thing {path} is {found}: expected a function or a class"


def test_a_class_of_another_kind_is_told(write_module: WriteModule) -> None:
    numbers = Registry[type]("number", {}, accepts=lambda it: isinstance(it, type) and issubclass(it, int))
    name_paths(path := f"{write_module('class Text(str): ...')}.Text")
    with pytest.raises(UsageError, match=f"number {path} is the class Text: expected"):
        numbers.resolve(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nraise ValueError('two\\nlines')\n", "line 3 with ValueError: two lines"),
        ("import module_that_is_not_there\n", "line 2 with ModuleNotFoundError: No module named 'module_that_is"),
        ("def broken(:\n    pass\n", "line 2 with SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "line 3 with SystemExit: 3"),
    ],
)
def test_what_a_module_raises_stays_reachable(
    things: Registry[object], write_module: WriteModule, text: str, words: str
) -> None:
    module = write_module(text)
    name_paths(path := f"{module}.thing")
    with pytest.raises(UsageError) as caught:
        things.resolve(path)
    assert f"importing {module} failed at {Path.cwd() / module}.py, {words}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None and caught.value.__cause__.__traceback__ is not None


def test_the_working_folder_hides_nothing_that_is_installed(
    things: Registry[object], write_module: WriteModule
) -> None:
    write_module()
    Path("wave.py").write_text("raise SystemError('hidden')\n")
    name_paths("wave.Wave_read")
    assert things.resolve("wave.Wave_read").__module__ == "wave"


@pytest.mark.parametrize(("text", "verdict"), [("a.b", True), ("a.b:C.D", True), ("a", False), ("a.b/c", False)])
def test_paths_are_told_from_other_text(text: str, verdict: bool) -> None:
    assert is_path(text) is verdict


def test_paths_are_found_wherever_they_stand() -> None:
    assert paths_in({"x": "a.b", "c.d": [1, ("e:f",), {"y": None, "z": "../g.h"}]}) == ["c.d", "a.b", "e:f"]
