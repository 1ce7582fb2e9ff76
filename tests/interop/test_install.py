"""Installed into an environment that RecBole has been installed into, the package changes nothing that is there."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# What such an environment has, older than today's; RecBole's own requirement of ray ends with 2.6.3.
THERE = {"torch": "2.6.0", "numpy": "1.26.4", "pandas": "2.0.3", "ray": "2.6.3", "hyperopt": "0.2.5"}
THERE |= {"thop": "0.1.1.post2209072238", "recbole": "1.2.1"}
TODAY = {"torch": "2.13.0", "numpy": "2.3.0", "pandas": "2.3.3"}  # which pip could bring in their place


def write_wheel(folder: Path, name: str, version: str, requires: Iterable[str] = ()) -> None:
    """A wheel of metadata alone: pip resolves by nothing else, and none has to be downloaded."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {it}" for it in requires]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")


def requirements() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = map(str.strip, parser["options"]["install_requires"].splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def versions() -> Iterator[tuple[str, str]]:
    """The other packages that RecBole or ours asks for, as they are installed here."""
    for requirement in map(Requirement, [*requirements(), *(metadata.requires("recbole") or [])]):
        name = canonicalize_name(requirement.name)
        if name not in THERE:
            yield name, metadata.version(name)


@pytest.mark.slow
def test_pip_resolves_to_the_versions_that_are_there(tmp_path: Path) -> None:
    wheels, environment = tmp_path / "wheels", tmp_path / "environment"
    wheels.mkdir()
    theirs = metadata.requires("recbole") or []
    for name, version in {*THERE.items(), *TODAY.items(), *versions()}:
        write_wheel(wheels, name, version, theirs if name == "recbole" else ())
    write_wheel(wheels, "recbole-cl", "0.1.0", requirements())
    venv.create(environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", f"--python={environment}", "--isolated", "install", "--quiet", "--no-index"]
    pip += [f"--find-links={wheels}", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, *(f"{name}=={version}" for name, version in THERE.items())], check=True)
    report = subprocess.run([*pip, "--dry-run", "--report=-", "recbole-cl"], check=True, capture_output=True, text=True)
    brought = {it["metadata"]["name"] for it in json.loads(report.stdout)["install"]}
    asked_for = {canonicalize_name(Requirement(line).name) for line in requirements()}
    assert "recbole-cl" in brought and brought <= asked_for | {"recbole-cl"}
    assert not brought & {*THERE, *(canonicalize_name(Requirement(line).name) for line in theirs)}


def test_importing_the_package_changes_nothing_of_recboles() -> None:
    for module in ("recbole_cl.runs.runner", "recbole_cl.interop.register", "recbole_cl.interop.convert_checkpoint"):
        import_module(module)
    config = import_module("recbole.config").Config
    for name in ("_get_model_and_dataset", "_load_internal_config_dict", "compatibility_settings"):
        assert getattr(config, name).__module__ == "recbole.config.configurator"
    utils = import_module("recbole.utils")
    assert {utils.get_model.__module__, utils.get_trainer.__module__} == {"recbole.utils.utils"}
    assert import_module("recbole.trainer.trainer").torch is import_module("torch")
