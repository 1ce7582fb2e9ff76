"""The single runs of docs/experiments.md: each would start. Its suites are tested in tests/suites."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from recbole_cl.config.presets import parse_yaml
from recbole_cl.runs.build import build_config
from tests.model.build import Counts

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "props" / "experiment"
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"^--model=.*$", EXPERIMENTS, re.MULTILINE))
def test_every_experiment_is_a_run_that_would_start(line: str) -> None:
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in shlex.split(line, comments=True))
    settings = {key: parse_yaml(value) for key, value in flags.items()}
    files = [ROOT / name for name in str(settings.pop("config_files", "")).split()]
    model = settings.pop("model")
    with_presets = [path.stem.removeprefix(f"{model}-") for path in PRESETS.glob(f"{model}-*.yaml")]
    for dataset in ("ml-100k", *(name for name in with_presets if not name.endswith("-paper"))):
        config = build_config(model, dataset, files, settings | {"use_gpu": False})
        config.model_class(config, Counts(300))
        assert all(config[key] == value for key, value in settings.items())
