"""Messages for refused values: one line with key, value and remedy, in place of pydantic's own text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ValidationError
from typing_extensions import NotRequired, Required, get_type_hints, is_typeddict

from recbole_cl.config.schema import Distinct, Rule, Settings, one_of
from recbole_cl.errors import UsageError

S = TypeVar("S", bound=Settings)

_SHOWN = 80  # characters of a value


def validated(cls: type[S], values: Mapping[str, Any]) -> S:
    """The typed settings.

    Args:
        cls: Their class.
        values: A value for each of its fields.

    Returns:
        The settings.

    Raises:
        UsageError: If some values are missing (all are named), or at the first bad value.
    """
    if missing := [key for key in cls.model_fields if key not in values]:
        raise UsageError(
            f"{', '.join(missing)}: no value; give one in the model's YAML file (<Model>.yaml next to its module, or "
            "in props/model), or in your settings"
        )
    try:
        return cls.model_validate({key: values[key] for key in cls.model_fields})
    except ValidationError as error:
        raise UsageError(_line(cls, values, error)) from None


def refuse_bad(cls: type[Settings], values: Mapping[str, Any]) -> None:
    """Refuses bad values; settings that are left out pass.

    Args:
        cls: The class of the settings.
        values: Values of any settings; only those of the class are looked at.

    Raises:
        UsageError: At the first bad value.
    """
    given = {key: values[key] for key in cls.model_fields if key in values}
    try:
        cls.model_validate(given)
    except ValidationError as error:
        if line := _line(cls, given, error):
            raise UsageError(line) from None


def refuse_unless(rule: Rule, key: str, value: object) -> None:
    """Refuses text that does not satisfy a rule.

    Args:
        rule: The rule.
        key: Name of the setting.
        value: The value it was set to.

    Raises:
        UsageError: If it is not text, or does not satisfy the rule.
    """
    if not isinstance(value, str) or not rule.accepts(value):
        raise UsageError(f"{key} = {shown(value)}: expected {rule.expected}")


def expected(kind: Any, notes: Sequence[Any] = ()) -> str:
    """The accepted values of a type, as the end of "expected ...".

    Args:
        kind: A type, as written in annotations.
        notes: The further arguments of its ``Annotated``.
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return expected(args[0], [*args[1:], *notes])
    if origin in (Required, NotRequired):
        return expected(args[0], notes)
    if origin is list:
        return _list(args[0], notes)
    if rule := next((note for note in notes if isinstance(note, Rule)), None):
        return rule.expected
    if origin in (Union, UnionType):
        return ", or ".join(map(expected, args))
    if origin is Literal:
        return one_of(args)
    if is_typeddict(kind):
        return f"a mapping with {'; '.join(f'{key}: {expected(it)}' for key, it in entries_of(kind).items())}"
    if kind in (int, float):
        return f"{'an integer' if kind is int else 'a number'}{_interval(notes)}"
    return {bool: "True or False", str: "text", NoneType: "~"}.get(kind, "a mapping")


def shown(value: object) -> str:
    """A value in one line of bounded length; text keeps its quotes, so that '3' differs from 3."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _line(cls: type[Settings], values: Mapping[str, Any], error: ValidationError) -> str:
    """The first error in one line; empty if the only errors are missing settings."""
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        if each["type"] != "missing" or len(each["loc"]) > 1:
            said = each["msg"].removeprefix("Value error, ")
            if not each["loc"]:  # a validator of the whole class, which somebody else wrote
                return said
            line = _words(cls, values, each["loc"], each["type"] == "missing")
            return line if each["type"] != "value_error" or said in line else f"{line.split(': expected')[0]}: {said}"
    return ""


def _words(cls: type[Settings], values: Mapping[str, Any], place: Sequence[Any], missing: bool) -> str:
    """Descends as long as mappings have fixed keys; deeper values are reported as a whole."""
    key, *entries = place
    kind: Any = cls.model_fields[key].annotation
    notes, value = cls.model_fields[key].metadata, values[key]
    for entry in entries:
        own, (key_type, value_type) = entries_of(kind), _item_types(kind)
        if not own and value_type is None:
            break
        if (own and entry not in own) or entries[-1] == "[key]":
            space = "; YAML needs a space after the colon" if ":" in str(entry) else ""
            return f"{key} has an entry {entry!r}: expected {', '.join(own) or expected(key_type)}{space}"
        if missing and entry == entries[-1]:
            return f"{key} = {shown(value)}: {entry} is missing"
        key, kind, notes, value = f"{key}.{entry}", own.get(entry, value_type), [], value[entry]
    return f"{key} = {shown(value)}: expected {expected(kind, notes)}"


def may_be_none(kind: Any) -> bool:
    """Whether None (``~`` in YAML) is accepted."""
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def entries_of(kind: Any) -> dict[str, Any]:
    """Key -> type of a mapping with fixed keys; empty for any other type."""
    kind = _bare(kind)
    return get_type_hints(kind, include_extras=True) if is_typeddict(kind) else {}


def _item_types(kind: Any) -> tuple[Any, Any]:
    """Types of a mapping's keys and values; empty if any value is accepted, or the type is not a mapping."""
    kind = _bare(kind)
    return get_args(kind) if get_origin(kind) is dict and get_args(kind)[1] is not Any else (None, None)


def _bare(kind: Any) -> Any:
    """A type without its annotations, and without None."""
    args = get_args(kind)
    if get_origin(kind) in (Annotated, Required, NotRequired):
        return _bare(args[0])
    if may_be_none(kind) and len(args) == 2:
        return _bare(next(arg for arg in args if arg is not NoneType))
    return kind


def _list(element: Any, notes: Sequence[Any]) -> str:
    least = next((note.min_length for note in notes if isinstance(note, MinLen)), 0)
    distinct = any(isinstance(note, Distinct) for note in notes)
    length = f" of at least {least}" if least else ""
    return f"a list{length}, each {expected(element)}{', none twice' if distinct else ''}"


def _interval(notes: Sequence[Any]) -> str:
    """The limits of a number in words, such as " in [0, 1)"."""
    low = high = bounds = ""
    for note in notes:
        match note:
            case Ge(ge=ge):
                low, bounds = f"[{ge}", f" >= {ge}"
            case Gt(gt=gt):
                low, bounds = f"({gt}", f" > {gt}"
            case Le(le=le):
                high, bounds = f"{le}]", f" <= {le}"
            case Lt(lt=lt):
                high, bounds = f"{lt})", f" < {lt}"
    return f" in {low}, {high}" if low and high else bounds
