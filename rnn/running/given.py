"""What a network that runs free is given, checked before anything runs: its inputs, and how long its sequences are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.expr import TIME_AXES
from ...graph.inputs import form
from ..data import Array, DataError

if TYPE_CHECKING:
    from .steps import Running

COUNTED = {"t": "steps of t", "s": "steps of s", "b": "sequences"}


def arrays_of(run: Running, inputs: Mapping[str, Any], rows: int | None = None) -> dict[str, Array]:
    """The inputs that are given, what is fed apart, as arrays that fit the network and each other.

    rows: how many sequences the beginning of what is fed has, None without one. Raises DataError for an input that is
    missing, that is no array of its form, or that has another number of steps or sequences than another one.
    """
    net = run.net
    sizes: dict[str, tuple[int, str]] = {} if rows is None else {"b": (rows, run.feed)}
    found: dict[str, Array] = {}
    for name in run.given:
        if name not in inputs:
            raise DataError(f"{net.name}: the input {name} is missing; give {name}=…")
        node, array = net.input_nodes[name], array_of(name, inputs[name])
        axes = len(node.axes)
        if array.ndim != axes + len(node.shape) or array.shape[axes:] != node.shape:
            raise DataError(f"the input {name}: expected an array {form(node)}, got the shape {array.shape}")
        if array.dtype.kind not in ("iu" if node.dtype == "i" else "fiub"):
            raise DataError(f"the input {name}: expected an array {form(node)}, got an array of {array.dtype}")
        for axis, n in zip(node.axes, array.shape, strict=False):
            if not n:
                raise DataError(f"the input {name}: expected at least one of {COUNTED[axis]}, got {array.shape}")
            m, other = sizes.setdefault(axis, (n, name))
            if m != n:
                raise DataError(f"{net.name}: expected as many {COUNTED[axis]} in {name} as in {other}, {m}, got {n}")
        found[name] = array if node.dtype == "i" else array.astype(run.dtype, copy=False)
    return found


def array_of(name: str, value: Any) -> Array:
    """An array of what is given. Raises DataError for rows of unlike lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        mend = "fill the shorter ones up, and say how long they are"
        raise DataError(f"{name}: expected an array, got rows of unlike lengths; {mend}") from error


def lengths_of(run: Running, arrays: Mapping[str, Array], lengths: Any) -> dict[str, Array]:
    """The lengths of the sequences by their index, each [B].

    lengths: by index, {"t": …, "s": …}; where the inputs have steps of one index alone, also those lengths themselves.
    Raises DataError for lengths of an index of which no input has steps, and for what is no length of its sequence.
    """
    nodes = {n: run.net.input_nodes[n].axes for n in arrays}
    sizes = {a: n for name, axes in nodes.items() for a, n in zip(axes, arrays[name].shape, strict=False)}
    axes = [a for a in TIME_AXES if a in sizes]
    if lengths is None:
        return {}
    if not isinstance(lengths, Mapping) and len(axes) == 1:
        lengths = {axes[0]: lengths}
    if not isinstance(lengths, Mapping):
        expected = " and ".join(f"{a!r}: …" for a in axes)
        hint = f"expected {{{expected.replace(' and ', ', ')}}}" if axes else _no_steps(run)
        raise DataError(f"lengths of {run.net.name}: {hint}, got {lengths!r:.80}")
    found: dict[str, Array] = {}
    for axis, value in lengths.items():
        if value is None:
            continue
        if axis not in axes:
            hint = _no_steps(run, axis)
            raise DataError(f"lengths of {run.net.name}: {hint}, got {{{axis!r}: {value!r:.80}}}")
        n, rows, each = sizes[axis], sizes.get("b", 1), array_of(f"lengths of {axis}", value)
        if each.dtype.kind not in "iu" or each.shape not in ((), (rows,)) or (each < 1).any() or (each > n).any():
            raise DataError(
                f"lengths of {axis}: expected whole numbers from 1 to {n}, one for each of {rows} rows,"
                f" got {value!r:.80}"
            )
        found[axis] = np.broadcast_to(each.astype(np.int64), (rows,))
    return found


def _no_steps(run: Running, axis: str = "") -> str:
    """That no input has steps, and what the number of other steps is called."""
    begun = f"; how much of {run.feed} each row begins with is prompt_lengths=…" if run.feed else ""
    steps = f"steps of {axis}" if axis else "steps"
    return f"no input that is given has {steps}; how many are chosen is length=…{begun}"
