"""Where a network looks while it writes: a signal of two indices, w[t, s], as a map of t over s.

    found = rnn.alignment(net, params, x=source, y=written)
    found.values                        # [T, S]
    found.plot("attention.svg", source="abc", target="cba")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.circuit import Circuit, reachable
from ...graph.doors import require_circuit
from ...graph.errors import CircuitError, unknown
from ...graph.expr import time_axes, topological
from ..data import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Alignment:
    """A signal of two indices for one pair of sequences.

    values  [T, S]: the share of step s of the source at step t, where they are weights
    signal  the name of the signal
    name    that of the network
    """

    values: NDArray[np.float64]
    signal: str
    name: str

    def plot(self, path: str | Path, source: Sequence[str] | None = None, target: Sequence[str] | None = None) -> Path:
        """A heat map: a row for each step t, a column for each step s; darker is more.

        source, target  labels of the columns and rows, a text or a list; None: the numbers of the steps. The suffix of
                        ``path`` says the format: svg, png or pdf.
        Raises DataError for labels of another number.
        """
        T, S = self.values.shape
        rows, columns = (_labels(given, n, name) for given, n, name in ((target, T, "target"), (source, S, "source")))
        return _plot(self, Path(path), rows, columns)

    def __str__(self) -> str:
        at = self.values.argmax(1) + 1
        return f"{self.signal} of {self.name}, the largest at s = {', '.join(map(str, at.tolist()))}"


def alignment(
    net: Circuit, params: Mapping[str, Any], /, *, signal: str | None = None, target: str = "interpret", **inputs: Any
) -> Alignment:
    """A signal of two indices while a network reads one pair of sequences.

    signal   its name; None: the one that the loss L reads, a softmax if there are several
    inputs   by name, of one row: symbols [T] or [T, 1], numbers [T, n] or [T, 1, n]; what was written among them, such
             as ``rnn.decode(…).symbols``

    Dropout and the like are at their means. Raises CircuitError for a signal that there is not, DataError for inputs
    of more than one row.
    """
    from ... import compiler

    require_circuit(net, "rnn.alignment")
    name = _signal(net, signal)
    program = compiler.compile(net, loss=None, returns=(name,), target=target, dtype="float64", training=False)
    needed = {n.attr for n in topological(reachable(net, [name]).eqs.values()) if n.op == "input"}
    given = {n: _row(net, n, a) for n, a in inputs.items() if n in needed or n not in net.input_nodes}
    weights = {n: np.asarray(w, dtype=np.float64) for n, w in params.items()}
    value = np.asarray(program(weights, **given).value[name])
    return Alignment(value.reshape(value.shape[:2]), name, net.name)


def _signal(net: Circuit, asked: str | None) -> str:
    there = [n for n, e in net.eqs.items() if time_axes(e) == ("t", "s") and e.shape == () and "[" not in n]
    if asked is not None:
        if asked not in there:
            raise CircuitError(unknown(f"{net.name} has no signal {asked}[t, s] of one number", asked, there, "it has"))
        return asked
    weights = [n for n in there if any(m.op == "exp" for m in topological([net.eqs[n]]))] or there
    if not weights:
        raise CircuitError(f"{net.name} has no signal of two indices, w[t, s] = …: there is nothing to align")
    return weights[0]


def _row(net: Circuit, name: str, given: Any) -> Any:
    """An input of one row, as programs take it."""
    node = net.input_nodes.get(name)
    array = np.asarray(given)
    if node is None:
        return array
    if node.dtype == "f":
        array = array.astype(np.float64)
    if array.ndim == len(node.axes) + len(node.shape) - 1:
        array = np.expand_dims(array, node.axes.index("b"))
    if array.ndim > node.axes.index("b") and array.shape[node.axes.index("b")] != 1:
        raise DataError(f"the input {name}: expected one row, got an array {list(array.shape)}")
    return array


def _labels(given: Sequence[str] | None, n: int, what: str) -> list[str]:
    found = [str(i) for i in range(1, n + 1)] if given is None else list(given)
    if len(found) != n:
        raise DataError(f"{what}: expected {n} labels, one a step, got {len(found)}")
    return [label.replace("$", r"\$") for label in found]


def _plot(found: Alignment, path: Path, rows: list[str], columns: list[str]) -> Path:
    from matplotlib.figure import Figure

    from ..figures import look, write_figure

    T, S = found.values.shape
    with look():
        figure = Figure(figsize=(0.22 * S + 1.3, 0.22 * T + 0.7), layout="constrained")
        axes = figure.subplots()
        mesh = axes.pcolormesh(found.values, cmap="Blues", vmin=0.0, vmax=max(1.0, float(found.values.max())))
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.xaxis.tick_top()
        turned = 90 if any(len(label) > 2 for label in columns) else 0
        axes.set_xticks(np.arange(S) + 0.5, columns, rotation=turned)
        axes.set_yticks(np.arange(T) + 0.5, rows)
        axes.tick_params(length=0, pad=2)
        axes.set_xlabel("$s$")
        axes.xaxis.set_label_position("top")
        axes.set_ylabel("$t$", rotation=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(mesh, ax=axes, fraction=0.03, pad=0.02)
        bar.outline.set_linewidth(0.5)
        return write_figure(figure, path)
