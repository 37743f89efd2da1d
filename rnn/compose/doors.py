"""What stands at the doors of compositions: cells are let in, all else is refused with the mend."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, isfunction, signature
from typing import ParamSpec

from ..define import Cell

P = ParamSpec("P")


def of_cells(compose: Callable[P, Cell]) -> Callable[P, Cell]:
    """A composition whose TypeErrors, for sizes and for functions in the place of cells, say what was meant."""
    known = {n for n, p in signature(compose).parameters.items() if p.kind is not Parameter.VAR_POSITIONAL}

    @wraps(compose)
    def checked(*args: P.args, **options: P.kwargs) -> Cell:
        name = compose.__name__
        if sizes := [n for n in options if n not in known]:
            given = ", ".join(f"{n}={options[n]!r:.20}" for n in sizes)
            raise TypeError(
                f"{name}: expected cells, and got {given}; it makes a cell of others, whose sizes are bound afterwards:"
                f" rnn.{name}(rnn.lstm)({given}){_listed(name, given)}"
            )
        for one in (*args, *options.values()):
            if isfunction(one):
                made = f"; it makes a cell of others: rnn.{one.__name__}(rnn.lstm){_listed(one.__name__)}"
                makes = made if hasattr(one, "__wrapped__") else ""
                raise TypeError(f"{name}: expected cells, and got the function {one.__name__}{makes}")
        return compose(*args, **options)

    return checked


def _listed(name: str, sizes: str = "") -> str:
    """The network of the same name, where there is one."""
    from ..cells import CELLS

    if name not in CELLS:
        return ""
    return f"; the network of that name that comes with bptt is rnn.cells.{name}" + (f"({sizes})" if sizes else "")
