"""One step of an unrolled network: rows by depth without delays, layers with gates as panels.

The step is laid out once, around (0, 0) at the bottom; ``unrolled`` repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import spacing, style
from .panels import Panel, Size, arrange
from .picture import Picture, Point
from .reading import Reading

_SIDE = 0.2  # of a step: how far rows that run against each other are shifted
_CLOSER = 0.75  # of the distance of rows: those that run against each other
_GUTTER = 34.0
_BETWEEN = 7.0  # at least, of circles side by side
_BUS_BELOW = 10.0  # at least, below the border of what it feeds
_BUSES = 14.0  # at least, from bus to bus
_LANES = 10.0  # more room below and above panels that edges run around


@dataclass
class Step:
    """Places of one step's vertices, its panels, the points to the next step and the row count in points."""

    places: dict[str, Point] = field(default_factory=dict)
    panels: list[tuple[Point, Panel]] = field(default_factory=list)
    taps: dict[str, Point] = field(default_factory=dict)
    pitch: float = style.DX
    height: float = 0.0

    @property
    def within(self) -> set[str]:
        """What stands inside a panel."""
        return {name for _, panel in self.panels for name in panel.places}


def lay_out(
    names: list[str], circuit: Picture, reading: Reading, width: float, sizes: Mapping[str, Size]
) -> Step:
    """Place the signals ``names`` of one step, whose circles are ``width`` points across; ``sizes``: of each one."""
    layers = _layers(names, reading)
    depth = _depths(layers, reading)
    step = Step(pitch=max(style.DX, width + 44, max((wide for wide, _ in sizes.values()), default=0.0) + 30))
    levels: dict[int, list[list[str]]] = {}
    for layer in layers:
        levels.setdefault(depth[layer[0]], []).append(layer)
    y = 0.0
    for level in sorted(levels):
        y = _place_level(step, levels[level], circuit, reading, y, sizes)
    widest = max((p.box[2] - p.box[0] for _, p in step.panels), default=0.0)
    if widest:
        step.pitch = max(step.pitch, widest + _GUTTER + (14 if len(step.panels) > 1 else 0))
    step.height = y
    _place_buses(step, names, circuit, sizes)
    _align(step, names, circuit)
    return step


def _place_buses(step: Step, names: list[str], circuit: Picture, sizes: Mapping[str, Size]) -> None:
    """A bus outside the panels stands below what it feeds, beside another one there."""
    placed: list[Point] = []
    for name, vertex in circuit.vertices.items():
        heads = [e.head for e in circuit.edges if e.tail == name]
        if vertex.role == "bus" and name not in step.places and heads and set(heads) <= set(names):
            x = sum(step.places[h][0] for h in heads) / len(heads)
            below = (max(0.5 * style.DY, sizes[h][1] / 2 + _BUS_BELOW) for h in heads)
            y = min(step.places[h][1] - down for h, down in zip(heads, below, strict=True))
            while any(abs(x - u) < _BUSES and abs(y - v) < _BUSES for u, v in placed):
                x += _BUSES
            step.places[name] = (x, y)
            placed.append((x, y))


# ---- layers --------------------------------------------------------------------------------------
def _layers(names: list[str], reading: Reading) -> list[list[str]]:
    """Signals that belong together: gates and states of one loop through time; all others alone."""
    layers: list[list[str]] = []
    taken: set[str] = set()
    for cycle in cycles(names, reading):
        layer = _with_feeders(cycle, names, reading) if len(cycle) > 1 or _own(cycle[0], reading) else cycle
        if _needs_panel(layer, reading):
            layers.append([n for n in names if n in layer])
            taken.update(layer)
    return layers + [[n] for n in names if n not in taken]


def _own(name: str, reading: Reading) -> bool:
    return any(r.reader == r.source == name for r in reading.reads)


def cycles(names: list[str], reading: Reading) -> list[list[str]]:
    """The strongly connected components of the signals, delays included, in the order of the text."""
    users: dict[str, set[str]] = {n: set() for n in names}
    for r in reading.reads:
        if r.source in users and r.reader in users:
            users[r.source].add(r.reader)
    reached = {n: _reach(n, users) for n in names}
    found: list[list[str]] = []
    for n in names:
        if all(n not in c for c in found):
            found.append([m for m in names if m == n or (m in reached[n] and n in reached[m])])
    return found


