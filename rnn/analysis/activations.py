"""What the units of a network do while it reads: gates, candidates and states over the symbols of a text.

    found = rnn.activations(run, "The rain in Spain", signals=("f", "i"))
    found.values["f"]                   # [T, n]
    found.plot("gates.png")             # a heat map a signal, its characters above it
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.circuit import Circuit
from ...graph.errors import CircuitError, unknown
from ...graph.expr import time_axes
from ..data import DataError
from .jacobians import recurrent_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANGES: dict[str, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""The values that a signal can take, by the nonlinearity that its equation ends with."""
WIDEST = 100
"""Symbols in one row of a figure."""
TALLEST = 24
"""Units of one signal in a figure, unless more are asked for."""
HIGH = 4
"""Rows of a figure beside which three numbers have room."""
VISIBLE = {" ": "␣", "\n": "↵", "\t": "→", "\r": "←"}
"""How white space stands above a heat map."""


@dataclass(frozen=True)
class Activations:
    """Signals over the symbols of one sequence.

    values   signal -> [T, n], one column a unit
    labels   what was read at each step, [T]
    ranges   signal -> the least and the largest value that it can take; None: those that it took
    about    what was read by what, for the title
    """

    values: dict[str, NDArray[np.float64]]
    labels: tuple[str, ...]
    ranges: dict[str, tuple[float, float] | None]
    about: str = ""

    def mean(self) -> dict[str, NDArray[np.float64]]:
        """The mean over the units of each signal, [T]."""
        return {name: v.mean(1) for name, v in self.values.items()}

    def plot(self, path: str | Path, units: int = TALLEST) -> Path:
        """A heat map a signal, a row a unit, under the symbols that were read; white space is shown as ␣ ↵ → .

        units: the most units of a signal, those that vary most, in their order; 0: a row a signal, its mean over the
        units. The suffix of ``path`` says the format: svg, png or pdf.
        """
        if units < 0:
            raise ValueError(f"units: expected a number of at least 0, got {units}")
        return _plot(self, Path(path), units)

    def __str__(self) -> str:
        lines = [f"{self.about or 'activations'}: {len(self.labels)} steps"]
        for name, v in self.values.items():
            lines.append(f"    {name}: {v.shape[1]} units, mean {v.mean():.3f}, from {v.min():.3f} to {v.max():.3f}")
        return "\n".join(lines)


def activations(
    net: Any,
    params: Mapping[str, Any] | str | bytes | None = None,
    text: str | bytes | Sequence[int] | NDArray[Any] | None = None,
    /,
    *,
    signals: str | Iterable[str] | None = None,
    target: str = "interpret",
    unknown: str = "",
) -> Activations:
    """The signals of a network while it reads one sequence: ``activations(run, text)`` or ``(net, params, x)``.

    ::

        found = activations(rnn.load("runs/python-1"), "The end.", signals=("f", "c"))
        found.values["f"]                              # [T, n]
        found.plot("gates.svg")

    net       a run, or a circuit with one input that they read, as ``x``
    params    the weights by name; of a run they may be left out
    text      a text, for a run that is a language model (or bytes, where it learnt bytes); or symbols [T], or numbers
              [T, n]
    signals   names of signals with one index, t; None: gates, if there are any, else the states
    unknown   of a text: what becomes of symbols that the run's vocabulary lacks, see ``Run.predict``

    Dropout and the like are at their means; the state before the first step is the initial one. Raises DataError for
    an empty text and one that cannot be read, CircuitError for signals that there are not.
    """
    if isinstance(params, (str, bytes)) or (text is None and params is not None and not isinstance(params, Mapping)):
        params, text = None, params
    if text is None:
        raise DataError("expected what the network reads: a text, symbols [T], or numbers [T, n]")
    from ... import compiler

    circuit, weights, labels, x, about = _read(net, params, text, unknown)
    names = _names(circuit, signals)
    program = compiler.compile(circuit, loss=None, returns=names, target=target, dtype="float64", training=False)
    weights = {n: np.asarray(w, dtype=np.float64) for n, w in weights.items()}
    inputs: dict[str, Any] = dict(_inputs(circuit, names, x))
    value = program(weights, **inputs).value
    values = {n: np.asarray(value[n]).reshape(len(labels), -1) for n in names}
    return Activations(values, labels, {n: _range(circuit, n) for n in names}, about)


