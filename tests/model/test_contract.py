"""The contract tests, run on every model of ours; a new one is picked up unedited."""

from __future__ import annotations

from typing import Any

import pytest

from recbole_cl.config import models
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.testing.contract import *  # noqa: F403

# BERT4Rec learns the circle in a test of its own, in more steps; Contrastive's losses are shown to be other methods'.
NOT_ON_THE_CIRCLE = ("BERT4Rec", "Contrastive")
WHOLE_TRAININGS = ("test_learns_the_circle", "test_one_epoch_and_one_more_equal_two")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "model_class" in metafunc.fixturenames:
        marks = [pytest.mark.slow] if metafunc.function.__name__ in WHOLE_TRAININGS else []
        left_out = NOT_ON_THE_CIRCLE if metafunc.function.__name__ == "test_learns_the_circle" else ()
        names = [pytest.param(name, marks=marks) for name in models.own_models() if name not in left_out]
        metafunc.parametrize("model_class", names, indirect=True)


@pytest.fixture
def model_class(request: pytest.FixtureRequest) -> Any:
    return models.model_class(request.param)


def test_the_models_are_found() -> None:
    assert {"SASRec", "CL4SRec", "DuoRec"} <= set(models.own_models())
    assert all(issubclass(models.model_class(name), EncoderRecommender) for name in models.own_models())
