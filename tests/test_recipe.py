"""The recipe: one file for every method of this package."""

from __future__ import annotations

import pytest

from recbole_cl.config.config import Config
from recbole_cl.config.models import MODELS
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import read_settings
from recbole_cl.encoder.query_norm import QueryNormLayer
from tests.model.build import build_model

RECIPE = "props/recipe/strong.yaml"


@pytest.mark.parametrize("name", MODELS.names())
def test_every_method_takes_the_recipe(name: str) -> None:
    settings = for_model(read_settings(RECIPE), name, RECIPE)
    config = Config(name, "ml-100k", config_file_list=[RECIPE])
    assert {key: config[key] for key in settings} == settings
    model = build_model(name, **settings)
    assert any(isinstance(part, QueryNormLayer) for part in model.encoder.modules())
