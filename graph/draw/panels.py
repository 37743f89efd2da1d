"""A layer with gates in one step of an unrolled network: a panel with the bus at its bottom, the gates in a
row, the cell above them, and the state that goes to the next step's gates on the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import spacing, style
from .picture import Picture, Point
from .reading import Reading

ACROSS, MARGIN = 42.0, 15.0
_BUS_BELOW = 48.0
_BETWEEN = 5.0  # at least, of what stands side by side
#: What a panel shows without the number of its step.
WITHOUT_STEP = ("gate", "signal", "op")


Size = tuple[float, float]  # width and height, in points


@dataclass
class Panel:
    """Places of a layer's vertices around (0, 0), the box around them, and its taps.

    ``taps``: square of a delay that several read -> the dot at the border where its wire comes in.
    """

    places: dict[str, Point]
    box: tuple[float, float, float, float]
    taps: dict[str, Point] = field(default_factory=dict)


def arrange(
    members: list[str], circuit: Picture, reading: Reading, room: Mapping[str, Size], backward: bool
) -> Panel:
    """The places of a layer's members and of the buses that feed only them; ``room``: of states."""
    sizes = {name: v.half for name, v in circuit.vertices.items()}
    for name in members:
        if circuit.vertices[name].role not in WITHOUT_STEP:
            half = room[name][0] / 2
            sizes[name] = (max(sizes[name][0], half), max(sizes[name][1], half))
    across = max(ACROSS, *(2 * sizes[name][0] + _BETWEEN for name in members))
    layer = _Layer(members, circuit, reading, across, {name: half for name, (_, half) in sizes.items()})
    places = layer.places()
    left = min(x - sizes[n][0] for n, (x, _) in places.items()) - MARGIN
    right = max(x + sizes[n][0] for n, (x, _) in places.items()) + MARGIN
    low = min(y - sizes[n][1] for n, (_, y) in places.items()) - MARGIN + 3
    high = max(y + sizes[n][1] for n, (_, y) in places.items()) + MARGIN - 3
    taps = layer.taps(places, low)
    if taps:
        left -= 14
    cx, cy, turn = (left + right) / 2, (low + high) / 2, -1 if backward else 1
    return Panel(
        {n: (turn * (x - cx), y - cy) for n, (x, y) in places.items()},
        (left - cx, low - cy, right - cx, high - cy),
        {square: (turn * (left + 9 - cx), y - cy) for square, y in taps.items()},
    )


