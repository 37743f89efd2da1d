"""What an unrolled network computes of whole sequences: pooled values, what is read at the last step, its loss.

All of it stands above the columns, in rows by depth. Between the columns and these rows run combs, one for each
signal that is gathered over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import combs, labels, routes, spacing, style
from .picture import Edge, Picture, Vertex
from .reading import Read, Reading

if TYPE_CHECKING:
    from .rows import Rows

_BELOW, _APART = 0.15, 0.7  # of a row and of a step: the first comb below the first row, values of a row


class After:
    """The values ``names`` above the columns of an unrolled network."""

    def __init__(self, names: list[str], reading: Reading, rows: Mapping[str, Rows]) -> None:
        self.names, self.reading, self.rows = names, reading, rows
        inside = set(names)
        self.reads = [r for r in reading.reads if r.reader in inside]
        #: signals of steps -> which of the names gather all of their steps
        self.gathered: dict[str, list[Read]] = {}
        for r in self.reads:
            if r.moment == "step" and self._home(r.source) is not None:
                self.gathered.setdefault(r.source, []).append(r)

    def _home(self, name: str) -> Rows | None:
        return next((row for row in self.rows.values() if name in row.names), None)

    # ---- places ----
    def place(self, picture: Picture, circuit: Picture) -> None:
        """Put the values in rows by depth: in the middle what gathers steps, above the last step the rest."""
        rows = self.rows.get("t") or next(iter(self.rows.values()), None)
        self.top = max((r.y + r.step.height for r in self.rows.values()), default=0.0)
        height = self.top + (combs.LEVEL * (len(self.gathered) + 1) if self.gathered else 0.0)
        level, centre = self._levels(), self._centres()
        for number in sorted(set(level.values())):
            row = sorted((n for n in self.names if level[n] == number), key=lambda n: centre[n])
            vertices = [self._vertex(circuit.vertices[n], rows) for n in row]
            more = spacing.beyond(v.half[1] for v in vertices)
            places = spacing.spread([centre[n] for n in row], [v.half[0] for v in vertices], _APART * style.DX)
            for vertex, x in zip(vertices, places, strict=True):
                vertex.at = (x, height + more)
                picture.add(vertex)
            height += style.DY + 2 * more

    def _vertex(self, flat: Vertex, rows: Rows | None) -> Vertex:
        """A value, as large as the circles of the steps where its name has room in one."""
        vertex = Vertex(flat.id, flat.role, flat.label, flat.tooltip, size=flat.size)
        if flat.role != "loss" and rows is not None and vertex.size is None and vertex.round:
            vertex.size = (rows.width / 72, rows.width / 72)
        return vertex

    def _levels(self) -> dict[str, int]:
        """The row of each value: above all that it reads; targets above the loss."""
        level = dict.fromkeys(self.names, 0)
        targets = set(self.reading.targets)
        pairs = [
            (r.reader, r.source) if r.source in targets else (r.source, r.reader)
            for r in self.reads
            if r.source in level
        ]
        for _ in self.names:
            for low, high in pairs:
                level[high] = max(level[high], level[low] + 1)
        return level

    def _centres(self) -> dict[str, float]:
        """The middle of the columns for what depends on all steps, else above the last of the signals that it reads."""
        first = min((r.first_x for r in self.rows.values()), default=0.0)
        last = max((r.last_x for r in self.rows.values()), default=0.0)
        whole = {r.reader for reads in self.gathered.values() for r in reads}
        above: dict[str, float] = {}
        for r in self.reads:
            home = self._home(r.source)
            if home is not None and home.last_x == last and r.source in home.step.places:
                above.setdefault(r.reader, last + home.step.places[r.source][0])
        for _ in self.names:
            whole |= {r.reader for r in self.reads if r.source in whole}
            whole |= {r.source for r in self.reads if r.reader in whole and self._is_given(r.source)}
            for r in self.reads:
                if r.source in above:
                    above.setdefault(r.reader, above[r.source])
                elif r.reader in above and self._is_given(r.source):
                    above[r.source] = above[r.reader]
        return {name: (first + last) / 2 if name in whole else above.get(name, last) for name in self.names}

    def _is_given(self, name: str) -> bool:
        """Whether it is one of the values, and reads nothing."""
        return name in self.names and all(r.reader != name for r in self.reads)

    # ---- edges ----
    def join(self, picture: Picture, near: routes.Near, vertex_of: Callable[[Read], str]) -> None:
        """Draw what the values read; ``vertex_of``: the vertex that a read of one value is of."""
        drawn = routes.Drawn()
        for number, (source, reads) in enumerate(self.gathered.items()):
            home = self._home(source)
            steps = [t for t in home.numbers if t is not None] if home is not None else []
            teeth = [Edge(f"{source}|{t}", "", "wire") for t in steps if f"{source}|{t}" in picture.vertices]
            groups = [combs.Group("head", teeth)]
            for r in reads:
                label = labels.on_edge(r.parameter) if r.parameter else ""
                groups.append(combs.Group("tail", [Edge("", r.reader, "plain", label)]))
            y = self.top - _BELOW * style.DY + combs.LEVEL * number
            combs.comb(picture, f"{source}|all", y, groups, near, drawn)
        for r in self.reads:
            if r.moment == "step" and r.source in self.gathered:
                continue
            source = vertex_of(r)
            if source in picture.vertices:
                label = labels.on_edge(r.parameter) if r.parameter else ""
                bar = "tail" if picture.vertices[source].look.get("shape") == "box" else ""
                routes.join(picture, [Edge(source, r.reader, "plain", label)], near, bar, drawn)