def _read(
    net: Any, params: Mapping[str, Any] | None, text: Any, unknown: str
) -> tuple[Circuit, Mapping[str, Any], tuple[str, ...], NDArray[Any], str]:
    """The circuit, its weights, the labels of the steps, and what is read, [T, 1, …]."""
    if isinstance(net, Circuit):
        if isinstance(text, (str, bytes)):
            raise DataError("a circuit reads symbols or numbers: give x, or a run, which has a vocabulary")
        weights = net.init(dtype="float64") if params is None else params
        x = _checked(np.asarray(text))
        labels = tuple(map(str, x.tolist() if x.ndim == 1 and x.dtype.kind in "iu" else range(1, len(x) + 1)))
        return net, weights, labels, x[:, None], net.name
    weights = net.weights if params is None else params
    about = f"{net.folder}, update {net.update}"
    if isinstance(text, (str, bytes)):
        from .samples import text_symbols

        read = text_symbols(net, text, unknown)[1:]
        return net.bound.net, weights, _tokens(net.task.vocabulary, read), net.bound.fit_x(read[:, None]), about
    x = _checked(np.asarray(text))
    vocabulary = getattr(net.task, "vocabulary", None)
    symbols = vocabulary is not None and x.ndim == 1 and x.dtype.kind in "iu"
    labels = _tokens(vocabulary, x) if symbols else tuple(map(str, range(1, len(x) + 1)))
    return net.bound.net, weights, labels, net.bound.fit_x(x[:, None]), about


def _checked(x: NDArray[Any]) -> NDArray[Any]:
    if x.ndim < 1 or not len(x):
        raise DataError(f"expected symbols [T] or numbers [T, n] of at least one step, got the shape {x.shape}")
    return x


def _tokens(vocabulary: Any, symbols: NDArray[Any]) -> tuple[str, ...]:
    return tuple(vocabulary.token(int(s)) for s in symbols)


def _names(circuit: Circuit, signals: str | Iterable[str] | None) -> list[str]:
    """The signals that are looked at."""
    over_time = [n for n, e in circuit.eqs.items() if time_axes(e) == ("t",) and e.dtype == "f" and "[" not in n]
    if signals is None:
        gates = [n for n in over_time if circuit.eqs[n].op == "sigmoid"]
        return gates or list(recurrent_states(circuit)) or over_time
    chosen = [signals] if isinstance(signals, str) else list(dict.fromkeys(signals))
    for name in chosen:
        if name not in over_time:
            raise CircuitError(unknown(f"{circuit.name} has no signal {name}[t]", name, over_time, "it has"))
    return chosen


