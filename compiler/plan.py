"""The choices of a compilation, apart from what is computed: one printable object, overridable by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

#: the choices of a plan that are one value each
CHOICES = ("chunk", "fuse", "rings", "merge", "hoist", "rows", "lines", "share", "tables")


@dataclass(frozen=True)
class Plan:
    """How a loop program is laid out. Any plan gives the same values up to rounding.

    ``compile(net, plan=Plan(chunk=4, place={"i": "recompute"}))``; ``print(program.plan)`` shows the plan of a program.

    chunk   steps that a free stage computes at a time: of a small batch more, see ``rows``
    fuse    whether a free stage and a loop that feed each other step by step run chunk by chunk, so that what
            one passes to the other stays in cache
    rings   whether a signal that only its own loop reads keeps just the steps that it looks back
    merge   whether products of one vector become one panel, and products that are only added become one
    hoist   whether products of what is known before a loop leave it, and are computed for a chunk of steps at a time;
            if not, those that only the loop reads are computed in it, as one product with what they are added to,
            if what they multiply is given or kept anyway.
            None: as the target runs faster, which for the CPU is in the loop
    rows    rows of the batch times steps that kernels of the CPU compute before all threads sum over them
    lines   whether, in kernels of the CPU, what products leave for the map after them lies in one buffer, not in arrays
    share   what the threads of the CPU share: "rows" of the batch, which each takes through all of time, or the "units"
            of each statement of a loop, after which they wait for each other. None: units where rows are few
    tables  in training, products with rows of a table that has so many rows at most are rows of a product with all of
            it, which is computed once a call; 0: none are. It pays where a batch has more rows times steps than the
            table has rows, and the table stays in cache
    place   equation -> "keep" or "recompute": against the rule of place.py
    """

    chunk: int = 8
    fuse: bool = True
    rings: bool = True
    merge: bool = True
    hoist: bool | None = None
    rows: int = 512
    lines: bool = True
    share: str | None = None
    tables: int = 256
    place: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, n, least in (("chunk", self.chunk, 1), ("rows", self.rows, 1), ("tables", self.tables, 0)):
            if not isinstance(n, int) or isinstance(n, bool) or n < least:
                unit = "steps" if name == "chunk" else "rows"
                raise ValueError(f"a plan's {name} is a whole number of {unit} from {least}, not {n!r}")
        for name in ("lines", "fuse", "rings", "merge"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"a plan's {name} is True or False, not {getattr(self, name)!r}")
        if self.hoist is not None and not isinstance(self.hoist, bool):
            raise ValueError(f"a plan's hoist is True, False or None, not {self.hoist!r}")
        if self.share not in (None, "rows", "units"):
            raise ValueError(f'a plan shares "rows" or "units", or None for the target to choose, not {self.share!r}')
        wrong = {k: v for k, v in self.place.items() if v not in ("keep", "recompute")}
        if wrong:
            raise ValueError(f'a plan places an equation by "keep" or "recompute", not {wrong}')

    def but(self, **changes: object) -> Plan:
        """The same plan with some choices changed: ``plan.but(chunk=16)``. Raises ValueError for one that is none."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def for_target(self, target: str) -> Plan:
        """The plan with what it leaves to the target decided.

        A product in the loop has no result that is stored before and read again: with 256 units and 64 rows a
        training step of a cell with four gates takes a tenth less so. For a single row, products over a chunk of steps
        read the weights less often.
        """
        return self if self.hoist is not None else self.but(hoist=target != "cpu")

    def __str__(self) -> str:
        lines = [f"{name:6} {getattr(self, name)}" for name in CHOICES]
        lines += [f"place  {equation}: {choice}" for equation, choice in sorted(self.place.items())]
        return "\n".join(lines)
