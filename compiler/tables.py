"""Products with rows of a table become rows of a product: as many products as the table has rows, not one a step.

    q[t] = sigmoid(U @ E[x[t]] + …)     →  E_U = E @ U.T;  q[t] = sigmoid(E_U[x[t]] + …)
    e[t] = E[x[t]];  U @ e[t]           →  the same; whatever else reads e goes on reading it

In the gradient, a step then adds its δ to a row of δE_U, and δU and δE are products with that, once for all steps.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..graph import build
from ..graph.circuit import Circuit
from ..graph.expr import Node, ref, substitute, time_axes, topological

#: by the products of a matrix and a vector: the same of a matrix and each row of a table
_WITH_TABLE = {"ij,j->i": "ij,vj->vi", "ji,j->i": "ji,vj->vi", "i,ij->j": "vi,ij->vj", "i,ji->j": "vi,ji->vj"}


def with_tables(net: Circuit, rows: int, opaque: Collection[str] = ()) -> Circuit:
    """The circuit with products of matrices that are the same for all steps and rows of tables as tables.

    rows    how many a table has at most: see ``Plan.tables``
    opaque  equations that are not looked into, so that the circuit can still be differentiated by them
    """
    work = _Work(net, rows, opaque)
    eqs = dict(net.eqs)
    while replaced := work.replaced(eqs):
        eqs = dict(zip(eqs, substitute(list(eqs.values()), replaced), strict=True))
    return net.with_eqs({**work.tables, **eqs}) if work.tables else net


class _Work:
    """The tables made so far: name -> product."""

    def __init__(self, net: Circuit, rows: int, opaque: Collection[str]) -> None:
        self.net, self.rows, self.opaque = net, rows, opaque
        self.taken = net.names()
        self.tables: dict[str, Node] = {}
        self.names: dict[Node, str] = {}

    def replaced(self, eqs: Mapping[str, Node]) -> dict[Node, Node]:
        """Each product with a row of a table -> a row of the product."""
        found = ((n, self._row(n, eqs)) for n in topological(eqs.values()) if n.op == "contract")
        return {n: row for n, row in found if row is not None}

    def _row(self, product: Node, eqs: Mapping[str, Node]) -> Node | None:
        spec, over = product.attr
        if spec not in _WITH_TABLE or over:
            return None
        vector = spec.index(",") == 1  # whether the vector is the first operand
        row, matrix = self._root(product.args[not vector], eqs), product.args[vector]
        if row.op != "take" or matrix.axes or not time_axes(row):
            return None
        table, *symbols = row.args
        if table.axes or len(table.shape) != 2 or table.shape[0] > self.rows:
            return None
        first, second = (table, matrix) if vector else (matrix, table)
        return build.take(self._table(build.contract(first, second, _WITH_TABLE[spec]), table, matrix), *symbols)

    def _root(self, n: Node, eqs: Mapping[str, Node]) -> Node:
        while n.op == "ref" and n.attr not in self.opaque:
            n = eqs[n.attr]
        return n

    def _table(self, product: Node, table: Node, matrix: Node) -> Node:
        """The equation that holds a product, as what reads it reads it."""
        if product not in self.names:
            name = "_".join(_word(x) for x in (table, matrix))
            while name in self.taken:
                name += "ʹ"
            self.taken.add(name)
            self.names[product], self.tables[name] = name, product
        return ref(self.names[product], product)


def _word(n: Node) -> str:
    """What a matrix is called: of a part of a parameter, or of what is computed from some, the first."""
    named = (x.attr for x in topological([n]) if x.op in ("param", "ref"))
    return re.sub(r"\W", "", str(next(named, "")).partition("[")[0])
