"""What types accept, what messages say of what they don't, and the JSON schema that is made of them."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Field, field_validator, model_validator
from typing_extensions import Required, TypedDict

from recbole_cl.config.common import CommonSettings
from recbole_cl.config.messages import refuse_bad, validated
from recbole_cl.config.models import own_models
from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.config.schema import (
    Count,
    Distinct,
    NotNegative,
    OneOf,
    Pattern,
    Positive,
    Rate,
    Settings,
    Share,
    Text,
    json_schema,
    table,
)
from recbole_cl.config.schema_command import schema_of
from recbole_cl.errors import UsageError


@table
class Split(TypedDict, total=False):
    order: Literal["TO"]
    ratio: Rate


@table
class Needy(TypedDict, total=False):
    a: Required[Rate]
    b: Rate


class Some(Settings):
    rate: Rate
    weight: Positive
    any_number: float
    below: Annotated[float, Lt(2)]
    between: Annotated[float, Gt(-1), Le(1)]
    count: Count
    few: Annotated[int, Ge(1), Le(3)]
    at_most: Annotated[int, Le(1)]
    flag: bool
    choice: Literal["dot", "cosine"]
    grouping: Literal["auto"] | bool
    level: Annotated[str, OneOf("INFO", "DEBUG", ignore_case=True)]
    text: Text
    any_text: str
    form: Annotated[str, Pattern(r"uni\d+", "uniN")]
    counts: Annotated[list[Count], MinLen(1)]
    texts: Annotated[list[Text], MinLen(1)]
    set: Annotated[list[Text], MinLen(1), Distinct()]
    maybe_empty: list[Text]
    count_or_flag: Count | bool
    maybe: Count | None
    maybe_flag: bool | None
    split: Split
    maybe_split: Split | None
    needy: Needy
    anything: dict[Any, Any]
    tables: dict[str, dict[str, Any]] | None
    rounding: dict[Annotated[str, OneOf("crop", "mask")], Literal["floor", "ceil"]]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rate", 0),
        ("rate", 0.999),
        ("weight", 1e-12),
        ("any_number", -3),
        ("count", 1),
        ("few", 3),
        ("flag", False),
        ("choice", "dot"),
        ("grouping", False),
        ("level", "info"),
        ("text", "a"),
        ("any_text", ""),
        ("form", "uni100"),
        ("counts", [5, 10]),
        ("maybe_empty", []),
        ("set", ["a", "b"]),
        ("count_or_flag", True),
        ("maybe_flag", None),
        ("maybe_flag", True),
        ("anything", {"anything": object(), 5: 1}),
        ("tables", {"crop": {"ratio": 0.5}}),
        ("split", {"order": "TO"}),
        ("maybe_split", None),
        ("needy", {"a": 0.5}),
    ],
)
def test_a_good_value_passes(key: str, value: object) -> None:
    refuse_bad(Some, {key: value, "of another class": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"rate": 1}, "rate = 1: expected a number in [0, 1)"),
        ({"rate": -0.1}, "rate = -0.1: expected a number in [0, 1)"),
        ({"rate": True}, "rate = True: expected a number in [0, 1)"),
        ({"rate": "0.5"}, "rate = '0.5': expected a number in [0, 1)"),
        ({"rate": None}, "rate = None: expected a number in [0, 1)"),
        ({"weight": 0}, "weight = 0: expected a number > 0"),
        ({"weight": math.nan}, "weight = nan: expected a number > 0"),
        ({"weight": math.inf}, "weight = inf: expected a number > 0"),
        ({"any_number": "x"}, "any_number = 'x': expected a number"),
        ({"below": 2}, "below = 2: expected a number < 2"),
        ({"between": -1}, "between = -1: expected a number in (-1, 1]"),
        ({"count": 0}, "count = 0: expected an integer >= 1"),
        ({"count": 2.0}, "count = 2.0: expected an integer >= 1"),
        ({"count": True}, "count = True: expected an integer >= 1"),
        ({"few": 4}, "few = 4: expected an integer in [1, 3]"),
        ({"at_most": 2}, "at_most = 2: expected an integer <= 1"),
        ({"flag": 1}, "flag = 1: expected True or False"),
        ({"flag": "yes"}, "flag = 'yes': expected True or False"),
        ({"choice": "DOT"}, "choice = 'DOT': expected one of dot, cosine"),
        ({"grouping": 1}, "grouping = 1: expected auto, or True or False"),
        ({"level": "loud"}, "level = 'loud': expected one of INFO, DEBUG"),
        ({"text": " "}, "text = ' ': expected text that is not empty"),
        ({"text": 5}, "text = 5: expected text that is not empty"),
        ({"any_text": 5}, "any_text = 5: expected text"),
        ({"form": "uni1x"}, "form = 'uni1x': expected uniN"),
        ({"counts": [5, 0]}, "counts = [5, 0]: expected a list of at least 1, each an integer >= 1"),
        ({"counts": []}, "counts = []: expected a list of at least 1, each an integer >= 1"),
        ({"texts": "ab"}, "texts = 'ab': expected a list of at least 1, each text that is not empty"),
        (
            {"set": ["a", "b", "a"]},
            "set = ['a', 'b', 'a']: expected a list of at least 1, each text that is not empty, none twice",
        ),
        ({"count_or_flag": 0}, "count_or_flag = 0: expected an integer >= 1, or True or False"),
        ({"maybe": 0}, "maybe = 0: expected an integer >= 1, or ~"),
        ({"maybe_split": {"ratio": 2}}, "maybe_split.ratio = 2: expected a number in [0, 1)"),
        ({"split": {"order": "RO"}}, "split.order = 'RO': expected TO"),
        ({"split": {"oder": "TO"}}, "split has an entry 'oder': expected order, ratio"),
        ({"split": 3}, "split = 3: expected a mapping with order: TO; ratio: a number in [0, 1)"),
        (
            {"split": {"order:TO": None}},
            "split has an entry 'order:TO': expected order, ratio; YAML needs a space after the colon",
        ),
        ({"needy": {"b": 0.5}}, "needy = {'b': 0.5}: a is missing"),
        ({"anything": []}, "anything = []: expected a mapping"),
        ({"tables": {"crop": 5}}, "tables.crop = 5: expected a mapping"),
        ({"tables": {5: {}}}, "tables has an entry 5: expected text"),
        ({"rounding": {"crop": "up"}}, "rounding.crop = 'up': expected one of floor, ceil"),
        ({"rounding": {"corp": "floor"}}, "rounding has an entry 'corp': expected one of crop, mask"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_the_remedy(value: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_bad(Some, value)
    assert str(caught.value) == message


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(UsageError) as caught:
        refuse_bad(Some, {"flag": "x" * 1000})
    assert len(str(caught.value)) < 120


class Base(Settings):
    temperature: Positive = Field(description="tau")
    weight: NotNegative


class Child(Base):
    weight: Share


def test_settings_are_typed_inherited_and_not_written_to() -> None:
    options = validated(Child, {"temperature": 1, "weight": 0.5, "epochs": 3})
    assert (options.temperature, options.weight) == (1.0, 0.5)
    with pytest.raises(UsageError, match=r"^weight = 2: expected a number in \[0, 1\]"):
        validated(Child, {"temperature": 1, "weight": 2})
    with pytest.raises(UsageError, match="^temperature, weight: no value; give one in the model's YAML file"):
        validated(Child, {})
    with pytest.raises(ValueError, match="frozen"):
        options.weight = 0.1


def conforms(value: object, schema: Any, root: Any) -> bool:
    """Whether a value is as a JSON schema of the forms that pydantic writes says."""
    if schema.get("$ref") == "#":
        return conforms(value, root, root)
    if "$ref" in schema:
        return conforms(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema and not any(conforms(value, each, root) for each in schema["anyOf"]):
        return False
    kinds: dict[str, Any] = {"integer": int, "number": (int, float), "string": str, "boolean": bool}
    kinds |= {"array": list, "object": dict}
    kind = schema.get("type")
    if kind == "null" or (
        kind and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) != (kind == "boolean")))
    ):
        return kind == "null" and value is None
    limits = {
        "const": lambda it: value == it,
        "enum": lambda it: value in it,
        "minimum": lambda it: value >= it,
        "exclusiveMinimum": lambda it: value > it,
        "maximum": lambda it: value <= it,
        "exclusiveMaximum": lambda it: value < it,
        "minItems": lambda it: len(value) >= it,  # type: ignore[arg-type]
        "pattern": lambda it: re.search(it, value) is not None,  # type: ignore[call-overload]
        "items": lambda it: all(conforms(each, it, root) for each in value),  # type: ignore[attr-defined]
    }
    if not all(passes(schema[word]) for word, passes in limits.items() if word in schema):
        return False
    if not isinstance(value, dict):
        return True
    own, further = schema.get("properties", {}), schema.get("additionalProperties", True)
    forms = {key: own.get(key, further) for key in value}
    return all(form is True or (form is not False and conforms(value[key], form, root)) for key, form in forms.items())


SCHEMA = schema_of(own_models())


@pytest.mark.parametrize(
    "path",
    sorted(path for path in props_dir().rglob("*.yaml") if "search" not in path.parent.parts),
    ids=lambda path: path.stem,
)
def test_the_json_schema_accepts_every_preset(path: Any) -> None:
    values = read_settings(path)
    assert conforms(values, json.loads(json.dumps(SCHEMA)), SCHEMA)
    assert not conforms(values | {"temprature": 1}, SCHEMA, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0},
        {"topk": []},
        {"topk": "5"},
        {"learner": "adma"},
        {"eval_args": {"order": "RO"}},
        {"eval_args": {"oder": "TO"}},
        {"use_gpu": 1},
        {"similarity": "cos"},
        {"neuron_masking_prob": 1},
        {"worker": 2},
    ],
    ids=str,
)
def test_the_json_schema_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    assert not conforms(wrong, SCHEMA, SCHEMA)


def test_the_json_schema_tells_symbols_and_comments() -> None:
    own = schema_of(["SRMA"])["properties"]
    assert (
        own["temperature"]["description"] == "tau, > 0"
        and "digits of logged losses" in own["loss_decimal_place"]["description"]
    )
    assert "generator_weight" not in own and "generator_weight" in SCHEMA["properties"]
    assert json_schema([CommonSettings])["properties"]["epochs"] == {"minimum": 0, "type": "integer"}


def test_the_words_of_somebody_elses_validators_are_kept() -> None:
    class Theirs(Settings):
        low: int
        high: int

        @model_validator(mode="after")
        def _ordered(self) -> Theirs:
            if self.low > self.high:
                raise ValueError(f"low = {self.low}: expected at most high = {self.high}")
            return self

        @field_validator("low")
        @classmethod
        def _even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("expected an even number")
            return value

    with pytest.raises(UsageError, match="^low = 4: expected at most high = 2$"):
        validated(Theirs, {"low": 4, "high": 2})
    with pytest.raises(UsageError, match="^low = 3: expected an even number$"):
        validated(Theirs, {"low": 3, "high": 4})