def _inputs(circuit: Circuit, names: Sequence[str], x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The one input that the signals read; others cannot be given."""
    from ...graph.circuit import reachable
    from ...graph.inputs import Signature

    needed = Signature(reachable(circuit, names)).inputs
    if len(needed) > 1:
        raise DataError(f"{circuit.name}: {', '.join(names)} read {', '.join(needed)}; expected one input only")
    number = circuit.input_nodes[needed[0]].dtype == "f" if needed else False
    return {n: x.astype(np.float64) if number else x.astype(np.int64) for n in needed}


def _range(circuit: Circuit, name: str) -> tuple[float, float] | None:
    root = circuit.eqs[name]
    if root.op in RANGES:
        return RANGES[root.op]
    return (-1.0, 1.0) if _bounded_by_one(circuit, name) else None


def _bounded_by_one(circuit: Circuit, name: str) -> bool:
    """Whether it is a product of gates and tanh, as the state of an LSTM is."""
    stack = [circuit.eqs[name]]
    while stack:
        n = stack.pop()
        if n.op == "mul":
            stack.extend(n.args)
        elif n.op == "ref":
            stack.append(circuit.eqs[n.attr])
        elif n.op not in RANGES:
            return False
    return True


# ---- figure ----------------------------------------------------------------------------------------
def _plot(found: Activations, path: Path, units: int) -> Path:
    from matplotlib.figure import Figure

    from ..figures import look, write_figure

    numbers = {name: _most_varying(v, units) for name, v in found.values.items()}
    rows = _rows(found, numbers, units)
    T = len(found.labels)
    lines = [slice(k, min(k + WIDEST, T)) for k in range(0, T, WIDEST)]
    heights = [max(len(v), 2) for _ in lines for _, v, _ in rows]
    with look():
        width = min(T, WIDEST) * 0.135 + 1.5
        height = sum(heights) * 0.115 + len(lines) * 0.45 + len(heights) * 0.12 + 0.3
        figure = Figure(figsize=(max(width, 3.0), height), layout="constrained")
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for k, axes in enumerate(panels):
            line, (name, values, span) = lines[k // len(rows)], rows[k % len(rows)]
            mesh = _heat_map(axes, name, values[:, line], span, numbers[name] if units else None)
            axes.set_xlim(0, min(T, WIDEST))
            if k % len(rows) == 0:
                _label(axes, found.labels[line])
            if k < len(rows):
                bar = figure.colorbar(mesh, ax=axes, fraction=0.03, pad=0.01, aspect=max(4, len(values)))
                _label_bar(bar, span, len(values))
            elif T > WIDEST:
                figure.colorbar(mesh, ax=axes, fraction=0.03, pad=0.01).ax.set_visible(False)
        return write_figure(figure, path)


def _most_varying(values: NDArray[np.float64], units: int) -> NDArray[np.int64]:
    """The numbers of the units that vary most, in their order."""
    return np.sort(np.argsort(-values.var(0), kind="stable")[:units])


def _rows(
    found: Activations, numbers: Mapping[str, NDArray[np.int64]], units: int
) -> list[tuple[str, NDArray[np.float64], tuple[float, float]]]:
    """What stands below each other: a name, its rows [units, T], and the values that colours span."""
    rows = []
    for name, values in found.values.items():
        limits = found.ranges[name]
        shown = values.T[numbers[name]] if units else values.mean(1)[None]
        if limits is None:
            # two digits, upwards
            largest = float(np.abs(shown).max()) or 1.0
            digit = 10.0 ** (math.floor(math.log10(largest)) - 1)
            limits = (-math.ceil(largest / digit) * digit, math.ceil(largest / digit) * digit)
        rows.append((name, shown, limits))
    return rows


def _heat_map(
    axes: Any, name: str, values: NDArray[np.float64], span: tuple[float, float], numbers: NDArray[np.int64] | None
) -> Any:
    """One signal; ``numbers`` of its units at the left."""
    from ...graph.latex import identifier

    colours = "Blues" if span[0] >= 0 else "RdBu_r"
    mesh = axes.pcolormesh(values, cmap=colours, vmin=span[0], vmax=span[1], rasterized=values.size > 2000)
    axes.invert_yaxis()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    symbol = f"${identifier(name, superscript='t')}$"
    if numbers is not None:
        axes.set_yticks(np.arange(len(numbers)) + 0.5, [str(n) for n in numbers])
        axes.tick_params(axis="y", length=0, pad=1, labelsize=5, labelcolor="#777777")
    label = f"mean {symbol}" if numbers is None else symbol
    axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
    return mesh


def _label_bar(bar: Any, span: tuple[float, float], rows: int) -> None:
    """The values at the ends of a colour bar, within it, and where there is room that of its middle."""
    bar.outline.set_linewidth(0.5)
    bar.set_ticks([span[0], 0.0, span[1]] if span[0] < 0 and rows >= HIGH else [span[0], span[1]])
    bar.ax.tick_params(labelsize=7, length=2, pad=1)
    ends = bar.ax.get_yticklabels()
    ends[0].set_va("bottom")
    ends[-1].set_va("top")


def _label(axes: Any, labels: Sequence[str]) -> None:
    """The symbols above the columns; words are turned."""
    shown = [VISIBLE.get(c, c) if len(c) == 1 else c for c in labels]
    shown = [c if c.isprintable() and c else "·" for c in shown]
    turned = any(len(c) > 2 for c in shown)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(shown)) + 0.5, [c.replace("$", r"\$") for c in shown])
    axes.tick_params(axis="x", length=0, pad=1, labelfontfamily="monospace", labelsize=9, rotation=90 if turned else 0)
