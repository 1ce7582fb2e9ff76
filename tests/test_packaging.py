"""What an installation holds, and whether the lock is whole."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Asked for by RecBole's metadata and imported by its quick_start module alone.
LEFT_OUT = {"ray"}
# Pinned by torch itself: the CUDA side of its plain Linux wheel.
FROM_TORCH = re.compile(r"nvidia-|cuda-|triton$")


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The package's wheel, built from a copy of the source tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("recbole_cl", "props", "suites"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def lines(block: str) -> list[str]:
    """Splits a list in setup.cfg or a requirements file into its entries, comments left out."""
    return [line for line in map(str.strip, block.splitlines()) if line and not line.startswith("#")]


def lock() -> dict[str, str]:
    """Reads constraints.txt as version by name, the entries of other Pythons left out."""
    entries = map(Requirement, lines((ROOT / "constraints.txt").read_text()))
    here = [entry for entry in entries if entry.marker is None or entry.marker.evaluate()]
    return {canonicalize_name(entry.name): str(entry.specifier).removeprefix("==") for entry in here}


def needs_of(name: str) -> Iterator[Requirement]:
    """Yields what an installed distribution requires here, without extras."""
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_every_preset(wheel: zipfile.ZipFile) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recbole_cl").rglob("*.py")}
    presets = {f"recbole_cl/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "props").rglob("*.yaml")}
    presets |= {f"recbole_cl/suites/files/{path.name}" for path in (ROOT / "suites").glob("*.yaml")}
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed - {"recbole_cl/py.typed"} == modules | presets


@pytest.mark.slow
def test_the_wheel_installs_the_console_script_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "recbole-cl = recbole_cl.cli:program" in wheel.read(info["entry_points.txt"]).decode()
    assert "recbole_cl contributors" in wheel.read(info["LICENSE"]).decode()


def test_the_lock_satisfies_what_the_package_asks_for(setup_cfg: configparser.ConfigParser) -> None:
    versions = lock()
    extras = setup_cfg["options.extras_require"]
    wanted = [*lines(setup_cfg["options"]["install_requires"]), *(it for name in extras for it in lines(extras[name]))]
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_lock_has_a_hash_for_every_file_that_may_be_installed() -> None:
    """All that constraints.txt pins, less torch, whose wheel differs by platform."""
    entries = re.split(
        r"\n(?=\w)", "\n" + "\n".join(lines((ROOT / "requirements.lock").read_text())).replace("\\\n", "")
    )
    locked = [
        (Requirement(entry.split(" --hash=")[0]), entry.count(" --hash=sha256:")) for entry in entries if entry.strip()
    ]
    assert all(count for _, count in locked)
    here = {
        canonicalize_name(it.name): str(it.specifier).removeprefix("==")
        for it, _ in locked
        if it.marker is None or it.marker.evaluate()
    }
    assert here | {"torch": lock()["torch"]} == lock()


def test_the_lock_has_no_gap() -> None:
    versions = lock()
    missing = {
        f"{name} requires {requirement}"
        for name in versions
        for requirement in needs_of(name)
        if canonicalize_name(requirement.name) not in LEFT_OUT
        and not FROM_TORCH.match(canonicalize_name(requirement.name))
        and not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    }
    assert missing == set()


def test_recbole_needs_nothing_that_the_package_does_not_ask_for(setup_cfg: configparser.ConfigParser) -> None:
    ours = {canonicalize_name(Requirement(line).name) for line in lines(setup_cfg["options"]["install_requires"])}
    theirs = {canonicalize_name(requirement.name) for requirement in needs_of("recbole")}
    assert theirs - ours == LEFT_OUT


def test_scripts_are_executable_and_name_no_machine() -> None:
    for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]:
        assert path.stat().st_mode & 0o111, f"{path.name} is not executable"
        assert not re.search(r"https?://|/root/|/opt/|/home/", path.read_text()), path.name


def test_one_version_is_said_everywhere(setup_cfg: configparser.ConfigParser) -> None:
    version = setup_cfg["metadata"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
