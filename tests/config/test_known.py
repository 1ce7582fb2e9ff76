"""Which settings a model knows, by its files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.config.known import keys_by_model, own_keys, refuse_unknown_flags
from recbole_cl.config.models import available_models, class_chain, model_class, own_models
from recbole_cl.config.presets import model_presets, read_settings
from recbole_cl.config.settings import settings_class
from recbole_cl.errors import UsageError


@pytest.mark.parametrize("name", own_models())
def test_the_source_tells_what_the_classes_tell(name: str) -> None:
    cls = model_class(name)
    ours = [base.__name__ for base in cls.__mro__ if base.__module__.startswith("recbole_cl.")]
    assert class_chain(name) == ours
    assert set(own_keys(name)) == {key for path in model_presets(cls) for key in read_settings(path)}
    assert settings_class(cls).model_fields.keys() <= set(own_keys(name))


def test_every_model_with_settings_has_its_keys() -> None:
    keys = keys_by_model()
    assert keys.keys() <= set(available_models()) and "loss_type" in keys["GRU4Rec"] and "crop_ratio" in keys["SRMA"]


@pytest.mark.parametrize(
    ("model", "text", "settings"),
    [
        ("GRU4Rec", "", {"temprature": 1}),  # not ours
        ("my_package.my_module.Mine", "", {"temprature": 1}),
        (None, "model: GRU4Rec", {"temprature": 1}),
        (None, "", {"resume": "saved/run", "temprature": 1}),
        (None, "resume: saved/run", {"temprature": 1}),
        ("SASRec", "epochs: 3", {"embedding_size": 32, "loss_type": "CE", "worker": 0}),
    ],
)
def test_what_files_alone_do_not_tell_is_left_to_the_class(
    model: str | None, text: str, settings: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    refuse_unknown_flags(model, [file], settings)


def test_flags_and_files_are_told_together(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: SASRec\nlerning_rate: 1\nlr: 1\n")
    with pytest.raises(UsageError) as caught:
        refuse_unknown_flags(None, [file], {"contrast": "su"})
    assert str(caught.value).split(" | ") == [
        f"{file}, line 2: unknown setting 'lerning_rate'; did you mean learning_rate?",
        f"{file}, line 3: unknown setting 'lr'; did you mean learning_rate?",
        "'contrast' is a setting of AdaptiveRec, DuoRec, not of SASRec",
    ]


def test_a_name_that_no_model_has_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown model 'CL4SReq': did you mean CL4SRec"):
        refuse_unknown_flags("CL4SReq", [], {})


def test_what_is_suggested_is_taken() -> None:
    with pytest.raises(UsageError, match="unknown setting 'log_rot'") as caught:
        refuse_unknown_flags("SASRec", [], {"log_rot": 1})
    assert "log_root" not in str(caught.value)
