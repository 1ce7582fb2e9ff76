"""The recipe: one file for every method of this package."""

from __future__ import annotations

import pytest

from recbole_cl.config.config import Config
from recbole_cl.config.models import MODELS, model_class
from recbole_cl.config.presets import model_defaults, read_settings
from recbole_cl.encoder.query_norm import QueryNormLayer
from tests.model.build import build_model

RECIPE = "props/recipe/strong.yaml"


@pytest.mark.parametrize("name", MODELS.names())
def test_every_method_takes_the_recipe(name: str) -> None:
    settings = read_settings(RECIPE)
    config = Config(name, "ml-100k", config_file_list=[RECIPE])
    assert {key: config[key] for key in settings} == settings
    first_stage = settings["epochs"] // 2 if "pretrain_epochs" in model_defaults(model_class(name)) else 0
    model = build_model(name, **settings | ({"pretrain_epochs": first_stage} if first_stage else {}))
    assert any(isinstance(part, QueryNormLayer) for part in model.encoder.modules())
