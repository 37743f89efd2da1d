"""The names of the language as Python objects: the indices and the functions.

They build terms (``tanh(W @ h[t-1])``), they compute nothing. What each function means stands in
``graph/functions.py``.
"""

from __future__ import annotations

from .language import Term, as_term

t, s, T, S, batch = (Term("name", (), n) for n in ("t", "s", "T", "S", "batch"))
"""The time indices, their last steps, and the batch (in ``over=``)."""


class Function:
    """A function of the language, for the Python form: ``tanh(W @ h[t-1])`` is a term, and nothing is computed.

    Options are keywords: ``softmax(e, over=s)``, ``mean(e, over=(t, batch))``. What each function takes and gives
    stands in the tables of docs/language.md. Arguments that it does not take are a LanguageError of ``rnn.define``.
    """

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, *args: object, **keywords: object) -> Term:
        values = (*args, *keywords.values())
        return Term("call", tuple(map(_argument, values)), (self.name, tuple(keywords)))

    def __repr__(self) -> str:
        return f"<function {self.name} of the language>"


def _argument(value: object) -> Term:
    if isinstance(value, tuple):
        return Term("tuple", tuple(as_term(v) for v in value))
    if isinstance(value, str):
        return Term("text", (), value)
    return as_term(value)


tanh, sigmoid, relu, exp, log = map(Function, ("tanh", "sigmoid", "relu", "exp", "log"))
sin, cos, sqrt, sign, softplus = map(Function, ("sin", "cos", "sqrt", "sign", "softplus"))
step, floor, maximum, minimum, where = map(Function, ("step", "floor", "maximum", "minimum", "where"))
logaddexp, stop_gradient, mean, argmax = map(Function, ("logaddexp", "stop_gradient", "mean", "argmax"))
sum, max, abs = map(Function, ("sum", "max", "abs"))
dot, outer, diag, einsum, transpose = map(Function, ("dot", "outer", "diag", "einsum", "transpose"))
logmatmul, maxmatmul, concat, split = map(Function, ("logmatmul", "maxmatmul", "concat", "split"))
softmax, log_softmax, logsumexp = map(Function, ("softmax", "log_softmax", "logsumexp"))
layer_norm, batch_norm, cumsum = map(Function, ("layer_norm", "batch_norm", "cumsum"))
dropout, zoneout = map(Function, ("dropout", "zoneout"))
onehot, ones, zeros, identity = map(Function, ("onehot", "ones", "zeros", "identity"))
cross_entropy, nll, mse = map(Function, ("cross_entropy", "nll", "mse"))
