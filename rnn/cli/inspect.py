"""Commands that look into a network: ``bptt explain | activations``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DataError, read_for
from .command import add_unknown, command

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ...graph.draw import Norms
    from ..analysis.diagnose import Diagnosis
    from ..runs.run import Run

WORDS = """\
    stage         equations that are computed in one go over rows
    row           one step of one sequence (once, for every sequence: one sequence)
    loop up       over the steps from the first to the last: a row needs the row before it; down: the row after it
    all steps     no row needs another: so many steps at a time are computed together
    cycle         why a loop is one: these equations need each other at another step
    one product   matrices of the same vector, or of the same sum, multiplied as one
    fused         computed element by element in one pass over memory
    kept          stored for later stages: for all steps, the last n (ring), or n at a time (chunk)
    a row: …      floating-point operations, and bytes of stored signals read and written, for each row\
"""

UNITS = 32
"""Units of a signal where a gradient is looked at and no size is said: of a few rectifiers soon all are off."""


LARGE = 200
"""Units of all states from which a gradient takes more than a few seconds."""


# ---- explain ---------------------------------------------------------------------------------------
def add_explain(commands: Any) -> None:
    """Add ``bptt explain``."""
    from .cells import add_network

    parser = command(
        commands,
        "explain",
        explain,
        "Print a network's equations, its adjoint and its schedule; with --gradient, what becomes of it through time.",
    )
    add_network(parser)
    parser.add_argument("--latex", action="store_true", help="print equations and adjoint as LaTeX, nothing else")
    parser.add_argument(
        "--gradient",
        action="store_true",
        help="print how the gradient changes on its way back through time, and nothing else: of a run on its"
        " validation data, of a cell at initial weights on random inputs",
    )
    parser.add_argument(
        "--steps", type=int, default=50, metavar="T", help="steps to look at; of shorter data all (default: 50)"
    )
    parser.add_argument("--data", metavar="FILE", help="data of the same kind that the run reads, in place of its own")
    add_unknown(parser)
    parser.add_argument("--seed", type=int, default=0, help="of initial weights and random inputs (default: 0)")
    parser.add_argument("--plot", metavar="FILE", help="write the figure: .svg, .png or .pdf")
    parser.add_argument("--drawing", metavar="FILE", help="write the unrolled network with the norms painted on it")


def explain(given: argparse.Namespace) -> None:
    """bptt explain"""
    from .cells import network

    _check_flags(given)
    net, run = network(given.cell, given.size, UNITS if given.gradient else 4)
    if given.gradient:
        _gradient(net, run, given)
        return
    from ... import compiler, graph
    from ...graph.expr import topological

    opaque = sorted({n.attr[0] for n in topological(net.eqs.values()) if n.op == "opaque"})
    adjoint = graph.grad(net, "L") if "L" in net.eqs and not opaque else None
    if given.latex:
        print(graph.latex(net if adjoint is None else adjoint, comments=True))
        return
    print("\n".join(_heading(net, run, given.cell)))
    print(f"\n# The equations\n\n{graph.text(net, comments=True)}")
    if opaque:
        print(f"\n{_without_definition(net, opaque)}")
        return
    if adjoint is not None:
        new = adjoint.with_eqs({n: e for n, e in adjoint.eqs.items() if n not in net.eqs})
        print("\n# The adjoint: δh stands for the derivative of L by h, and each comment says where it comes from\n")
        print(graph.text(new, comments=True))
        program = compiler.compile(net, loss="L")
    else:
        program = compiler.compile(net, loss=None, returns=tuple(net.outputs))
    print(f"\n# The schedule\n\n{WORDS}\n\n{program.explain()}")


def _without_definition(net: Circuit, opaque: Sequence[str]) -> str:
    """What can be said of a network whose functions are open: what its third step is made of."""
    from ... import graph

    names = " and ".join(opaque)
    have, them = ("has", "it") if len(opaque) == 1 else ("have", "them")
    signals = [n for n, e in net.eqs.items() if "[" not in n and "t" in e.axes]
    steps = graph.unfold(net, 3, 3)
    third = [graph.text(steps, of=f"{n}[3]") for n in signals if f"{n}[3]" in steps.eqs]
    return "\n".join(
        [
            "# Unfolded",
            "",
            *third,
            "",
            f"{names} {have} no definition: there is nothing yet to differentiate or compile.",
            f"Define {them} in a file of equations, {opaque[0]}(…) = …, or by Cell.given.",
        ]
    )


def _check_flags(given: argparse.Namespace) -> None:
    for flag in ("data", "plot", "drawing"):
        if getattr(given, flag) and not given.gradient:
            raise DataError(f"--{flag} goes with --gradient")
    if given.unknown and not given.data:
        raise DataError("--unknown goes with --data")
    if given.latex and given.gradient:
        raise DataError("--latex and --gradient: one of them")
    if given.steps < 1:
        raise DataError(f"--steps: expected a number of at least 1, got {given.steps}")


def _heading(net: Circuit, run: Run | None, given: str) -> list[str]:
    """What the network is, and the sizes it has here."""
    from ..cells import CELLS

    recipe = CELLS.get(net.name) if run is None and not Path(given).exists() else None
    lines = [f"{net.name}: {recipe.about} [{recipe.source}]" if recipe else net.name]
    if run is not None:
        lines[0] += f", of the run {run.folder} after update {run.update}"
    inputs = [f"{_indexed(net, n)} ({_kind(net, n)})" for n in net.input_nodes]
    signals = [f"{n} ({_shape(shape)})" for n, shape in net.outputs.items() if shape]
    states = [n for n in net.states if n in net.eqs]
    lines += _wrapped("reads", inputs or ["nothing"])
    lines += _wrapped("computes", signals)
    lines += _wrapped("carries", states) if states else []
    lines += _weights(net, run is None)
    constants = [f"{n} ({_shape(shape)})" for n, shape in net.params.items() if n in net.constants]
    lines += _wrapped("constant", constants) if constants else []
    if recipe:
        lines.append("The sizes are small ones unless --size says others, such as --size h=32.")
    return lines


def _weights(net: Circuit, initial: bool) -> list[str]:
    """A line a parameter: its shape, and how it starts."""
    from ...graph.init import described, initial_rules

    trained = {n: shape for n, shape in net.params.items() if n not in net.constants}
    rules = initial_rules(net)
    if not trained:
        return ["learns    nothing"]
    lines = [f"learns    {sum(map(_product, trained.values())):,} numbers"]
    names, shapes = max(map(len, trained)), max(len(_shape(shape)) for shape in trained.values())
    for n, shape in trained.items():
        start = f"  starts {described(rules[n], shape)}" if initial else ""
        lines.append(f"          {n:{names}}  {_shape(shape):{shapes}}{start}".rstrip())
    return lines


def _wrapped(title: str, items: Iterable[str]) -> list[str]:
    """A list below its title, in lines that fit."""
    from textwrap import wrap

    return wrap(f"{title:10}{', '.join(items)}", 110, subsequent_indent=" " * 10, break_long_words=False)


def _indexed(net: Circuit, name: str) -> str:
    axes = [a for a in net.input_nodes[name].axes if a != "b"]
    return f"{name}[{', '.join(axes)}]" if axes else name


def _kind(net: Circuit, name: str) -> str:
    node = net.input_nodes[name]
    if name in net.positions:
        return "the number of a step"
    return f"a symbol of {net.symbols[name]}" if node.dtype == "i" else _shape(node.shape)


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if shape else "a number"


def _product(shape: tuple[int, ...]) -> int:
    from math import prod

    return prod(shape)


# ---- the gradient ----------------------------------------------------------------------------------
def _gradient(net: Circuit, run: Run | None, given: argparse.Namespace) -> None:
    """bptt explain --gradient"""
    from ..figures import checked_format

    for path in filter(None, (given.plot, given.drawing)):
        checked_format(Path(path))
    found = diagnosed(net, run, given.steps, given.seed, given.data, given.unknown)
    print(found)
    if given.plot:
        print(f"\nfigure    {found.plot(given.plot)}")
    if given.drawing:
        try:
            print(f"drawing   {found.draw(given.drawing)}")
        except RuntimeError as error:  # no Graphviz: the message has the remedies
            raise DataError(str(error)) from error


def diagnosed(
    net: Circuit, run: Run | None, steps: int = 50, seed: int = 0, data: str | None = None, unknown: str = ""
) -> Diagnosis:
    """The diagnosis of a run on its validation data or on others; of a circuit at initial weights on random inputs."""
    from ..analysis.diagnose import diagnose
    from ..analysis.samples import data_batch, random_inputs, run_batch, untold_lengths

    if run is None:
        if data:
            raise DataError(f"--data: {net.name} is no run, and nothing says how it would read {data}; train it first")
        weights: Mapping[str, Any] = net.init(seed=seed, dtype="float64")
        about = f"initial weights and random inputs (seed {seed})"
        inputs: dict[str, Any] = dict(random_inputs(net, steps, seed=seed))
        _tell_large(net, steps)
        return diagnose(net, weights, lengths=untold_lengths(net, steps), about=about, **inputs)
    if data:
        batch, about = data_batch(run, data, steps, unknown=unknown), f"{run.folder}, update {run.update}, on {data}"
    else:
        print("bptt: reading the data of the run", file=sys.stderr)
        batch, about = run_batch(run, steps), f"{run.folder}, update {run.update}, on its validation data"
    read: dict[str, Any] = dict(batch.inputs)
    _tell_large(net, batch.steps)
    return diagnose(run.bound.net, run.weights, lengths=batch.lengths, about=about, **read)


def _tell_large(net: Circuit, steps: int) -> None:
    """Say on standard error what is measured, where that takes more than a few seconds."""
    from ..analysis.jacobians import recurrent_states

    units = sum(state.size for state in recurrent_states(net).values())
    if units >= LARGE:
        what = f"the derivatives of {units} units over {steps} steps by each other"
        print(f"bptt: measuring {what}, which grows with the cube of the units", file=sys.stderr, flush=True)


def painted(net: Circuit, run: Run | None, steps: int) -> tuple[Norms, Mapping[str, int]]:
    """What ``draw_unrolled`` paints for ``bptt draw --norms``, and of how many steps: of ``steps``, or of as many as
    the sequences of the run have (a source is read whole), which is said."""
    from ..analysis.diagnosis import painted

    found = diagnosed(net, run, steps)
    others = [f"{n} steps of {axis}" for axis, n in found.steps.items() if n != steps]
    if others:
        print(f"bptt: --norms: the sequences of the run have {' and '.join(others)}, which are drawn", file=sys.stderr)
    return painted(found), found.steps


# ---- activations -----------------------------------------------------------------------------------
def add_activations(commands: Any) -> None:
    """Add ``bptt activations``."""
    parser = command(
        commands,
        "activations",
        activations,
        "Draw what gates and units do while a trained language model reads a text, as a heat map under its characters.",
    )
    parser.add_argument("run", help="a run folder")
    parser.add_argument("text", help="the text itself, or the name of a file that there is (UTF-8, or bytes)")
    parser.add_argument(
        "--signals", metavar="NAMES", help="such as f,i (default: the gates; where there are none, the states)"
    )
    parser.add_argument(
        "--units", type=int, default=24, help="units of a signal, those that vary most; 0: its mean (default: 24)"
    )
    add_unknown(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="the figure: .svg, .png or .pdf")


def activations(given: argparse.Namespace) -> None:
    """bptt activations"""
    from ..analysis.activations import activations as read
    from ..figures import checked_format
    from ..runs.run import load

    checked_format(Path(given.out))
    if given.units < 0:
        raise DataError(f"--units: expected a number of at least 0, got {given.units}")
    run = load(given.run)
    text = read_for(run.task.unit, given.text) if _is_file(given.text) else given.text
    names = [n.strip() for n in given.signals.split(",")] if given.signals else None
    found = read(run, text, signals=names, unknown=given.unknown)
    found.plot(given.out, units=given.units)
    print(found)
    print(given.out)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a text is no name of a file
        return False
