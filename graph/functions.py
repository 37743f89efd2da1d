"""The functions of the language: one entry each, with its arguments, the rule of its sizes and its nodes.

Adding a function touches this table (and its test). ``sizes`` says how the shape of a call follows from
those of its arguments, ``nodes`` builds it; most are compositions of the operations in ``graph/ops``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import build as b
from .calls import Call, Function
from .compose import (
    batch_norm,
    diagonal,
    dropout,
    greatest,
    identity_matrix,
    layer_norm,
    log_softmax,
    logsumexp,
    mean,
    semiring_product,
    soft_target,
    softmax,
    squared_error,
    total,
    truth,
    zoneout,
)
from .errors import LanguageError
from .language import Term

if TYPE_CHECKING:
    from .elaborate import Nodes
    from .expr import Node
    from .shapes import Sizes
    from .unify import Shape

LOSSES = frozenset({"cross_entropy", "nll"})
OUT_OF_SCOPE = dict.fromkeys(
    ("conv", "conv1d", "conv2d", "convolve", "correlate", "roll", "shift"),
    "shifts and convolutions over features are not in the language",
) | dict.fromkeys(
    ("inv", "inverse", "pinv", "solve", "det", "cholesky", "eig", "svd"),
    "matrix inverses and decompositions are not in the language",
)
OTHER_NAMES = {
    **dict.fromkeys(("σ", "logistic", "expit", "sig"), "sigmoid(…)"),
    "ln": "log(…)",
    **dict.fromkeys(("sgn", "signum"), "sign(…)"),
    **dict.fromkeys(("heaviside", "Θ"), "step(…)"),
    **dict.fromkeys(("cat", "concatenate", "hstack", "vstack", "stack", "append"), "concat(a, b)"),
    **dict.fromkeys(("one_hot", "onehot_encode"), "onehot(…)"),
    **dict.fromkeys(("matmul", "mm", "mv"), "W @ h[t]"),
    **dict.fromkeys(("mul", "multiply", "hadamard"), "a * b"),
    **dict.fromkeys(("pow", "power"), "a**2"),
    **dict.fromkeys(("square", "sq"), "a**2"),
    "min": "minimum(a, b), or -max(-e) for the least of all features",
    "norm": "sqrt(sum(e**2))",
    "logsoftmax": "log_softmax(…)",
    "layernorm": "layer_norm(…)",
    "batchnorm": "batch_norm(…)",
    "crossentropy": "cross_entropy(scores, target)",
}
"""What functions of the language are called elsewhere -> how they are written here."""


def symbolic_arguments(call: Term) -> list[str]:
    """For each argument of a call whether it is a "number", a "symbol", … (see ``Function.contexts``)."""
    keywords = call.attr[1]
    function = FUNCTIONS.get(call.attr[0])
    contexts = function.contexts if function else {}
    plain = len(call.args) - len(keywords)
    return [contexts.get(i, "number") if i < plain else "option" for i in range(len(call.args))]


FUNCTIONS: dict[str, Function] = {}


def _enter(
    form: str,
    sizes: Callable[[Sizes, Call], Shape],
    nodes: Callable[[Nodes, Call], Node],
    contexts: Mapping[int, str] | None = None,
    pointwise: bool = False,
) -> None:
    """Enter ``name(a, b, option=)`` into the table."""
    name, _, rest = form.rstrip(")").partition("(")
    words = [w.strip() for w in rest.split(",")]
    arguments = tuple(w for w in words if not w.endswith("="))
    options = tuple(w[:-1] for w in words if w.endswith("="))
    FUNCTIONS[name] = Function(name, arguments, options, sizes, nodes, contexts or {}, pointwise)


# ---- rules of sizes that several functions share ----
def _joined(s: Sizes, c: Call) -> Shape:
    return s.pointwise(c.term)


def _scalar(s: Sizes, c: Call) -> Shape:
    for a in c.args:
        s.of(a)
    return s.fixed(())


def _reduced(s: Sizes, c: Call) -> Shape:
    """sum, mean, max: over index axes the shape stays, over=-1 takes the last axis, else all go."""
    shape = s.of(c.args[0])
    if -1 in c.over:
        return s.last(shape, False, c.term)
    return shape if c.over else s.fixed(())


def _kept(s: Sizes, c: Call) -> Shape:
    """softmax and its like: of a vector or matrix; over an index axis of anything."""
    shape = s.of(c.args[0])
    return shape if c.over and c.over != (-1,) else s.last(shape, True, c.term)


def _dropped(s: Sizes, c: Call) -> Shape:
    shape = s.of(c.args[0])
    return shape if c.over and c.over != (-1,) else s.last(shape, False, c.term)


def _same(s: Sizes, c: Call) -> Shape:
    return s.of(c.args[0])


def _scores(s: Sizes, c: Call) -> Shape:
    vector = s.of(c.args[0])
    s.equal(vector, s.fresh(1), c.term)
    if s.is_symbol(c.args[1]):
        s.same_size(s.size_of(vector, 0), s.values(c.args[1]), c.term)
    else:
        s.equal(vector, s.of(c.args[1]), c.term)
    return s.fixed(())


def _pair(s: Sizes, c: Call) -> Shape:
    s.equal(s.of(c.args[0]), s.of(c.args[1]), c.term)
    return s.fixed(())


def _two_vectors(s: Sizes, c: Call) -> Shape:
    for a in c.args:
        s.equal(s.of(a), s.fresh(1), c.term)
    s.equal(s.of(c.args[0]), s.of(c.args[1]), c.term)
    return s.fixed(())


def _outer(s: Sizes, c: Call) -> Shape:
    rows, columns = (s.vector(a, c.term) for a in c.args)
    return s.joined([s.size_of(rows, 0), s.size_of(columns, 0)])


def _diag(s: Sizes, c: Call) -> Shape:
    v = s.vector(c.args[0], c.term)
    return s.joined([s.size_of(v, 0)] * 2)


def _transposed(s: Sizes, c: Call) -> Shape:
    return s.transposed(c.args[0], c.term)


def _made(s: Sizes, c: Call) -> Shape:
    """ones(3), zeros(3, 4): numbers are sizes; ones(e) has the shape of e."""
    if all(a.head == "number" for a in c.args):
        return s.fixed(tuple(_whole(c, i) for i in range(len(c.args))))
    return s.of(c.args[0])


def _whole(c: Call, i: int) -> int:
    n = c.number(i)
    if not isinstance(n, int) or n < 1:
        raise LanguageError(f"{c.term}: a size is an integer of at least 1", c.args[i].where, got=str(n))
    return n


def _concatenated(s: Sizes, c: Call) -> Shape:
    parts = [s.vector(a, c.term) for a in c.args]
    return s.concatenated([s.size_of(p, 0) for p in parts], c.term)


def _einsum_letters(c: Call) -> tuple[str, str, str]:
    spec = c.args[0].attr if c.args[0].head == "text" else None
    parts = spec.replace(" ", "").replace("->", ",").split(",") if isinstance(spec, str) else []
    letters_fit = all(p.isalpha() or not p for p in parts) and all(len(set(p)) == len(p) for p in parts)
    if (
        len(parts) != 3
        or not letters_fit
        or not set(parts[2]) <= set(parts[0] + parts[1])
        or "->" not in str(spec)
    ):
        raise LanguageError(
            f"{c.term}: a product of two operands is needed",
            c.args[0].where,
            expected='einsum("ij,j->i", a, b), one letter an axis, each letter once in an operand',
            got=str(c.args[0])[:60],
            mend="write @, dot or outer where they say it; products of more operands one after the other",
        )
    return parts[0], parts[1], parts[2]


def _einsum(s: Sizes, c: Call) -> Shape:
    a, x, out = _einsum_letters(c)
    left, right = s.of(c.args[1]), s.of(c.args[2])
    s.equal(left, s.fresh(len(a)), c.term)
    s.equal(right, s.fresh(len(x)), c.term)
    size = {letter: s.size_of(right, i) for i, letter in enumerate(x)}
    for i, letter in enumerate(a):
        if letter in size:
            s.same_size(s.size_of(left, i), size[letter], c.term)
        size[letter] = s.size_of(left, i)
    return s.joined([size[letter] for letter in out])


def _semiring(s: Sizes, c: Call) -> Shape:
    return s.product(c.args[0], c.args[1], c.term)


def _chosen(s: Sizes, c: Call) -> Shape:
    return s.last(s.of(c.args[0]), False, c.term)


def _split_alone(s: Sizes, c: Call) -> Shape:
    raise LanguageError(
        f"{c.term} cuts a vector and stands alone",
        c.term.where,
        expected="i[t], f[t] = split(e[t], 2)",
        mend="as many names on the left as parts",
    )


def _batch_norm(n: Nodes, c: Call) -> Node:
    x = b.number(n.of(c.args[0]))
    over = [a for a in c.over if isinstance(a, str)] or list(x.axes)
    if "b" not in x.axes or "b" not in over or not set(over) <= set(x.axes) or -1 in c.over:
        varies = ", ".join("batch" if a == "b" else a for a in x.axes) or "no index"
        raise LanguageError(
            f"{c.term}: statistics are those of a batch",
            c.term.where,
            expected="what varies over the batch, and over=batch or over=(t, batch)",
            got=f"{c.args[0]}, which varies over {varies}",
            mend="layer_norm(e) is over the features of one step",
        )
    return batch_norm(x, over, n.running_statistics(x.shape))


def _unary(name: str) -> Callable[[Nodes, Call], Node]:
    return lambda n, c: b.unary(name, n.of(c.args[0]))


for _name in [
    "tanh",
    "sigmoid",
    "relu",
    "exp",
    "log",
    "sin",
    "cos",
    "sqrt",
    "abs",
    "sign",
    "softplus",
    "step",
    "floor",
]:
    _enter(f"{_name}(e)", _joined, _unary(_name), pointwise=True)
_enter("maximum(a, b)", _joined, lambda n, c: b.maximum(*n.each(c)), pointwise=True)
_enter("minimum(a, b)", _joined, lambda n, c: b.minimum(*n.each(c)), pointwise=True)
_enter("logaddexp(a, b)", _joined, lambda n, c: b.logaddexp(*n.each(c)), pointwise=True)
_enter(
    "where(condition, a, b)",
    _joined,
    lambda n, c: b.where(truth(n.of(c.args[0])), *n.branches(c)),
    pointwise=True,
)
_enter("stop_gradient(e)", _joined, lambda n, c: b.stop_gradient(n.of(c.args[0])), pointwise=True)
_enter("sum(e, over=)", _reduced, lambda n, c: total(n.of(c.args[0]), c.over))
_enter("mean(e, over=)", _reduced, lambda n, c: mean(n.of(c.args[0]), c.over))
_enter("max(e, over=)", _reduced, lambda n, c: greatest(n.of(c.args[0]), c.over))
_enter("argmax(e)", _chosen, lambda n, c: b.argmax(n.of(c.args[0])))
_enter("softmax(e, over=)", _kept, lambda n, c: softmax(n.of(c.args[0]), c.over))
_enter("log_softmax(e, over=)", _kept, lambda n, c: log_softmax(n.of(c.args[0]), c.over))
_enter("logsumexp(e, over=)", _dropped, lambda n, c: logsumexp(n.of(c.args[0]), c.over))
_enter("layer_norm(e)", _kept, lambda n, c: layer_norm(n.of(c.args[0])))
_enter("batch_norm(e, over=)", _same, lambda n, c: _batch_norm(n, c))
_enter("cumsum(e)", _kept, lambda n, c: b.cumsum(n.of(c.args[0])))
_enter("dot(a, b)", _two_vectors, lambda n, c: b.dot(*n.each(c)))
_enter("outer(a, b)", _outer, lambda n, c: b.outer(*n.each(c)))
_enter("diag(v)", _diag, lambda n, c: diagonal(n.of(c.args[0])))
_enter("transpose(M)", _transposed, lambda n, c: b.transpose(n.of(c.args[0])))
_enter("einsum(form, a, b)", _einsum,
       lambda n, c: b.contract(n.of(c.args[1]), n.of(c.args[2]), "{},{}->{}".format(*_einsum_letters(c))),
       {0: "option"})  # fmt: skip
_enter(
    "logmatmul(A, v)", _semiring, lambda n, c: semiring_product(n.of(c.args[0]), n.of(c.args[1]), b.logsumexp)
)
_enter(
    "maxmatmul(A, v)", _semiring, lambda n, c: semiring_product(n.of(c.args[0]), n.of(c.args[1]), b.max_last)
)
_enter("concat(*parts)", _concatenated, lambda n, c: b.concat(*n.each(c)))
_enter("split(e, n)", _split_alone, lambda n, c: n.of(c.args[0]), {1: "option"})
_enter(
    "dropout(e, p, over=)",
    _same,
    lambda n, c: dropout(n, n.of(c.args[0]), c.fraction(1), c.over),
    {1: "option"},
)
_enter("zoneout(new, old, p)", lambda s, c: s.pointwise_of(c.args[:2], c.term),
       lambda n, c: zoneout(n, n.of(c.args[0]), n.of(c.args[1]), c.fraction(2)), {2: "option"})  # fmt: skip
_enter("onehot(symbol)", lambda s, c: s.joined([s.values(c.args[0])]),
       lambda n, c: b.onehot(n.symbol(c.args[0]), n.number_of_values(c.args[0])), {0: "symbol"})  # fmt: skip
_enter("ones(*sizes)", _made, lambda n, c: b.like(1.0, (), n.shape(c.term)))
_enter("zeros(*sizes)", _made, lambda n, c: b.like(0.0, (), n.shape(c.term)))
_enter(
    "identity(n)",
    lambda s, c: s.fixed((_whole(c, 0),) * 2),
    lambda n, c: identity_matrix(_whole(c, 0)),
    {0: "option"},
)
_enter("cross_entropy(scores, target)", _scores,
       lambda n, c: b.cross_entropy(n.of(c.args[0]), n.symbol(c.args[1])) if n.is_symbol(c.args[1])
       else soft_target(log_softmax(n.of(c.args[0]), ()), n.of(c.args[1])), {1: "target"})  # fmt: skip
_enter("nll(p, target)", _scores,
       lambda n, c: b.nll(n.of(c.args[0]), n.symbol(c.args[1])) if n.is_symbol(c.args[1])
       else soft_target(b.unary("log", n.of(c.args[0])), n.of(c.args[1])), {1: "target"})  # fmt: skip
_enter("mse(a, b)", _pair, lambda n, c: squared_error(*n.each(c)))

# what only printed adjoints need enters its functions here
from . import printed  # noqa: E402, F401
