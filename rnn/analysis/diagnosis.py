"""A diagnosis of gradients through time as text, as a figure, and painted on the unrolled network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures import COLOURS, look, write_figure
from .diagnose import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...graph.draw import Norms
    from .diagnose import Diagnosis, Verdict

BARS = "▁▂▃▄▅▆▇█"
WIDEST = 40
DEEPEST = 12
"""Powers of ten that a heat map tells apart."""
MOST_NAMED = 2
"""States that the legend of a drawing names."""


# ---- text ------------------------------------------------------------------------------------------
def report(d: Diagnosis) -> str:
    """The diagnosis as ``print`` shows it."""
    steps = ", ".join(counted(n, "step") + (f" of {axis}" if len(d.steps) > 1 else "") for axis, n in d.steps.items())
    sequences = counted(d.sequences, "sequence")
    lines = [f"The gradient of {d.net.name} through time: {steps}, {sequences}" + (f"; {d.about}" if d.about else "")]
    lines += ["", f"overall   {d.overall}" + (f", by way of {d.leading}" if len(d.states) > 1 else ""), ""]
    for name, state in d.states.items():
        t, back = state.axis, f"{name}[{state.axis}]"
        lines.append(f"state {back}, {counted(state.size, 'unit')}")
        verdict = d.verdicts[name]
        lines.append(f"    ‖∂{back}/∂{name}[{'s' if t == 't' else 'r'}]‖   {verdict}")
        if verdict.word != "ends":
            lines.append(f"                    {_fit(verdict)}")
        if name in d.loss:
            lines += _loss_lines(d.loss[name], back, t)
        lines.append("")
    return "\n".join([*lines, *_matrix_lines(d), *_foot(d)])


def _fit(v: Verdict) -> str:
    kind = "an exponential in the distance" if v.spread < 1.5 else "only roughly an exponential in the distance"
    by = f"nine of ten distances within a factor of {v.spread:.2f}" if v.spread < 1000 else "far from a line"
    if v.word == "is kept":
        return f"{kind} ({by})"
    return f"{kind} ({by}); after {counted(v.steps, 'step')} the factor is {scientific(v.rate * v.steps)}"


def scientific(log: float) -> str:
    """exp(log), also where it is too small or large for a number."""
    power = math.floor(log / math.log(10) + 1e-9)
    mantissa = math.exp(log - power * math.log(10))
    return f"{math.exp(log):.2g}" if -3 <= power < 4 else f"{mantissa:.1f}e{power:+03d}"


def _loss_lines(sizes: NDArray[np.float64], back: str, axis: str) -> list[str]:
    shown = sizes if len(sizes) <= WIDEST else np.array([part.max() for part in np.array_split(sizes, WIDEST)])
    first, last = (f"{sizes[i]:.2g} at {axis} = {n}" for i, n in ((0, 1), (-1, len(sizes))))
    return [f"    ‖∂L/∂{back}‖       {bars(shown)}   {first}, {last} (each height {scale(shown)})"]


def bars(sizes: NDArray[np.float64]) -> str:
    """Numbers as a row of bars on a logarithmic scale; a blank is zero."""
    logs = np.log(sizes, out=np.full(len(sizes), -np.inf), where=sizes > 0)
    alive = logs[np.isfinite(logs)]
    if not len(alive):
        return " " * len(sizes)
    low, high = _range(alive)
    places = np.clip((logs - low) / (high - low) * len(BARS), 0, len(BARS) - 1)
    return "".join(BARS[int(p)] if np.isfinite(x) else " " for p, x in zip(places, logs, strict=True))


def _range(logs: NDArray[np.float64]) -> tuple[float, float]:
    """What the bars span: at least a factor of ten, so that what hardly changes looks so."""
    low, high = float(logs.min()), float(logs.max())
    middle, half = (low + high) / 2, max(high - low, math.log(10)) / 2
    return middle - half, middle + half


def scale(sizes: NDArray[np.float64]) -> str:
    """By which factor two bars differ that are one height apart."""
    alive = sizes[sizes > 0]
    low, high = _range(np.log(alive)) if len(alive) else (0.0, math.log(10))
    return f"a factor of {scientific((high - low) / len(BARS))}"


def _matrix_lines(d: Diagnosis) -> list[str]:
    lines = []
    if d.matrices:
        width = max(6, *(len(m.name) for m in d.matrices))
        lines.append(f"{'matrix':{width}}  shape      spectral radius  largest singular value")
        for m in d.matrices:
            shape = "×".join(map(str, m.shape))
            radius = "not square" if m.radius is None else f"{m.radius:#.3g}"
            lines.append(f"{m.name:{width}}  {shape:9}  {radius:15}  {m.singular:#.3g}")
        lines.append("")
    lines.append("By the matrices alone (Pascanu, Mikolov and Bengio 2013, section 2):")
    return [*lines, *(f"    {c}" for c in d.conditions), ""]


def _foot(d: Diagnosis) -> list[str]:
    size = "the largest singular value" if d.norm == "operator" else "the Frobenius norm divided by √n"
    return [
        f"‖∂h[t]/∂h[s]‖ is {size} of the total derivative, 1 for the identity; its geometric mean over the",
        "sequences is taken, without those in which nothing is left, if they are fewer than half. ‖∂L/∂h[t]‖ is the",
        "Euclidean norm over units and sequences.",
    ]


# ---- figure ----------------------------------------------------------------------------------------
def plot(d: Diagnosis, path: Path) -> Path:
    """The norms over t and over the distance, and a heat map for each state."""
    from matplotlib.figure import Figure

    lines = [_plot_loss] * bool(d.loss) + [_plot_distances]
    n = len(d.states)
    with look():
        if n == 1:
            figure = Figure(figsize=(3.4 * (len(lines) + 1), 2.9), layout="constrained")
            panels = list(figure.subplots(1, len(lines) + 1))
        else:
            figure = Figure(figsize=(max(7.0, 3.1 * n), 5.6), layout="constrained")
            halves: Any = figure.subfigures(2, 1)
            top, bottom = halves
            panels = [*np.atleast_1d(top.subplots(1, len(lines))), *bottom.subplots(1, n)]
        for draw_lines, axes in zip(lines, panels, strict=False):
            draw_lines(d, axes)
        depth = _depth(d)
        for name, axes in zip(d.states, panels[len(lines) :], strict=True):
            _plot_map(d, name, axes, depth)
        return write_figure(figure, path)


def _symbol(name: str, step: str) -> str:
    from ...graph.latex import identifier

    return identifier(name, superscript=step)


def _plot_loss(d: Diagnosis, axes: Any) -> None:
    for (name, sizes), colour in zip(d.loss.items(), COLOURS * 9, strict=False):
        t = d.states[name].axis
        steps = np.arange(1, len(sizes) + 1)
        label = rf"$\|\partial L/\partial {_symbol(name, t)}\|$"
        axes.plot(steps, np.where(sizes > 0, sizes, np.nan), color=colour, label=label, linewidth=1.4)
    axes.set(yscale="log", xlabel=" and ".join(f"step ${a}$" for a in d.steps), title="Gradient of the loss")
    _widened(axes)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(frameon=False)


def _widened(axes: Any) -> None:
    """At least two powers of ten, so that what hardly changes looks so."""
    from matplotlib.ticker import NullFormatter

    low, high = axes.get_ylim()
    if high < 100 * low:
        middle = math.sqrt(low * high)
        axes.set_ylim(middle / 10, middle * 10)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _plot_distances(d: Diagnosis, axes: Any) -> None:
    for name, colour in zip(d.states, COLOURS * 9, strict=False):
        distances, logs = d.jacobians[name].by_distance()
        alive = np.isfinite(logs)
        verdict = d.verdicts[name]
        y = logs / math.log(10)
        axes.plot(distances[alive], y[alive], ".", color=colour, markersize=3.5)
        label = f"${_symbol(name, '')}$: {_short(verdict)}"
        if verdict.word == "ends":
            axes.plot([], [], color=colour, label=label)
            continue
        slope = verdict.rate / math.log(10)
        offset = float(np.median(y[alive] - slope * distances[alive]))
        axes.plot(distances, offset + slope * distances, color=colour, linewidth=1, label=label)
    axes.axhline(0, color="#999999", linewidth=0.6)
    low, high = axes.get_ylim()
    if high - low < 2:
        axes.set_ylim((low + high) / 2 - 1, (low + high) / 2 + 1)
    axes.yaxis.set_major_formatter(_power)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="distance in steps", title="Jacobian over the distance, and fit")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(frameon=False)


def _short(verdict: Verdict) -> str:
    """A verdict in a legend: its rate, without the word."""
    return verdict.word if verdict.word in ("is kept", "ends") else str(verdict).split(": ")[1]


def _power(value: float, _: object = None) -> str:
    return rf"$10^{{{value:.0f}}}$" if value == round(value) else ""


def _depth(d: Diagnosis) -> float:
    """The power of ten at which colours end, for all heat maps."""
    logs = np.concatenate([found.logs[np.isfinite(found.logs)] for found in d.jacobians.values()])
    return float(np.clip(np.ceil(np.abs(logs).max(initial=0.0) / math.log(10)), 1, DEEPEST))


def _plot_map(d: Diagnosis, name: str, axes: Any, depth: float) -> None:
    """‖∂h[t]/∂h[s]‖: red grows, blue vanishes, white is 1."""
    from matplotlib import colormaps

    found, state = d.jacobians[name], d.states[name]
    powers = np.where(np.isneginf(found.logs), -np.inf, found.logs / math.log(10))
    T = powers.shape[1]
    edges = np.concatenate([[0.5], (found.targets[1:] + found.targets[:-1]) / 2, [T + 0.5]])
    colours = colormaps["RdBu_r"].with_extremes(bad="none", under=colormaps["RdBu_r"](0.0))
    mesh = axes.pcolormesh(
        np.arange(T + 1) + 0.5,
        edges,
        np.ma.masked_invalid(np.clip(powers, -depth, depth)),
        cmap=colours,
        vmin=-depth,
        vmax=depth,
        rasterized=True,
    )
    axes.set_facecolor("#E8E8E8")
    t, s = (state.axis, "s") if state.axis == "t" else (state.axis, "r")
    title = rf"$\|\partial {_symbol(name, t)}/\partial {_symbol(name, s)}\|$"
    axes.set(xlabel=f"moved at ${s}$", ylabel=f"observed at ${t}$", title=title, aspect="equal")
    bar = axes.figure.colorbar(mesh, ax=axes, format=_power, fraction=0.046, pad=0.03)
    there = powers[np.isfinite(powers)]
    low, high = max(min(there.min(initial=0.0), -0.5), -depth), min(max(there.max(initial=0.0), 0.5), depth)
    bar.ax.set_ylim(low, high)
    bar.locator.set_params(integer=True, nbins=6)
    bar.update_ticks()
    bar.outline.set_linewidth(0.5)


# ---- drawing ---------------------------------------------------------------------------------------
def draw(d: Diagnosis, path: Path, all_steps: bool) -> Path:
    """The unrolled network with the norms painted on the edges through time."""
    from ...graph import draw_unrolled

    steps = {axis: d.steps.get(axis, 1) for axis in ("t", "s")}
    draw_unrolled(d.net, steps=steps, ellipsis=not all_steps, norms=painted(d)).save(path)
    return path


def painted(d: Diagnosis) -> Norms:
    """What is painted: how much of a gradient at the last step of a state reaches its step t, ‖∂h[T]/∂h[t]‖.

    The verdicts are about this. ‖∂L/∂h[t]‖ would not show it: a loss at each step is added on the way, so that it
    can stay as large as it is while all that comes from far vanishes.
    """
    from ...graph.draw import Norms

    rows = {name: _from_last(d, name) for name in d.states}
    largest = max([0.0, *(float(logs.max()) for _, logs in rows.values())])
    values = {name: np.exp(logs - largest) for name, (_, logs) in rows.items()}
    shown = [f"‖∂{name}[{t}]/∂{name}[{d.states[name].axis}]‖" for name, (t, _) in rows.items()]
    names = ", ".join(shown[:MOST_NAMED]) + (", …" if len(shown) > MOST_NAMED else "")
    return Norms(values, f"What reaches step t of a gradient at the last step: {names}", scientific(largest))


def _from_last(d: Diagnosis, name: str) -> tuple[int, NDArray[np.float64]]:
    """The last step that was observed (the first of a state that runs back), and log ‖∂h[T]/∂h[t]‖ for all t."""
    found, row = d.jacobians[name], -1 if d.states[name].forward else 0
    logs = found.logs[row]
    return int(found.targets[row]), np.where(np.isnan(logs), -np.inf, logs)
