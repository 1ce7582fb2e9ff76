"""Types that define the allowed values of settings, and the base of all settings classes."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, with_config
from pydantic_core import CoreSchema, core_schema

from recbole_cl.config.papers import Papers
from recbole_cl.registry import Registry, is_path

_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Settings(BaseModel):
    """Base of all settings classes: values are not converted, unknown keys are refused, and instances are read-only.

    Values are given only in YAML files: a field has no default.
    """

    model_config = _STRICT


class MethodSettings(Settings):
    """Base of a method's own settings: its class declares them as ``settings`` and reads them from ``options``.

    Attributes:
        papers: The papers' values for these settings, and for those of every run; classes that extend this one have
            them, too.
        own_papers: The same, but only for methods with exactly this class.
    """

    papers: ClassVar[Papers] = {}
    own_papers: ClassVar[Papers] = {}


table = with_config(_STRICT)  # for a TypedDict: the type of a setting that is a mapping with fixed keys


class Rule(ABC):
    """A condition on a value beyond its type, with words that tell the user which values are accepted."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """The accepted values, as the end of "expected ..."."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Tells whether a value of the right type is accepted."""

    def in_json(self) -> dict[str, Any]:
        """The rule in a JSON schema."""
        return {}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._passed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self.in_json()}

    def _passed(self, value: Any) -> Any:
        if not self.accepts(value):
            raise ValueError(self.expected)
        return value


class OneOf(Rule):
    """One of a few texts; use ``Literal`` where they need not be computed.

    Args:
        *choices: The texts.
        ignore_case: Whether upper and lower case are equal.
    """

    def __init__(self, *choices: str, ignore_case: bool = False) -> None:
        self.choices, self.ignore_case = choices, ignore_case

    @property
    def expected(self) -> str:
        return one_of(self.choices)

    def accepts(self, value: str) -> bool:
        return (value.lower() in {it.lower() for it in self.choices}) if self.ignore_case else value in self.choices

    def in_json(self) -> dict[str, Any]:
        if self.ignore_case:
            return {"pattern": f"^(?i:{'|'.join(map(re.escape, self.choices))})$"}
        return {"enum": list(self.choices)}


@dataclass(frozen=True)
class Pattern(Rule):
    """Text of a certain form.

    Args:
        regex: Regular expression that the whole text must match.
        says: The meaning of the expression, as the end of "expected ...".
    """

    regex: str
    says: str

    @property
    def expected(self) -> str:
        return self.says

    def accepts(self, value: str) -> bool:
        return re.fullmatch(self.regex, value) is not None


@dataclass(frozen=True)
class Named(Rule):
    """A name in a registry, or the dotted path of something importable.

    Args:
        registry: The registry.
    """

    registry: Registry[Any]

    @property
    def expected(self) -> str:
        return f"{one_of(self.registry.names())}, or a dotted path such as my_package.my_module.Name"

    def accepts(self, value: str) -> bool:
        return value in self.registry.names() or is_path(value)

    def in_json(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": self.registry.names()}, {"pattern": "[.:]"}]}


@dataclass(frozen=True)
class Encoding(Rule):
    """Name of a text encoding that Python knows."""

    @property
    def expected(self) -> str:
        return "the name of a text encoding, such as utf-8 or latin-1"

    def accepts(self, value: str) -> bool:
        try:
            return "".encode(value) is not None
        except (LookupError, ValueError):
            return False


@dataclass(frozen=True)
class Distinct(Rule):
    """A list without duplicates."""

    @property
    def expected(self) -> str:
        return "none twice"

    def accepts(self, value: list[Any]) -> bool:
        return not any(item in value[:i] for i, item in enumerate(value))

    def in_json(self) -> dict[str, Any]:
        return {"uniqueItems": True}


Count = Annotated[int, Ge(1)]
Size = Annotated[int, Ge(1), Le(2**20)]  # a number of allocated rows, columns or states
Width = Annotated[int, Ge(1), Le(2**14)]  # of a layer; its weights grow with the square
Depth = Annotated[int, Ge(1), Le(2**10)]  # number of layers
Natural = Annotated[int, Ge(0)]  # 0 included
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Rate = Annotated[float, Ge(0), Lt(1)]  # a probability below 1
Text = Annotated[str, Pattern(r"(?s).*\S.*", "text that is not empty")]


def one_of(choices: Iterable[object]) -> str:
    """A choice in words."""
    texts = [str(choice) for choice in choices]
    return f"{'one of ' if len(texts) > 1 else ''}{', '.join(texts)}"


def json_schema(classes: Iterable[type[Settings]]) -> dict[str, Any]:
    """The JSON schema of YAML files that hold any settings of the given classes.

    Args:
        classes: The classes whose settings a file may hold. If several define a key differently, any of the definitions
            is accepted.

    Returns:
        The schema, of plain types.
    """
    forms: dict[str, list[Any]] = {}
    tables: dict[str, Any] = {}
    for cls in classes:
        schema = cls.model_json_schema()
        tables |= schema.get("$defs", {})
        for key, form in schema["properties"].items():
            form.pop("title", None)  # repeats the key
            if form not in forms.setdefault(key, []):
                forms[key].append(form)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {key: its[0] if len(its) == 1 else {"anyOf": its} for key, its in sorted(forms.items())},
        "additionalProperties": False,
        "$defs": tables,
    }
