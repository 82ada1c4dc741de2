"""The configuration as text: the reference, the commented example, the values in effect.

Everything is derived from the models in `config`, so that none of it can say something else.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from appliance.config import Config, Loaded
from appliance.config_values import DefaultText, Unit
from appliance.config_words import sections


@dataclass(frozen=True)
class Setting:
    """One key of `weir.yaml`: its path, kind in words, default as YAML text, limits in words, description."""

    path: tuple[str, ...]
    kind: str
    default: str
    limits: str
    description: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Effective:
    """One value in effect and where it comes from: 'default', 'command line' or 'FILE:LINE'."""

    name: str
    value: Any
    text: str
    origin: str
    changed: bool


def settings() -> Iterator[Setting]:
    """Every key, in the order of the file."""
    for path, section in sections(Config):
        for name, info in section.model_fields.items():
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
                continue
            yield Setting((*path, name), _kind(info), _default(info), _limits(info), info.description or "")


def effective(loaded: Loaded) -> Iterator[Effective]:
    """Every value in effect with its origin."""
    for path, section in sections(Config):
        at: Any = loaded.config
        for part in path:
            at = getattr(at, part)
        for name, info in section.model_fields.items():
            value = getattr(at, name)
            if isinstance(value, BaseModel):
                continue
            default = info.get_default(call_default_factory=True)
            mark = loaded.marks.get((*path, name))
            if mark and loaded.file:
                origin = f"{loaded.file}:{mark.line}"
            else:
                origin = "default" if value == default else "command line"
            plain = _plain(value)
            dotted = ".".join((*path, name))
            yield Effective(dotted, plain, yaml_text(plain, _unit(info)), origin, value != default)


def example() -> str:
    """A `weir.yaml` in which every key stands with its default, commented out."""
    lines = [
        "# Weir: the settings of this host. All of it is optional; what is commented out is the default.",
        "# Check with 'weir config check', look with 'weir config show'. What may leave this host is decided",
        "# by signed content, not here; these settings can only narrow it.",
    ]
    section: tuple[str, ...] = ()
    heads = {path: (model.__doc__ or "").strip().splitlines()[0] for path, model in sections(Config) if path}
    for setting in settings():
        if setting.path[:-1] != section or setting.name == "state_dir":
            lines.append("")
        if setting.path[:-1] != section:
            section = setting.path[:-1]
            if section:
                lines += [f"# {heads[section]}", f"# {section[-1]}:"]
        indent = "  " * len(section)
        lines.append(f"# {indent}{setting.path[-1]}: {_example_value(setting)}  # {setting.description}")
    return "\n".join(lines) + "\n"


def yaml_text(value: object, unit: str = "") -> str:
    """A value as one line of YAML, sizes readable."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int) and unit == "bytes":
        for shift, name in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
            if value and value % (1 << shift) == 0:
                return f"{value >> shift} {name}"
    if isinstance(value, str):
        plain = value and value.replace("-", "").replace("_", "").isalpha() and value.isascii()
        return value if plain and value.lower() not in ("true", "false", "null") else _quoted(value)
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    if isinstance(value, list):
        return f"[{', '.join(yaml_text(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{yaml_text(key)}: {yaml_text(item)}' for key, item in value.items())}}}"
    return json.dumps(value)


def _quoted(text: str) -> str:
    """In double quotes, whatever a terminal or a reader could misunderstand as an escape of YAML."""
    out = []
    for char in text:
        if char in '"\\':
            out.append(f"\\{char}")
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return f'"{"".join(out)}"'


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _unit(info: FieldInfo) -> str:
    return next((item.name for item in info.metadata if isinstance(item, Unit)), "")


def _kind(info: FieldInfo) -> str:
    unit = _unit(info)
    if unit == "bytes":
        return "size"
    return _kind_of(info.annotation) + (f" ({unit})" if unit else "")


def _kind_of(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kind_of(typing.get_args(annotation)[0])
    if origin is Literal:
        return " or ".join(f"`{arg}`" for arg in typing.get_args(annotation))
    if origin is tuple:
        return f"list of {_kind_of(typing.get_args(annotation)[0])}s"
    if origin is dict:
        return "mapping of names to references"
    if origin in (Union, types.UnionType):
        return " or ".join(_kind_of(arg) for arg in typing.get_args(annotation))
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    names[type(None)] = "nothing"
    return names.get(annotation, str(annotation))


def _default(info: FieldInfo) -> str:
    for item in info.metadata:
        if isinstance(item, DefaultText):
            return item.text
    value = _plain(info.get_default(call_default_factory=True))
    return f"`{yaml_text(value, _unit(info))}`"


def _limits(info: FieldInfo) -> str:
    unit = _unit(info)
    parts = []
    if lows := [item.ge for item in info.metadata if hasattr(item, "ge")]:
        parts.append(f"at least {yaml_text(max(lows), unit)}")
    parts += [f"more than {yaml_text(item.gt, unit)}" for item in info.metadata if hasattr(item, "gt")]
    parts += [f"at most {yaml_text(item.le, unit)}" for item in info.metadata if hasattr(item, "le")]
    parts += [f"at most {item.max_length} characters" for item in info.metadata if hasattr(item, "max_length")]
    return ", ".join(parts)


def _example_value(setting: Setting) -> str:
    shown = {
        "state_dir": "/var/lib/weir",
        # Left to the content; `null` in a file says the same.
        "cache.max_wrong": "null",
        "cache.judge": "null",
        "routing.business_value": "null",
        "routing.latency_weight": "null",
        "routing.quality_floor": "null",
    }
    return shown.get(setting.name, setting.default.strip("`"))
