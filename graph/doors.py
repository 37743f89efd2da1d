"""What stands at the public doors of a network: a circuit is let in, all else is refused with the mend."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .circuit import Circuit
from .language import shortened


@runtime_checkable
class Unbound(Protocol):
    """A network whose sizes are open, such as ``rnn.Cell``: a circuit before it is one."""

    @property
    def name(self) -> str: ...

    def binding(self) -> str:
        """The call that binds what is open: ``lstm(h=…, o=…, x=…)``."""
        ...


def require_circuit(given: object, door: str) -> None:
    """Raise TypeError for what is no circuit; of a network whose sizes are open it says which they are."""
    if isinstance(given, Circuit):
        return
    if isinstance(given, Unbound):
        raise TypeError(f"{door} takes a circuit, and the sizes of the cell {given.name} are open\n  {bind(given)}")
    raise TypeError(
        f"{door} takes a circuit, not {type(given).__name__} {shortened(repr(given))}\n"
        f"  mend: net = rnn.define(equations)(x=…, h=…), or rnn.lstm(x=…, h=…, o=…)"
    )


def bind(cell: Unbound) -> str:
    """How a cell becomes a circuit."""
    return f"mend: a cell becomes a circuit when its sizes are bound: net = {cell.binding()}"
