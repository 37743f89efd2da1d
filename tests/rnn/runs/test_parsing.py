"""Text of a run's files: plain values, or an error that is no stack overflow, at any depth."""

from __future__ import annotations

import pytest
from bptt.rnn.runs.parsing import DEEPEST, parsed_json, parsed_toml


@pytest.mark.parametrize("depth", [DEEPEST + 1, 200, 900, 990, 5000])
def test_what_is_nested_too_deeply_is_a_value_error(depth: int) -> None:
    """Also where the parser's own stack would hold it, and that of what prints the result would not."""
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(ValueError, match="nested deeper than"):
            parsed_json(text)
    for table in ("a = " + "[" * depth + "]" * depth, ".".join("a" * depth) + " = 1"):
        with pytest.raises(ValueError, match="nested deeper than"):
            parsed_toml(table.encode())


def test_what_is_not_is_read() -> None:
    text = "[" * DEEPEST + "]" * DEEPEST
    assert str(parsed_json(text)) == text
    assert parsed_json("3") == 3
    assert parsed_toml(b'[a]\nb = [1, "c"]') == {"a": {"b": [1, "c"]}}
    for content in (b"\xff", b"a ="):
        with pytest.raises(ValueError, match=r"decode|Invalid"):
            parsed_toml(content)
