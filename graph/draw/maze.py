"""Wires through a placed step: the cheapest way between boxes, along the lines of a grid.

A* over (cell, direction): length, bends, crossings of curves and nearness to boxes cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from math import ceil, floor, sqrt

from .curves import Box
from .picture import Point

CELL, _MOST = 6.0, 50_000  # points; cells, beyond which they are larger
_CLEAR, _TOUCHES = 5.0, 2.5  # points between a wire and a box; where its ends are close to one, at least
_STUB = 9.0  # straight on from where it starts
_BEND, _CROSSING, _BESIDE, _ALONG = 9.0, 4.0, 1.5, 12.0  # in cells
_GREED = 1.5  # how much more the way that is left counts than the way so far: quicker, not quite the cheapest
_EAST, _NORTH, _WEST, _SOUTH = (1, 0), (0, 1), (-1, 0), (0, -1)
_Place = tuple[int, int]
_State = tuple[_Place, _Place]  # a cell and the direction in which it was entered
Exit = tuple[_Place, Point]  # the direction in which a wire leaves a box, and where
_NEVER = 1e18
_NONE: frozenset[bool] = frozenset()
_TURNS = {
    d: [s for s in (_EAST, _NORTH, _WEST, _SOUTH) if s != (-d[0], -d[1])]
    for d in (_EAST, _NORTH, _WEST, _SOUTH)
}


class Maze:
    """A box with boxes in it that no wire may touch, and curves that are better not crossed."""

    def __init__(self, box: Box, boxes: Iterable[Box], curves: Iterable[Iterable[Point]]) -> None:
        self.left, self.low, self.right = box[0], box[1], box[2]
        self.cell = max(CELL, sqrt((box[2] - box[0]) * (box[3] - box[1]) / _MOST))
        self.columns = floor((box[2] - box[0]) / self.cell) + 1
        self.rows = floor((box[3] - box[1]) / self.cell) + 1
        self.walls: set[_Place] = set()
        self.solid: set[_Place] = set()
        self.along = 0.0  # what it costs to run along a wire that was found before; 0: that is forbidden
        self.cost: dict[_Place, float] = {}
        self.taken: dict[_Place, set[bool]] = {}  # cells of wires that were found before -> is it horizontal
        for b in boxes:
            self.walls.update(self._cells(b, _CLEAR))
            self.solid.update(self._cells(b, _TOUCHES))
            for cell in self._cells(b, _CLEAR + self.cell):
                self.cost[cell] = max(self.cost.get(cell, 0.0), _BESIDE)
        for curve in curves:
            for cell in {self._cell(p) for p in curve}:
                self.cost[cell] = self.cost.get(cell, 0.0) + _CROSSING

    def _cell(self, point: Point) -> _Place:
        return round((point[0] - self.left) / self.cell), round((point[1] - self.low) / self.cell)

    def _cells(self, box: Box, margin: float) -> Iterator[_Place]:
        x0, y0 = (
            ceil((box[0] - margin - self.left) / self.cell),
            ceil((box[1] - margin - self.low) / self.cell),
        )
        x1, y1 = (
            floor((box[2] + margin - self.left) / self.cell),
            floor((box[3] + margin - self.low) / self.cell),
        )
        return ((i, j) for i in range(x0, x1 + 1) for j in range(y0, y1 + 1))

    def _beside(self, ends: Iterable[Box], stubs: Iterable[_State]) -> set[_Place]:
        """The cells around the ends of a wire and those where it can begin: it may come closer to others there, but
        not run through its ends."""
        found = {cell for cell, _ in stubs}
        for box in ends:
            found.update({*self._cells(box, _CLEAR + self.cell)} - {*self._cells(box, _CLEAR)})
        return found - self.solid

    def to_border(self, box: Box, east: bool) -> list[Point]:
        """The corners of the cheapest wire from the middle of a side of ``box`` to the east or west border.

        Straight through where there is no way.
        """
        forward = _EAST if east else _WEST
        goal = self.columns - 1 if east else 0
        exits = {self._stub(e): e for e in sides(box)}
        chain = self._search(
            {state: 0.0 if state[1] == forward else _BEND for state in exits},
            self._beside([box], exits),
            lambda cell, direction: cell[0] == goal and direction == forward,
            lambda cell: abs(goal - cell[0]),
        )
        if chain is None:
            y = (box[1] + box[3]) / 2
            return [(box[2] if east else box[0], y), (self.right if east else self.left, y)]
        return self._corners(chain, exits[chain[0]])

    def between(self, tail: Iterable[Exit], head: Iterable[Exit], ends: Iterable[Box]) -> list[Point] | None:
        """The corners of the cheapest wire from one of the exits of ``tail`` to one of those of ``head``, or None.

        ``ends``: the boxes of both, close to which the wire may go.
        """
        exits = {self._stub(e): e for e in reversed(list(tail))}
        goals = {(cell, (-d[0], -d[1])): at for (cell, d), (_, at) in ((self._stub(e), e) for e in head)}
        (column, row), _ = next(iter(goals))
        slack = max(abs(c[0] - column) + abs(c[1] - row) for c, _ in goals)
        boxes = list(ends)
        self.walls.update(cell for box in boxes for cell in self._cells(box, _CLEAR))
        own = self._beside(boxes, [*exits, *goals])
        chain = self._search(
            dict.fromkeys(exits, 0.0),
            own,
            lambda cell, direction: (cell, direction) in goals,
            lambda cell: _GREED * max(0, abs(cell[0] - column) + abs(cell[1] - row) - slack),
        )
        if chain is None:
            return None
        last = goals[chain[-1]]
        corners = self._corners(chain, exits[chain[0]])
        if len(corners) > 2:  # the last stretch arrives at its place exactly
            x, y = corners[-2]
            corners[-2] = (x, last[1]) if chain[-1][1][1] == 0 else (last[0], y)
        return [*corners[:-1], last]

    def _stub(self, exit_: Exit) -> _State:
        """A little outside of an exit."""
        (i, j), (x, y) = exit_
        return self._cell((x + _STUB * i, y + _STUB * j)), (i, j)

    def _search(
        self,
        starts: Mapping[_State, float],
        own: set[_Place],
        arrived: Callable[[_Place, _Place], bool],
        left: Callable[[_Place], float],
    ) -> list[_State] | None:
        """A* over (cell, direction) from where a wire can begin, at which cost; ``left``: how far it is at least.

        Where there is no way that keeps apart from the wires that were found before, one along them.
        """
        self.along = 0.0
        found = self._astar(starts, own, arrived, left)
        if found is None and self.taken:
            self.along = _ALONG
            found = self._astar(starts, own, arrived, left)
        return found

    def _astar(
        self,
        starts: Mapping[_State, float],
        own: set[_Place],
        arrived: Callable[[_Place, _Place], bool],
        left: Callable[[_Place], float],
    ) -> list[_State] | None:
        best: dict[_State, float] = {}
        came: dict[_State, _State | None] = {}
        heap: list[tuple[float, float, _State]] = []
        for state, cost in starts.items():
            if self._price(*state, own) < _NEVER:
                best[state], came[state] = cost, None
                heappush(heap, (cost, cost, state))
        while heap:
            _, cost, state = heappop(heap)
            if cost > best[state]:
                continue
            cell, direction = state
            if arrived(cell, direction):
                return self._taken(came, state)
            for step in _TURNS[direction]:
                there = (cell[0] + step[0], cell[1] + step[1])
                total = cost + self._price(there, step, own) + (_BEND if step != direction else 0.0)
                if total < best.get((there, step), _NEVER):
                    best[there, step], came[there, step] = total, state
                    heappush(heap, (total + left(there), total, (there, step)))
        return None

    def _price(self, cell: _Place, step: _Place, own: set[_Place]) -> float:
        """What one step into a cell costs, in cells."""
        if not (0 <= cell[0] < self.columns and 0 <= cell[1] < self.rows):
            return _NEVER
        if cell in self.walls and cell not in own:
            return _NEVER
        taken = self.taken.get(cell, _NONE)
        if (step[1] == 0) in taken:
            return self.along or _NEVER
        return 1.0 + self.cost.get(cell, 0.0) + (_CROSSING if taken else 0.0)

    def _taken(self, came: Mapping[_State, _State | None], last: _State) -> list[_State]:
        """The states on the way to the last one, in order; no other wire may run along there."""
        chain: list[_State] = []
        key: _State | None = last
        while key is not None:
            chain.append(key)
            key = came[key]
        chain.reverse()
        for cell, direction in chain:
            for j in (-1, 0, 1):
                beside = (cell[0] + j * direction[1], cell[1] + j * direction[0])
                self.taken.setdefault(beside, set()).add(direction[1] == 0)
        return chain

    def _corners(self, chain: list[_State], start: Exit) -> list[Point]:
        corners = [cell for (cell, d), (_, after) in pairwise(chain) if d != after]
        points = [start[1], *(self._point(c) for c in [*corners, chain[-1][0]])]
        return _straightened(points, chain[0][1])

    def _point(self, cell: _Place) -> Point:
        return self.left + cell[0] * self.cell, self.low + cell[1] * self.cell


def sides(box: Box) -> list[Exit]:
    """The middles of the four sides of a box."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return [(_EAST, (box[2], y)), (_WEST, (box[0], y)), (_NORTH, (x, box[3])), (_SOUTH, (x, box[1]))]


def along_bar(box: Box, places: Iterable[float]) -> list[Exit]:
    """Above and below places of a wide bar."""
    return [exit_ for x in places for exit_ in ((_NORTH, (x, box[3])), (_SOUTH, (x, box[1])))]


def _straightened(points: list[Point], first: _Place) -> list[Point]:
    """The first stretch leaves from the middle of its side exactly, off the lines of the grid."""
    if len(points) < 2:
        return points
    x, y = points[0]
    second = points[1]
    points[1] = (second[0], y) if first[1] == 0 else (x, second[1])
    return points
