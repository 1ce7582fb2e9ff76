"""Values that nobody means well: each is taken or refused in one short line, whatever the setting."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.common import WITHOUT_EFFECT, CommonSettings
from recbole_cl.config.config import Config
from recbole_cl.config.models import model_class, own_models
from recbole_cl.config.presets import parse_settings, parse_yaml
from recbole_cl.config.schema import MethodSettings
from recbole_cl.config.settings import check_settings, settings_class
from recbole_cl.config.values import plain
from recbole_cl.errors import UsageError


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 2, 10**18, 10**400, -(10**400)),
    *(0.5, -0.0, 1e308, math.nan, math.inf),
    *("", " ", "None", "x" * 100_000, "\x00\n\u202e", "__import__('os')"),
    *([], [None], ["a", "a"], [[1]], {}, {"a": {"b": [1]}}),
]
HUGE = [nested(5000), ["a"] * 200_000, {str(i): i for i in range(20_000)}, 10**5000, {(1, 2): 3}, object(), {1: {2}}]


def refusal(key: str, value: Any, values: dict[str, Any], own: type[MethodSettings]) -> str:
    """What a value is refused with; nothing if it passes. Any other error is one of this test."""
    try:
        check_settings(values | {key: plain(key, value)}, own)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("model", own_models())
def test_every_setting_takes_or_refuses_every_value_in_one_line(model: str) -> None:
    values = Config(model, "ml-100k").settings_dict()
    own = settings_class(model_class(model))
    keys = [*own.model_fields, *({*CommonSettings.model_fields, *WITHOUT_EFFECT} if model == "DuoRec" else ())]
    refused = 0
    for key in keys:
        messages = [refusal(key, value, values, own) for value in HOSTILE]
        assert all(len(text) < 700 and "\n" not in text for text in messages), key
        refused += sum(map(bool, messages))
    assert len(HOSTILE) == 26 and refused > 18 * len(keys)


@pytest.mark.parametrize("value", HUGE, ids=lambda value: type(value).__name__)
def test_what_is_too_large_or_no_plain_value_is_refused_at_once(value: Any) -> None:
    begin = time.perf_counter()
    with pytest.raises(UsageError) as caught:
        plain("topk", value)
    assert str(caught.value).startswith("topk") and len(str(caught.value)) < 200
    assert time.perf_counter() - begin < 1


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: !!timestamp foo", "the tag"),
        ("seed: !!bool foo", "the tag"),
        ("seed: !!int x", "the tag"),
        ("seed: !!python/object/apply:os.getpid []", "the tag"),
        ("!!binary a: 1", "the tag"),
        (BOMB, "more than 100000 entries, aliases written out"),
        ("a: &a [*a]", "an alias within what it stands for"),
        (f"a: {'x' * 2_000_000}", "characters, of 1000000 at most"),
        (f"a: {'[' * 40}{']' * 40}", "more than 32 deep"),
        (f"a: {'[' * 3000}{']' * 3000}", "more than 32 deep"),
        (f"a: {'{a: ' * 3000}1{'}' * 3000}", "more than 32 deep"),
        (f"seed: {'9' * 5000}", "not valid YAML"),
        ("seed: 2020-13-45", "not valid YAML"),
        ("seed: 0b_", "not valid YAML"),
        ("{[1]: 2}", "not valid YAML"),
        ("seed: \x00", "not valid YAML"),
        ("- 1", "expected a mapping"),
        ("5", "expected a mapping"),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_yaml_is_refused_in_one_line_and_at_once(text: str, words: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(UsageError) as caught:
        parse_settings(text, "mine.yaml")
    message = str(caught.value)
    assert (
        re.match(r"mine\.yaml(, line 1)?: ", message)
        and words in message
        and len(message) < 300
        and "\n" not in message
    )
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\nseed: [1\n", 3),
        ("# mine\nseed: !!bool foo\n", 2),
        ("epochs: 3\nseed: 2020-13-45\n", 2),
        (f"epochs: 3\n\nseed: {'9' * 5000}\n", 3),
        (f"epochs: 3\nseed: {'[' * 40}{']' * 40}\n", 2),
        ("epochs: 3\na: &a [*a]\n", 2),
        ("epochs: 3\n{[1]: 2}: 3\n", 2),
    ],
    ids=lambda text: str(text)[:20],
)
def test_what_is_no_yaml_is_told_with_file_and_line(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=f"^mine.yaml, line {line}: not valid YAML, "):
        parse_settings(text, "mine.yaml")


def test_a_bad_value_is_told_with_file_and_line(tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("temperature: 0.5\nepochs: -1\n")
    two.write_text("# mine\ntemperature: 0\n")
    with pytest.raises(UsageError, match=f"^{re.escape(str(two))}, line 2: temperature = 0: expected a number > 0"):
        Config("DuoRec", "ml-100k", [one, two])
    with pytest.raises(UsageError, match=f"^{re.escape(str(one))}, line 2: epochs = -1: expected"):
        Config("DuoRec", "ml-100k", [one, two], {"temperature": 1})
    with pytest.raises(UsageError, match="^temperature = -1: expected"):
        Config("DuoRec", "ml-100k", [one, two], {"epochs": 1, "temperature": -1})


def test_aliases_and_quoted_texts_stay() -> None:
    assert parse_yaml("{a: &x [1, 2], b: *x, c: 'True'}") == {"a": [1, 2], "b": [1, 2], "c": "True"}
    assert parse_yaml("") is None


def test_a_files_values_have_the_same_limits(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"topk: [{'5, ' * 10_000}5]\n")
    with pytest.raises(UsageError, match=f"^{path}: topk: holds more than 10000 entries"):
        Config("SASRec", "ml-100k", [path])
