"""Wires through a placed step: the cheapest way between boxes, along the lines of a grid.

A* over (cell, direction): length, bends, crossings of curves and nearness to boxes cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise
from math import ceil, floor, sqrt

from .curves import Box
from .picture import Point

CELL, _MOST = 6.0, 50_000  # points; cells, beyond which they are larger
_CLEAR, _STUB = 5.0, 9.0  # points between a wire and a box; straight on from where it starts
_BEND, _CROSSING, _BESIDE = 9.0, 4.0, 1.5  # in cells
_EAST, _NORTH, _WEST, _SOUTH = (1, 0), (0, 1), (-1, 0), (0, -1)
_Place = tuple[int, int]
_State = tuple[_Place, _Place]  # a cell and the direction in which it was entered
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
        self.cost: dict[_Place, float] = {}
        self.taken: dict[_Place, set[bool]] = {}  # cells of wires that were found before -> is it horizontal
        for b in boxes:
            self.walls.update(self._cells(b, _CLEAR))
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

    def to_border(self, box: Box, east: bool) -> list[Point]:
        """The corners of the cheapest wire from the middle of a side of ``box`` to the east or west border.

        Straight through where there is no way.
        """
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        exits = {_EAST: (box[2], y), _WEST: (box[0], y), _NORTH: (x, box[3]), _SOUTH: (x, box[1])}
        own = set(self._cells(box, _CLEAR + self.cell))
        forward = _EAST if east else _WEST
        goal = self.columns - 1 if east else 0
        best: dict[_State, float] = {}
        came: dict[_State, _State | None] = {}
        heap: list[tuple[float, float, _State]] = []
        for direction, at in exits.items():
            stub = self._cell((at[0] + _STUB * direction[0], at[1] + _STUB * direction[1]))
            state = (stub, direction)
            if self._price(stub, direction, own) < _NEVER:
                best[state], came[state] = 0.0 if direction == forward else _BEND, None
                heappush(heap, (best[state], best[state], state))
        while heap:
            _, cost, state = heappop(heap)
            if cost > best[state]:
                continue
            cell, direction = state
            if cell[0] == goal and direction == forward:
                return self._path(came, state, exits, (x, y))
            for step in _TURNS[direction]:
                there = (cell[0] + step[0], cell[1] + step[1])
                total = cost + self._price(there, step, own) + (_BEND if step != direction else 0.0)
                if total < best.get((there, step), _NEVER):
                    best[there, step], came[there, step] = total, state
                    heappush(heap, (total + abs(goal - there[0]), total, (there, step)))
        return [exits[forward], (self.right if east else self.left, y)]

    def _price(self, cell: _Place, step: _Place, own: set[_Place]) -> float:
        """What one step into a cell costs, in cells."""
        if not (0 <= cell[0] < self.columns and 0 <= cell[1] < self.rows):
            return _NEVER
        if cell in self.walls and cell not in own:
            return _NEVER
        taken = self.taken.get(cell, _NONE)
        if (step[1] == 0) in taken:
            return _NEVER
        return 1.0 + self.cost.get(cell, 0.0) + (_CROSSING if taken else 0.0)

    def _path(
        self,
        came: dict[_State, _State | None],
        last: _State,
        exits: dict[_Place, Point],
        centre: Point,
    ) -> list[Point]:
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
        start = exits[chain[0][1]]
        corners = [cell for (cell, d), (_, after) in pairwise(chain) if d != after]
        points = [start, *(self._point(c) for c in [*corners, chain[-1][0]])]
        return _straightened(points, chain[0][1], centre)

    def _point(self, cell: _Place) -> Point:
        return self.left + cell[0] * self.cell, self.low + cell[1] * self.cell


def _straightened(points: list[Point], first: _Place, centre: Point) -> list[Point]:
    """The first stretch leaves from the middle of its side exactly, off the lines of the grid."""
    if len(points) < 2:
        return points
    horizontal = first[1] == 0
    x, y = centre
    second = points[1]
    points[1] = (second[0], y) if horizontal else (x, second[1])
    return points
