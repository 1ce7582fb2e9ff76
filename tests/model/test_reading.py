"""What a model reads of a plain RecBole script's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.config.schema import NotNegative
from recbole_cl.errors import UsageError
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.model.reading import read_options, read_plan
from recbole_cl.model.sasrec import SASRec
from recbole_cl.testing.toy import TINY, write_cycle
from tests.encoder.test_registry import OUTSIDE
from tests.model.build import Settings
from tests.running import run_script

SCRIPT = """
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole_cl.model.cl4srec import CL4SRec

config = Config(model=CL4SRec, dataset="cycle", config_dict={settings})
train, valid, test = data_preparation(config, create_dataset(config))
model = CL4SRec(config, train.dataset)
Trainer(config, model).fit(train, valid, verbose=False, saved=False)
print("encoder:", type(model.encoder).__module__)
"""


class TemperedSettings(EncoderRecommenderSettings):
    heat: NotNegative


class Tempered(SASRec):
    settings = TemperedSettings


def test_what_is_not_set_is_as_in_the_models_file() -> None:
    options = read_options(Settings(n_layers=5, heat=0.5), Tempered)
    assert isinstance(options, TemperedSettings)
    assert (options.n_layers, options.heat, options.n_heads) == (5, 0.5, 2)


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="heat = -1: expected a number >= 0"):
        read_options(Settings(heat=-1), Tempered)


def test_a_script_that_validates_at_no_step_does_so_after_each_epoch() -> None:
    plan = read_plan(Settings(seed=3, epochs=9, train_batch_size=7))
    assert (plan.seed, plan.epochs, plan.eval_step, plan.batch_size) == (3, 9, 1, 7)


def test_a_plain_script_takes_somebody_elses_encoder_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_encoders.py").write_text(OUTSIDE, encoding="utf-8")
    columns = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "train_neg_sample_args": None}
    settings = TINY | write_cycle(tmp_path) | columns | {"encoder": "their_encoders.Lookup", "epochs": 1}
    (tmp_path / "script.py").write_text(SCRIPT.format(settings=settings))
    run_script(tmp_path / "script.py")
    assert capsys.readouterr().out.splitlines()[-1:] == ["encoder: their_encoders"]
