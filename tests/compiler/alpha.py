"""Loop programs up to names."""

from __future__ import annotations

import re

from bptt.compiler.loop import Program


def nameless(program: Program) -> str:
    """The listing with every name replaced by its number of first use, comments and declarations left out."""
    listed = str(program).split("\n\n", 2)[2]
    lines = [line.split("    #")[0].rstrip() for line in listed.splitlines()]
    body = "\n".join(line for line in lines if not line.startswith(("result", "pack ")))
    names = sorted({*program.values, *program.packs, *_lets(program)}, key=len, reverse=True)
    pattern = re.compile(r"(?<![\w\]])(" + "|".join(map(re.escape, names)) + r")(?![\w])")
    numbers: dict[str, str] = {}
    # what stands in braces are letters of products and axes, not names
    pieces = re.split(r"(\{[^}]*\})", body)
    pieces[::2] = [pattern.sub(lambda m: numbers.setdefault(m.group(1), f"v{len(numbers)}"), p) for p in pieces[::2]]
    return "".join(pieces)


def _lets(program: Program) -> set[str]:
    from bptt.compiler.loop import stores, walk

    return {name for rows in program.rows() for item in walk(rows.body, rows.sums) for name in stores(item)}
