"""State declared once: the fields of a record give its checks, its URL parameters, its Python source and its JSON."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from math import isinf
from operator import or_
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr, replace

from ecnas_core.errors import EcnasError

LARGEST: Final = sys.float_info.max
"""The upper limit of a number that only has to be finite."""

_SHOWN_LETTERS: Final = 40
_WHOLE: Final = re.compile(r"-?[0-9]{1,20}")
_UNIONS: Final = (Union, UnionType)


_track = ctypes.pythonapi.PyObject_GC_Track
_track.argtypes, _track.restype = [ctypes.py_object], None

R = TypeVar("R", bound="Record")


class InvalidRecord(EcnasError):
    """A field of a record, or the URL parameter that it was read from, has a value that it cannot have."""


@dataclass(frozen=True)
class OneOf:
    """In an annotation: the values that there are, where they are known at run time alone.

    Attributes:
        values: all of them.
    """

    values: Collection[str | int]


@dataclass(frozen=True)
class Param:
    """In an annotation: how a field is written in a URL, where its name and its type do not say it.

    Attributes:
        name: of the parameter; empty for the name of the field.
        read: the value of a text; raises ValueError where it has none.
        write: the text of a value; None leaves the parameter out.
        none: the text of None; None leaves the parameter out.
        keys: of a field that holds tuples, each with a key in front: there is a parameter for each key, called by the
            name and the key.
        hidden: whether the field is left out of URLs.
    """

    name: str = ""
    read: Callable[[str], Any] | None = None
    write: Callable[[Any], str | None] | None = None
    none: str | None = None
    keys: Collection[str] = ()
    hidden: bool = False


class Record(msgspec.Struct, frozen=True):
    """A frozen description of what is asked for; every field has a default.

    Raises:
        InvalidRecord: a field has a value that its annotation does not allow.
    """

    def __post_init__(self) -> None:
        # Without this a record of plain values is invisible to the garbage collector: a cycle through its type and
        # module is then never freed, and what that holds (DuckDB's types) is reported as leaked when Python ends.
        if not gc.is_tracked(self):
            _track(self)
        try:
            _check(self)
        except msgspec.ValidationError:
            for name in self.__struct_fields__:
                force_setattr(self, name, _plain(getattr(self, name)))
            try:
                _check(self)
            except msgspec.ValidationError as error:
                place = re.findall(r"\$\.(\w+)", str(error))
                field = next(each for each in _fields(type(self)) if each.name in place)
                raise field.invalid(getattr(self, field.name)) from None

    def to_params(self) -> dict[str, str]:
        """The record as URL parameters; defaults are left out."""
        return dict(_written(self, type(self)()))

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """The record that ``to_params`` wrote; other parameters are ignored.

        Raises:
            InvalidRecord: a parameter does not have the form that ``to_params`` writes, or is out of range.
            EcnasError: parameters that do not go together.
        """
        return _changed(cls(), params)


def _check(record: Record) -> None:
    msgspec.convert(record, _checks(type(record)), from_attributes=True)


def _plain(value: Any) -> Any:
    """A value without numpy's numbers."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value


def distinct(text: str) -> tuple[str, ...]:
    """The names in a URL parameter, each once."""
    return tuple(dict.fromkeys(filter(None, text.split("~"))))


def source(value: Any) -> str:
    """The Python source of a value; of a record with the fields that differ from their defaults."""
    if isinstance(value, Record):
        return f"{type(value).__name__}({', '.join(f'{name}={source(given)}' for name, given, _ in _changes(value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, float):
        return f"float('{value}')" if isinf(value) else repr(float(value))
    return repr(value)


