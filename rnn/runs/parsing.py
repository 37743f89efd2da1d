"""Text of a run's files as plain values, whatever stands in it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

DEEPEST = 32
"""Tables and lists within each other: those of a run are three deep."""


def parsed_json(text: str | bytes) -> Any:
    """What a JSON text holds. Raises ValueError where it is none, or nested deeper than DEEPEST."""
    return _parsed(json.loads, text)


def parsed_toml(content: bytes) -> dict[str, Any]:
    """What a TOML file holds. Raises ValueError where it is no TOML in UTF-8, or nested deeper than DEEPEST."""
    found: dict[str, Any] = _parsed(tomllib.loads, content.decode())
    return found


def _parsed(parse: Callable[[Any], Any], text: str | bytes) -> Any:
    """The parsers call themselves for what is nested, and so does all that looks at what they give (``repr``)."""
    try:
        found = parse(text)
    except RecursionError:
        raise _too_deep() from None
    inner = [found] if isinstance(found, (dict, list)) else []
    for _ in range(DEEPEST + 1):
        if not inner:
            return found
        held = (value for one in inner for value in (one.values() if isinstance(one, dict) else one))
        inner = [value for value in held if isinstance(value, (dict, list))]
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"tables or lists nested deeper than {DEEPEST}")


def is_record(found: Any) -> bool:
    """Whether it is a line of metrics: numbers by name, an update among them."""
    numbers = isinstance(found, dict) and all(v is None or type(v) in (int, float) for v in found.values())
    return numbers and type(found.get("update")) is int
