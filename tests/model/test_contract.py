"""The contract tests, run on every model of ours; a new one is picked up unedited."""

from __future__ import annotations

from typing import Any

import pytest

from recbole_cl.config import models
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.testing.contract import *  # noqa: F403


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "model_class" in metafunc.fixturenames:
        metafunc.parametrize("model_class", models.own_models(), indirect=True)


@pytest.fixture
def model_class(request: pytest.FixtureRequest) -> Any:
    return models.model_class(request.param)


def test_the_models_are_found() -> None:
    assert {"SASRec", "CL4SRec", "DuoRec"} <= set(models.own_models())
    assert all(issubclass(models.model_class(name), EncoderRecommender) for name in models.own_models())