def script(*calls: str, uses: Iterable[str] = (), **values: Any) -> str:
    """A Python script that computes what is shown.

    Args:
        calls: its last lines.
        uses: what they need, as ``"ecnas_core.analysis.explore:front"``.
        values: what they are about, by name; records and their parts are imported.
    """
    needed = {"ecnas_core": {"Benchmark"}}
    records = {f"{each.__module__}:{each.__name__}" for value in values.values() for each in _types(value)}
    for use in (*uses, *records):
        module, name = use.split(":")
        needed.setdefault(module, set()).add(name)
    imports = [f"from {module} import {', '.join(sorted(needed[module]))}" for module in sorted(needed)]
    return "\n".join([*imports, "", *(f"{name} = {source(value)}" for name, value in values.items()), *calls, ""])


def to_json(value: Any, indent: int = 0) -> str:
    """A document as JSON text; NaN and infinities are null.

    Args:
        value: made of what JSON has, records, dates, paths, and numbers and arrays of numpy and pandas.
        indent: spaces of a level; 0 for one line.
    """
    text = _JSON.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()


def _json_form(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_JSON: Final = msgspec.json.Encoder(enc_hook=_json_form, decimal_format="number")


@dataclass(frozen=True)
class _Field:
    name: str
    kind: Any
    param: Param

    def parameter(self, key: str = "") -> str:
        return self.name if self.param.keys and not key else self.param.name + key or self.name

    def invalid(self, value: Any, key: str = "") -> InvalidRecord:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_LETTERS else f"{shown[:_SHOWN_LETTERS]}…"
        remedy = _remedy(self.kind, bool(self.param.keys))
        return InvalidRecord(f"{self.parameter(key)}={shown} is not possible; {remedy}")

    def read(self, params: Mapping[str, str]) -> dict[str, Any]:
        if self.param.keys:
            given = {key: params[self.parameter(key)] for key in self.param.keys if self.parameter(key) in params}
            return {self.name: tuple((key, *self._value(text, key)) for key, text in given.items())} if given else {}
        return {self.name: self._value(params[self.parameter()])} if self.parameter() in params else {}

    def _value(self, text: str, key: str = "") -> Any:
        try:
            if self.param.read is not None:
                return self.param.read(text)
            if text == self.param.none:
                return None
            if key:
                return _each(text.split("~"), get_args(get_args(self.kind)[0])[1:])
            return _read(text, self.kind)
        except (ValueError, KeyError):
            raise self.invalid(text, key) from None

    def write(self, value: Any) -> Iterator[tuple[str, str]]:
        if self.param.keys:
            yield from ((self.parameter(key), "~".join(map(str, parts))) for key, *parts in value)
        else:
            text = self.param.none if value is None else (self.param.write or _text)(value)
            if text is not None:
                yield self.parameter(), text


@cache
def _fields(record: type[Record]) -> tuple[_Field, ...]:
    kinds = get_type_hints(record, include_extras=True)
    found = []
    for name in record.__struct_fields__:
        marks = getattr(kinds[name], "__metadata__", ())
        param = next((mark for mark in marks if isinstance(mark, Param)), Param())
        found.append(_Field(name, _resolved(kinds[name]), param))
    return tuple(found)


@cache
def _checks(record: type[Record]) -> type[msgspec.Struct]:
    """A structure of the same fields, which reads a record's attributes and so checks them."""
    return msgspec.defstruct(record.__name__, [(each.name, each.kind) for each in _fields(record)])


def _resolved(kind: Any) -> Any:
    """A type in which the marks of this module are replaced by what msgspec knows."""
    if get_origin(kind) is Annotated:
        for mark in kind.__metadata__:
            if isinstance(mark, OneOf):
                return Literal[tuple(mark.values)]
        bare = _resolved(kind.__origin__)
        metas = [mark for mark in kind.__metadata__ if isinstance(mark, Meta)]
        return Annotated[bare, *metas] if metas else bare
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        return GenericAlias(tuple, tuple(part if part is ... else _resolved(part) for part in parts))
    if get_origin(kind) in _UNIONS:
        return reduce(or_, map(_resolved, parts))
    return kind


def _known(kind: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """A type without None and constraints, its origin and its arguments."""
    if get_origin(kind) is Annotated:
        return _known(kind.__origin__)
    if get_origin(kind) in _UNIONS:
        return _known(next(part for part in get_args(kind) if part is not NoneType))
    return kind, get_origin(kind), get_args(kind)


def _read(text: str, kind: Any, between: str = "~") -> Any:
    kind, origin, parts = _known(kind)
    if origin is Literal:
        return {str(part): part for part in parts}[text]
    if origin is tuple and parts[-1] is ...:
        texts = text.split(between)
        if get_origin(parts[0]) is not Literal:
            texts = [part for part in texts if part]
        return tuple(_read(part, parts[0], ":") for part in texts)
    if origin is tuple:
        return _each(text.split(between), parts)
    if kind is bool:
        return {"0": False, "1": True}[text]
    if kind is int and not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return kind(text)


def _each(texts: Sequence[str], kinds: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_read(text, kind) for text, kind in zip(texts, kinds, strict=True))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "~".join(":".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _remedy(kind: Any, keyed: bool) -> str:
    bare, origin, parts = _known(kind)
    if origin is Literal:
        return f"take one of {', '.join(map(str, parts))}"
    if origin is tuple and get_origin(parts[0]) is Literal:
        return f"take some of {', '.join(map(str, get_args(parts[0])))}"
    if origin is tuple:
        words = [_word(part) for part in get_args(parts[0]) or parts[:1]]
        return f"write {'it as ' + '~'.join(words[1:]) if keyed else ':'.join(words) + ', with ~ between'}"
    return "write 0 or 1" if bare is bool else f"give {_word(kind)}{_limits(kind)}"


def _word(kind: Any) -> str:
    """What a text of a type is, in words."""
    kind, origin, parts = _known(kind)
    if origin is Literal:
        return f"({' or '.join(map(str, parts))})"
    return {int: "a whole number", float: "a number"}.get(kind, "a name")


def _limits(kind: Any) -> str:
    """The constraints of a number, in words; empty without any."""
    for part in get_args(kind) if get_origin(kind) in _UNIONS else (kind,):
        for limit in getattr(part, "__metadata__", ()):
            least = f"more than {limit.gt}" if limit.ge is None else str(limit.ge)
            if limit.lt is not None:
                return f", {least} and less than {limit.lt}"
            if limit.le in (None, LARGEST):
                return f", {least}" if limit.ge is None else f", at least {least}"
            return f", {least} to {limit.le}{f' in steps of {limit.multiple_of}' if limit.multiple_of else ''}"
    return ""


def _changes(record: Record, default: Record | None = None) -> Iterator[tuple[str, Any, Any]]:
    default = type(record)() if default is None else default
    for name in record.__struct_fields__:
        value, usual = getattr(record, name), getattr(default, name)
        if value != usual:
            yield name, value, usual


def _written(record: Record, default: Record) -> Iterator[tuple[str, str]]:
    changed = {name: (value, usual) for name, value, usual in _changes(record, default)}
    for field in _fields(type(record)):
        if field.name in changed and not field.param.hidden:
            value, usual = changed[field.name]
            yield from _written(value, usual) if isinstance(value, Record) else field.write(value)


def _changed(default: R, params: Mapping[str, str]) -> R:
    """A record with what a URL says of it, and of its parts."""
    given: dict[str, Any] = {}
    for field in _fields(type(default)):
        usual = getattr(default, field.name)
        if isinstance(usual, Record):
            given[field.name] = _changed(usual, params)
        elif not field.param.hidden:
            given |= field.read(params)
    return replace(default, **given)


def _types(value: Any) -> Iterator[type[Record]]:
    """The types of the records in the source of a value."""
    if isinstance(value, Record):
        yield type(value)
        for _, part, _ in _changes(value):
            yield from _types(part)
