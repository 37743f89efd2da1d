"""Smart constructors: the only way to build nodes. They align types and fold zeros, ones and constants.

Operands of a pointwise operation are brought to one type: scalars are repeated over features, missing
index axes are expanded; nothing else broadcasts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import expr
from .arithmetic import add as add
from .arithmetic import align as align
from .arithmetic import amax as amax
from .arithmetic import argmax as argmax
from .arithmetic import compare as compare
from .arithmetic import concat as concat
from .arithmetic import constant_value as constant_value
from .arithmetic import cumsum as cumsum
from .arithmetic import div as div
from .arithmetic import expand as expand
from .arithmetic import is_constant as is_constant
from .arithmetic import lift as lift
from .arithmetic import like as like
from .arithmetic import logaddexp as logaddexp
from .arithmetic import logsumexp as logsumexp
from .arithmetic import max_last as max_last
from .arithmetic import maximum as maximum
from .arithmetic import minimum as minimum
from .arithmetic import mod as mod
from .arithmetic import mul as mul
from .arithmetic import neg as neg
from .arithmetic import number as number
from .arithmetic import power as power
from .arithmetic import reduce as reduce
from .arithmetic import repeat as repeat
from .arithmetic import slice_ as slice_
from .arithmetic import softmax as softmax
from .arithmetic import statistic as statistic
from .arithmetic import stop_gradient as stop_gradient
from .arithmetic import sub as sub
from .arithmetic import sum_all as sum_all
from .arithmetic import sum_feature as sum_feature
from .arithmetic import transpose as transpose
from .arithmetic import unary as unary
from .arithmetic import unslice as unslice
from .arithmetic import where as where
from .arithmetic import zeros as zeros
from .expr import Node
from .ops.table import TABLE
from .products import at as at
from .products import contract as contract
from .products import cross_entropy as cross_entropy
from .products import delay as delay
from .products import dot as dot
from .products import first as first
from .products import matmul as matmul
from .products import minus_onehot as minus_onehot
from .products import nll as nll
from .products import onehot as onehot
from .products import outer as outer
from .products import pick as pick
from .products import place as place
from .products import put as put
from .products import scatter as scatter
from .products import split_spec as split_spec
from .products import take as take


def rebuild(node: Node, args: Sequence[Node]) -> Node:
    """``node.op`` on other arguments, through the constructors above (so that zeros fold again)."""
    op, attr = node.op, node.attr
    if op in _PLAIN:
        return _PLAIN[op](*args)
    if op in _WITH_ATTRIBUTE:
        return _WITH_ATTRIBUTE[op](args, attr)
    if TABLE[op].kind == "pointwise" and len(args) == 1 and args[0].dtype == "f":
        return unary(op, args[0])
    return expr.make(op, args, attr)


_PLAIN: dict[str, Callable[..., Node]] = {
    "add": add, "mul": mul, "neg": neg, "div": div, "where": where, "number": number, "transpose": transpose,
    "nll": nll, "cross_entropy": cross_entropy, "minus_onehot": minus_onehot, "take": take, "pick": pick,
}  # fmt: skip
_WITH_ATTRIBUTE: dict[str, Callable[[Sequence[Node], Any], Node]] = {
    "expand": lambda xs, axes: expand(xs[0], axes),
    "reduce": lambda xs, over: reduce(xs[0], over),
    "statistic": lambda xs, axes: statistic(xs[0], xs[1], axes),
    "power": lambda xs, p: power(xs[0], p),
    "repeat": lambda xs, attr: repeat(xs[0], *attr),
    "sum_feature": lambda xs, position: sum_feature(xs[0], position),
    "slice": lambda xs, attr: slice_(xs[0], *attr),
    "unslice": lambda xs, attr: unslice(xs[0], *attr),
    "concat": lambda xs, axis: concat(*xs, axis=axis),
    "delay": lambda xs, attr: delay(xs[0], attr[0], attr[1], xs[1:]),
    "at": lambda xs, attr: at(xs[0], *attr),
    "place": lambda xs, attr: place(xs[0], *attr),
    "first": lambda xs, axis: first(xs[0], xs[1], axis),
    "contract": lambda xs, attr: contract(xs[0], xs[1], attr[0], attr[1]),
    "scatter": lambda xs, attr: scatter(xs[0], attr[0], xs[1:], attr[1]),
    "put": lambda xs, n: put(xs[0], xs[1], n),
}
