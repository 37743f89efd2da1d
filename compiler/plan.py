"""The choices of a compilation, apart from what is computed: one printable object, overridable by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Plan:
    """How a loop program is laid out. Any plan gives the same values up to rounding.

    ``compile(net, plan=Plan(chunk=4, place={"i": "recompute"}))``; ``print(program.plan)`` shows the plan of a program.

    chunk   steps that a free stage computes at a time
    fuse    whether a free stage and a loop that feed each other step by step run chunk by chunk, so that what
            one passes to the other stays in cache
    rings   whether a signal that only its own loop reads keeps just the steps that it looks back
    merge   whether products of one vector become one panel, and products that are only added become one
    place   equation -> "keep" or "recompute": against the rule of place.py
    """

    chunk: int = 8
    fuse: bool = True
    rings: bool = True
    merge: bool = True
    place: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.chunk, int) or isinstance(self.chunk, bool) or self.chunk < 1:
            raise ValueError(f"a plan's chunk is a whole number of steps from 1, not {self.chunk!r}")
        for name in ("fuse", "rings", "merge"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"a plan's {name} is True or False, not {getattr(self, name)!r}")
        wrong = {k: v for k, v in self.place.items() if v not in ("keep", "recompute")}
        if wrong:
            raise ValueError(f'a plan places an equation by "keep" or "recompute", not {wrong}')

    def but(self, **changes: object) -> Plan:
        """The same plan with some choices changed: ``plan.but(chunk=16)``. Raises ValueError for one that is none."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        lines = [f"{name:6} {getattr(self, name)}" for name in ("chunk", "fuse", "rings", "merge")]
        lines += [f"place  {equation}: {choice}" for equation, choice in sorted(self.place.items())]
        return "\n".join(lines)
