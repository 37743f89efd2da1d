"""The rows of an unrolled network: what one step holds, where its repetitions stand, which wires join them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import beside, labels, spacing, style
from .circuits import Loop, square_id
from .panels import WITHOUT_STEP, Size
from .picture import Picture, Point, Vertex
from .reading import Read, Reading
from .steps import Step, lay_out

LONGEST = 8
_BESIDE_LABEL = 12.0  # points between two circles that a label between them leaves free
_WIDE = 0.66  # inches across a circle, beyond which only that circle is larger


@dataclass(frozen=True)
class Shown:
    """What is drawn of an unrolled network.

    steps     how many, for each time axis
    ellipsis  whether of more than eight steps only the first three and the last two are drawn
    """

    steps: Mapping[str, int]
    ellipsis: bool = True


@dataclass
class Column:
    """A step as it is drawn: its number (None: left out, an ellipsis) and where it stands."""

    number: int | None
    x: float


@dataclass
class Wire:
    """A delayed read: from a signal to a signal, bus or tap ``lag`` steps later."""

    source: str
    head: str
    lag: int
    kind: str
    label: str
    bounded: bool


class Rows:
    """The signals of one time axis: their columns, their step, and the wires between steps."""

    def __init__(
        self, axis: str, names: list[str], circuit: Picture, loops: list[Loop], reading: Reading, shown: Shown
    ):
        T = shown.steps[axis]
        self.axis, self.names, self.circuit, self.reading, self.T = axis, names, circuit, reading, T
        self.numbers = [1, 2, 3, None, T - 1, T] if shown.ellipsis and T > LONGEST else list(range(1, T + 1))
        self.width = _circle(names, reading, T)
        self.step: Step = lay_out(names, circuit, reading, self.width, {n: self._room(n) for n in names})
        self.step.pitch = max([self.step.pitch, *self._with_labels(loops)])
        self.names = [*names, *(n for n in self.step.places if n not in names)]
        self.wires = list(self._wires(loops))
        #: tap -> the delayed signal that comes in there, and its lag
        self.taken = {w.head: (w.source, w.lag) for w in self.wires if w.head in self.step.taps}
        self.x, self.y = 0.0, 0.0

    # ---- places ----
    @property
    def columns(self) -> list[Column]:
        return [Column(t, self.x + c * self.step.pitch) for c, t in enumerate(self.numbers, 1)]

    @property
    def first_x(self) -> float:
        return self.x + self.step.pitch

    @property
    def last_x(self) -> float:
        return self.x + len(self.numbers) * self.step.pitch

    def at(self, name: str, x: float) -> Point:
        px, py = self.step.places.get(name) or self.step.taps[name]
        return x + px, self.y + py

    def vertex(self, name: str, t: int | str, x: float) -> Vertex:
        """A signal at a step."""
        flat = self.circuit.vertices[name]
        inner = name in self.step.within and flat.role in WITHOUT_STEP
        label = flat.label if inner or flat.role in ("op", "bus") else labels.name(name, self.stamp(name, t))
        widest = labels.name(name, self.stamp(name, self.T))  # a signal is as large at every step
        size = flat.size if inner or flat.role in ("gate", "op", "bus") else self.size(flat.role, widest)
        tooltip = f"{name}[{t}]" if flat.role != "bus" else flat.tooltip
        return Vertex(f"{name}|{t}", flat.role, label, tooltip, self.at(name, x), size)

    def stamp(self, name: str, t: int | str) -> str:
        other = [a for a in self.reading.axes.get(name, ()) if a != self.axis]
        return ", ".join([str(t), *other])

    def size(self, role: str, label: str) -> tuple[float, float]:
        ring = 0.06 if role == "loss" else 0.0
        wide = (labels.width(label, style.NODE_SIZE) + 7) / 72
        across = max(self.width / 72, wide if wide > _WIDE else 0.0) - ring
        return across, across

    def _room(self, name: str) -> Size:
        """Width and height in points of a signal outside of panels at the last step, with its border; as high as its
        values before the start and after the end, which stand in its row."""
        flat = self.circuit.vertices[name]
        if flat.role in ("gate", "op"):
            return 72 * flat.inches[0], 72 * flat.inches[1]
        ring = 0.1 if flat.role == "loss" else 0.0
        across = 72 * (self.size(flat.role, labels.name(name, self.stamp(name, self.T)))[0] + ring)
        lags = [r.lag for r in self.reading.reads if r.source == name and r.axis == self.axis]
        outside = [str(1 - lag) if lag > 0 else f"{self.axis.upper()}+{-lag}" for lag in lags if lag]
        return across, max([across, *(72 * self.size("cut", labels.name(name, at))[1] for at in outside)])

    def _with_labels(self, loops: list[Loop]) -> Iterator[float]:
        """From step to step, with room for the label of a state's wire to itself between large circles; above usual
        ones a label finds room."""
        for loop in loops:
            if loop.label and loop.state in self.names and loop.state not in self.step.within:
                across, _ = self._room(loop.state)
                left, _, right, _ = beside.box_of(loop.label, (0.0, 0.0))
                if spacing.beyond([across / 2]):
                    yield across + right - left + _BESIDE_LABEL

    # ---- wires through time ----
    def _wires(self, loops: list[Loop]) -> Iterator[Wire]:
        lags: dict[str, list[Read]] = {}
        for r in self.reading.reads:
            if r.lag and r.axis == self.axis and r.source in self.names:
                lags.setdefault(square_id(r), []).append(r)
        inside = set(self.step.places)
        for square, reads in lags.items():
            r = reads[0]
            own = [loop for loop in loops if loop.square == square + "|loop"]
            heads = [(e.head, e.label) for e in self.circuit.edges if e.tail == square and e.head in inside]
            heads += [(loop.state, loop.label) for loop in own]
            if square in self.step.taps:
                yield Wire(r.source, square, r.lag, "rail", "", any(o.only != "later" for o in reads))
                continue
            for head, label in heads:
                of = [o for o in reads if o.reader == head] or reads
                yield Wire(r.source, head, r.lag, self._kind(r, head), label, any(o.only != "later" for o in of))

    def _kind(self, r: Read, head: str) -> str:
        if self.circuit.vertices[head].role == "bus":
            return "rail"
        fed_back = self.reading.roles[r.source] == "output" or r.source in self.reading.targets
        return "skip" if fed_back else "time"

    def inner_edges(self, t: int) -> Iterator[tuple[str, str, str, str]]:
        """Edges within step ``t``: tail, head, kind, label; taps included."""
        for e in self.circuit.edges:
            if (
                e.kind in ("plain", "skip", "wire")
                and e.tail in self.step.places
                and e.head in self.step.places
                and self._is_read(e.tail, e.head, t)
            ):
                yield e.tail, e.head, e.kind, e.label
        for tap in self.step.taps:
            for e in self.circuit.edges:
                if e.tail == tap and e.head in self.step.places:
                    yield (
                        tap,
                        e.head,
                        "rail" if self.circuit.vertices[e.head].role == "bus" else "time",
                        e.label,
                    )
            state = self.circuit.vertices.get(tap + "|loop")
            if state is not None:
                yield tap, tap.partition("[")[0], "time", ""


    def _is_read(self, tail: str, head: str, t: int) -> bool:
        """Whether an edge between two signals stands for a read within step ``t``; through a bus it does."""
        if "bus" in (self.circuit.vertices[tail].role, self.circuit.vertices[head].role):
            return True
        reads = self.reading.reads
        return any(
            (r.source, r.reader, r.lag) == (tail, head, 0) and (r.moment == "step" or r.own_step) and r.made_at(t)
            for r in reads
        )


def _circle(names: list[str], reading: Reading, T: int) -> float:
    """The diameter in points of the circles, wide enough for the usual name at the last step."""
    widths = sorted(labels.width(labels.name(n, T)) + 7 for n in names) or [0.0]
    return max(0.52 * 72, min(widths[-1], _WIDE * 72))