class _Layer:
    def __init__(
        self, members: list[str], circuit: Picture, reading: Reading, across: float, halves: Mapping[str, float]
    ) -> None:
        self.members, self.across, self.halves = members, across, halves
        self.reading = reading
        self.through: list[str] = []
        inside = set(members)
        self.heads: dict[str, list[str]] = {}
        self.tails: dict[str, list[str]] = {}
        for e in circuit.edges:
            if e.kind in ("plain", "skip", "wire", "rail", "time"):
                self.heads.setdefault(e.tail, []).append(e.head)
                self.tails.setdefault(e.head, []).append(e.tail)
        self.buses = [
            n for n, v in circuit.vertices.items() if v.role == "bus" and set(self.heads[n]) <= inside
        ]
        self.looped = {e.tail for e in circuit.edges if e.kind == "order" and e.tail in inside}
        self.looped |= {e.head for e in circuit.edges if e.kind == "order" and e.head in inside}
        squares = [n for n, v in circuit.vertices.items() if v.role in ("delay", "advance")]
        self.fed_by = {
            s: self.tails[s][0]
            for s in squares
            if self.tails.get(s)
            and self.tails[s][0] in inside
            and set(self.heads[s]) & (inside | set(self.buses))
        }

    @property
    def carriers(self) -> set[str]:
        """The states with a wire through time."""
        return self.looped | set(self.fed_by.values())

    def depth(self) -> dict[str, int]:
        """Rows from the bottom, by same-step reads among the members; siblings of a bus share the first."""
        depth: dict[str, int] = {}
        inside = set(self.members)
        for name in self._in_order():
            below = [depth[t] for t in self.tails.get(name, ()) if t in inside]
            depth[name] = 1 + max(below, default=0)
        for bus in self.buses:
            for name in self.heads[bus]:
                if self.reading.roles[name] == "gate":
                    depth[name] = 1
        return depth

    def _in_order(self) -> Iterable[str]:
        done: list[str] = []
        left = list(self.members)
        while left:
            ready = [n for n in left if not any(t in left and t != n for t in self.tails.get(n, ()))] or left[
                :1
            ]
            done += ready
            left = [n for n in left if n not in ready]
        return done

    def carried(self) -> str:
        """The state on the right: read delayed by other members, and at the same step by none."""
        inside = set(self.members)
        for state in reversed(self.members):
            if state in self.fed_by.values() and not set(self.heads.get(state, ())) & inside:
                return state
        return ""

    def places(self) -> dict[str, Point]:
        depth, carried = self.depth(), self.carried()
        rows: dict[int, list[str]] = {}
        for name in self.members:
            if name != carried:
                rows.setdefault(depth[name], []).append(name)
        stacked = self._split(rows)
        first = stacked[0] if stacked else []
        # above the first row, but fed by its bus: there a gap is left for the edge, and they stand above it
        self.through = [n for b in self.buses for n in self.heads[b] if n not in first and n != carried]
        places: dict[str, Point] = {}
        y = 0.0
        for number, row in enumerate(stacked):
            more = spacing.beyond(self.halves[n] for n in row)
            self._spread(row, y + more, places, carried, bool(self.through) and number == 0)
            y += style.DY + 2 * more
        if carried:
            beside = [
                places[t][1] for t in self.tails.get(carried, ()) if t in places and t not in self.carriers
            ]
            above = y + spacing.beyond([self.halves[carried]])
            top = above if carried in self.looped else max(beside, default=0.0)
            places[carried] = (max(x for x, _ in places.values()) + self.across + 12, top)
        for number, bus in enumerate(self.buses):
            heads = [places[n][0] for n in self.heads[bus] if n in first] or [0.0]
            middle = 0.0 if self.through else (min(heads) + max(heads)) / 2
            places[bus] = (middle + 14 * number, -_BUS_BELOW)
        return places

    def _split(self, rows: dict[int, list[str]]) -> list[list[str]]:
        """A state with a wire through time has a row of its own."""
        stacked: list[list[str]] = []
        for depth in sorted(rows):
            rails = [n for n in rows[depth] if n in self.carriers]
            others = [n for n in rows[depth] if n not in rails]
            stacked += ([others] if others else []) + [[n] for n in rails]
        return stacked

    def _spread(self, row: list[str], y: float, places: dict[str, Point], carried: str, gap: bool) -> None:
        """A row in the order of what it feeds: what feeds only the carried state stands next to it."""
        inside = set(self.members)

        def late(name: str) -> bool:
            return set(self.heads.get(name, ())) & inside == {carried}

        ordered = sorted(row, key=late)
        centre = [places[t][0] for n in row for t in self.tails.get(n, ()) if t in places]
        middle = sum(centre) / len(centre) if centre and not set(row) & set(self.through) else 0.0
        half = (len(ordered) + 1) // 2
        for number, name in enumerate(ordered):
            x = (number - (len(ordered) - 1) / 2) * self.across
            if gap:  # on both sides of the middle
                x = (number - half + 0.5) * self.across + (4 if number >= half else -4)
            places[name] = (middle + x, y)

    def taps(self, places: dict[str, Point], low: float) -> dict[str, float]:
        """Heights at which delayed states come in that several members read."""
        found: dict[str, float] = {}
        for square, state in self.fed_by.items():
            readers = len(set(self.heads[square])) + (state in self.looped)
            if readers > 1:
                found[square] = places[state][1] if state in self.looped else low + 8 + 10 * len(found)
        return found