def _reach(start: str, users: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    stack = [start]
    while stack:
        for name in users[stack.pop()]:
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return seen


def _with_feeders(cycle: list[str], names: list[str], reading: Reading) -> list[str]:
    """A loop with the gates and signals that only it reads; not with a signal that gates read: it is their input."""
    layer = set(cycle)
    for name in reversed(names):
        readers = {r.reader for r in reading.reads if r.source == name}
        role = reading.roles[name]
        feeds_gates = role == "signal" and any(reading.roles[n] == "gate" for n in readers)
        if role in ("gate", "signal") and not feeds_gates and readers and readers <= layer:
            layer.add(name)
    return [n for n in names if n in layer]


def _needs_panel(layer: list[str], reading: Reading) -> bool:
    inner = [n for n in layer if reading.roles[n] in ("gate", "signal")]
    gates = any(reading.roles[n] == "gate" for n in inner)
    sources = [frozenset(r.source for r in reading.reads if r.reader == n) for n in inner]
    return bool(inner) and len(layer) > 1 and (gates or len(set(sources)) < len(sources))


def _depths(layers: list[list[str]], reading: Reading) -> dict[str, int]:
    """The level of every layer: above all it reads at the same step; targets above the loss."""
    of = {name: number for number, layer in enumerate(layers) for name in layer}
    below: dict[int, set[int]] = {number: set() for number in range(len(layers))}
    for r in reading.reads:
        if r.lag == 0 and r.source in of and r.reader in of and of[r.source] != of[r.reader]:
            low, high = of[r.source], of[r.reader]
            if r.source in reading.targets:
                low, high = high, low
            below[high].add(low)
    level: dict[int, int] = {}
    while len(level) < len(layers):
        ready = [n for n in below if n not in level and below[n] <= set(level)] or [
            min(set(below) - set(level))
        ]
        for n in ready:
            level[n] = 1 + max((level.get(m, 0) for m in below[n]), default=0)
    for n, layer in enumerate(layers):
        if reading.roles[layer[0]] == "input" and layer[0] not in reading.targets:
            level[n] = 0
    for n, layer in enumerate(layers):  # targets of a loss that stands above all steps
        if layer[0] in reading.targets and not any(r.reader in of for r in reading.reads if r.source == layer[0]):
            level[n] = 1 + max((level[m] for m in below if m != n), default=0)
    return {name: level[of[name]] for name in of}


# ---- rows ----------------------------------------------------------------------------------------
def backward(name: str, reading: Reading) -> bool:
    """Whether a signal runs from right to left."""
    return any(r.lag < 0 and r.source == name for r in reading.reads)


def _place_level(
    step: Step,
    level: list[list[str]],
    circuit: Picture,
    reading: Reading,
    y: float,
    sizes: Mapping[str, Size],
) -> float:
    """Place one level from height ``y`` upwards; returns where the next begins: the centre of a usual circle."""
    panels = [layer for layer in level if len(layer) > 1]
    singles = [layer[0] for layer in level if len(layer) == 1]
    states = [n for n in singles if reading.roles[n] == "state"]
    others = [n for n in singles if n not in states]
    turned = {n: backward(n, reading) for n in states}
    mixed = len(set(turned.values())) > 1
    step.pitch *= 1.15 if mixed else 1.0
    closer = _CLOSER if mixed and not spacing.beyond(sizes[n][1] / 2 for n in states) else 1.0
    for name in sorted(states, key=lambda n: turned[n]):
        side = 0.0 if not mixed else _SIDE if turned[name] else -_SIDE
        more = spacing.beyond([sizes[name][1] / 2])
        step.places[name] = (side * step.pitch, y + more)
        y += 2 * more + style.DY * (closer if name != states[-1] else 1.0)
    across = max(0.62 * style.DX, *(sizes[name][0] + _BETWEEN for name in others)) if others else 0.0
    more = spacing.beyond(sizes[name][1] / 2 for name in others)
    for number, name in enumerate(others):
        step.places[name] = ((number - (len(others) - 1) / 2) * across, y + more)
        step.pitch = max(step.pitch, len(others) * across + 30)
    y += style.DY + 2 * more if others else 0.0
    for layer in sorted(panels, key=lambda names: any(backward(n, reading) for n in names)):
        panel = arrange(layer, circuit, reading, sizes, any(backward(n, reading) for n in layer))
        centre = (0.0, y - panel.box[1] - 22 + (_LANES if len(panels) > 1 else 0))
        step.panels.append((centre, panel))
        for name, (px, py) in panel.places.items():
            step.places[name] = (centre[0] + px, centre[1] + py)
        for square, (px, py) in panel.taps.items():
            step.taps[square] = (centre[0] + px, centre[1] + py)
        y += panel.box[3] - panel.box[1] + 10
    return y + (14 if panels else 0) + (2 * _LANES if len(panels) > 1 else 0)


def _align(step: Step, names: list[str], circuit: Picture) -> None:
    """Put what stands alone above or below a panel in line with what it is connected to there."""
    inside = step.within
    joined: dict[str, list[str]] = {}
    for e in circuit.edges:
        if e.kind in ("plain", "wire", "skip"):
            joined.setdefault(e.tail, []).append(e.head)
            joined.setdefault(e.head, []).append(e.tail)
    done = set(inside)
    alone = [n for n in names if n not in inside and (n in step.places)] if inside else []
    rows = {y: sum(step.places[n][1] == y for n in alone) for _, y in step.places.values()}
    for _ in alone:
        for name in alone:
            known = [step.places[n][0] for n in joined.get(name, ()) if n in done and n in step.places]
            if name not in done and known and rows[step.places[name][1]] == 1:
                step.places[name] = (sum(known) / len(known), step.places[name][1])
                done.add(name)
