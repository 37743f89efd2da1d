"""Symbols: rows of tables, elements of vectors, and what losses make of targets.

A symbol below 0 is none: it takes a row of zeros, picks zero, puts nothing, and as a target contributes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import build as b
from ..expr import sort_axes
from .table import op

if TYPE_CHECKING:
    from ..expr import Node
    from .table import Array

TypeOf = tuple[tuple[str, ...], tuple[int, ...], str]


def _symbols(args: Sequence[Node]) -> None:
    for a in args:
        if a.dtype != "i":
            raise TypeError(f"a symbol is needed as an index, not {a!r}")


def _take(args: Sequence[Node], attr: Any) -> TypeOf:
    table, *symbols = args
    _symbols(symbols)
    if len(symbols) > len(table.shape):
        raise TypeError(f"{len(symbols)} indices for a table of shape {table.shape}")
    return sort_axes(a for x in args for a in x.axes), table.shape[len(symbols) :], table.dtype


def _inside(symbols: Sequence[Array], sizes: Sequence[int]) -> Array:
    ok = np.asarray(True)
    for x, n in zip(symbols, sizes, strict=True):
        ok = ok & (x >= 0) & (x < n)
    return ok


def _take_meaning(attr: Any, batched: Sequence[bool], table: Array, *symbols: Array) -> Array:
    sizes = table.shape[batched[0] : batched[0] + len(symbols)]
    ok = _inside(symbols, sizes)
    index = [np.where(ok, x, 0) for x in symbols]
    if batched[0]:
        rows = table[(np.arange(table.shape[0]), *np.broadcast_arrays(*index))]
        ok = np.broadcast_to(ok, table.shape[:1])
    else:
        rows = table[tuple(np.broadcast_arrays(*index))]
    return np.where(np.reshape(ok, ok.shape + (1,) * (rows.ndim - ok.ndim)), rows, 0)


def _take_vjp(n: Node, out: Node, g: Node) -> list[Node | None]:
    table, *symbols = n.args
    varying = {a for x in (g, *symbols) for a in x.axes}
    dtable = b.scatter(g, table.shape[: len(symbols)], symbols, varying - set(table.axes))
    return [b.expand(dtable, table.axes), *[None] * len(symbols)]


def _take_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    return None if tangents[0] is None else b.take(tangents[0], *n.args[1:])


def _scatter(args: Sequence[Node], attr: Any) -> TypeOf:
    sizes, over = attr
    g, *symbols = args
    _symbols(symbols)
    return tuple(a for a in g.axes if a not in over), (*sizes, *g.shape), "f"


def _scatter_meaning(attr: Any, batched: Sequence[bool], g: Array, *symbols: Array) -> Array:
    sizes, over = attr
    if not any(batched):  # one step of a graph without a batch axis
        return _scatter_meaning((sizes, ("b",)), (True,) * len(batched), g[None], *[x[None] for x in symbols])
    rows = len(g)
    symbols = tuple(np.broadcast_to(x, (rows,)) for x in symbols)
    keep = np.nonzero(_inside(symbols, sizes))[0]
    index = tuple(x[keep] for x in symbols)
    out = np.zeros((*(() if over else (rows,)), *sizes, *g.shape[1:]), g.dtype)
    np.add.at(out, index if over else (keep, *index), g[keep])
    return out


def _scatter_vjp(n: Node, out: Node, g: Node) -> list[Node | None]:
    value, *symbols = n.args
    return [b.expand(b.take(g, *symbols), value.axes), *[None] * len(symbols)]


def _scatter_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    return None if tangents[0] is None else b.scatter(tangents[0], n.attr[0], n.args[1:], n.attr[1])


def _element(args: Sequence[Node], attr: Any) -> TypeOf:
    vector, symbol = args
    _symbols([symbol])
    if not vector.shape or vector.shape[:-1] != symbol.shape:
        raise TypeError(f"a symbol of shape {symbol.shape} picks from a vector, not from {vector!r}")
    return vector.axes, symbol.shape, vector.dtype


def _pick_meaning(attr: Any, batched: Sequence[bool], vector: Array, symbol: Array) -> Array:
    ok = (symbol >= 0) & (symbol < vector.shape[-1])
    chosen = np.take_along_axis(vector, np.where(ok, symbol, 0)[..., None], -1)[..., 0]
    return np.where(ok, chosen, 0)


def _put(args: Sequence[Node], attr: Any) -> TypeOf:
    g, symbol = args
    _symbols([symbol])
    if g.shape != symbol.shape:
        raise TypeError(f"{g.shape} numbers for symbols of shape {symbol.shape}")
    return g.axes, (*g.shape, attr), "f"


def _put_meaning(n: int, batched: Sequence[bool], g: Array, symbol: Array) -> Array:
    return np.where(np.arange(n) == symbol[..., None], g[..., None], 0.0)


def _loss(args: Sequence[Node], attr: Any) -> TypeOf:
    vector, symbol = args
    _symbols([symbol])
    if len(vector.shape) != 1 or symbol.shape:
        raise TypeError(f"a target is one symbol for a vector of scores, not {symbol!r} for {vector!r}")
    return vector.axes, (), "f"


def _cross_entropy_meaning(attr: Any, batched: Sequence[bool], logits: Array, symbol: Array) -> Array:
    top = logits.max(-1)
    total = top + np.log(np.exp(logits - top[..., None]).sum(-1))
    return np.where(symbol >= 0, total - _pick_meaning(None, batched, logits, symbol), 0.0)


def _nll_meaning(attr: Any, batched: Sequence[bool], p: Array, symbol: Array) -> Array:
    return np.where(symbol >= 0, -np.log(_pick_meaning(None, batched, p, symbol)), 0.0)


def _minus_onehot_type(args: Sequence[Node], attr: Any) -> TypeOf:
    _loss(args, attr)
    return args[0].axes, args[0].shape, "f"


def _minus_onehot_meaning(attr: Any, batched: Sequence[bool], p: Array, symbol: Array) -> Array:
    ok = (symbol >= 0)[..., None]
    return np.where(ok, p - (np.arange(p.shape[-1]) == symbol[..., None]), 0.0)


def _cross_entropy_vjp(n: Node, out: Node, g: Node) -> list[Node | None]:
    logits, symbol = n.args
    return [b.mul(b.minus_onehot(b.softmax(logits), symbol), b.repeat(g, -1, logits.shape[-1])), None]


def _cross_entropy_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    logits, symbol = n.args
    if tangents[0] is None:
        return None
    return b.sum_feature(b.mul(b.minus_onehot(b.softmax(logits), symbol), tangents[0]))


def _nll_vjp(n: Node, out: Node, g: Node) -> list[Node | None]:
    p, symbol = n.args
    return [b.put(-(g / b.pick(p, symbol)), symbol, p.shape[-1]), None]


def _nll_jvp(n: Node, out: Node, tangents: Sequence[Node | None]) -> Node | None:
    p, symbol = n.args
    if tangents[0] is None:
        return None
    target = b.compare(">=", symbol, 0)
    return b.where(target, -(b.pick(tangents[0], symbol) / b.pick(p, symbol)), 0.0)


def _with_target(symbol: Node, g: Node) -> Node:
    """``g``, zero where there is no target."""
    return b.where(b.compare(">=", symbol, 0), g, 0.0)


op("take", "symbols", type=_take, meaning=_take_meaning, vjp=_take_vjp, jvp=_take_jvp)
op("scatter", "symbols", type=_scatter, meaning=_scatter_meaning, vjp=_scatter_vjp, jvp=_scatter_jvp)
op("pick", "symbols", type=_element, meaning=_pick_meaning,
   vjp=lambda n, out, g: [b.put(g, n.args[1], n.args[0].shape[-1]), None],
   jvp=lambda n, out, ts: None if ts[0] is None else b.pick(ts[0], n.args[1]))  # fmt: skip
op("put", "symbols", type=_put, meaning=_put_meaning, vjp=lambda n, out, g: [b.pick(g, n.args[1]), None],
   jvp=lambda n, out, ts: None if ts[0] is None else b.put(ts[0], n.args[1], n.attr), cheap=True)  # fmt: skip
op("cross_entropy", "symbols", type=_loss, meaning=_cross_entropy_meaning, vjp=_cross_entropy_vjp,
   jvp=_cross_entropy_jvp, label="cross_entropy({0}, {1})",
   latex=r"\operatorname{{cross\_entropy}}({0}, {1})")  # fmt: skip
op("nll", "symbols", type=_loss, meaning=_nll_meaning, vjp=_nll_vjp, jvp=_nll_jvp, label="nll({0}, {1})",
   latex=r"\operatorname{{nll}}({0}, {1})")  # fmt: skip
op("minus_onehot", "symbols", type=_minus_onehot_type, meaning=_minus_onehot_meaning,
   vjp=lambda n, out, g: [_with_target(n.args[1], g), None],
   jvp=lambda n, out, ts: None if ts[0] is None else _with_target(n.args[1], ts[0]))  # fmt: skip
