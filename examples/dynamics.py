"""Dynamical systems: a function that is applied again and again, first any function, then one that is known.

``dynamics`` (s[t] = f(s[t-1])), ``driven`` (f sees an input too) and ``abstract`` (next state R, output O) leave their
functions open. Such a network is drawn and unfolded like any other; given a definition it runs. Here f becomes the
logistic map 4 s (1 - s): the derivative of the state after T steps by the first one grows like exp(T ln 2), the map's
known exponent (Ott 2002, section 2.1). ``driven`` with the function of a simple recurrent network is ``no_output``.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn


def main() -> dict[str, float]:
    """Unfold, define, run; the figures."""
    for cell, signal in ((rnn.dynamics, "s"), (rnn.driven, "s"), (rnn.abstract, "y")):
        net = cell(**cell.small())
        print(f"{cell.name:9} {graph.text(graph.unfold(net, 3), of=f'{signal}[3]')}")

    steps, starts = 60, np.random.default_rng(0).random(5000)
    logistic = rnn.dynamics.given("f(s) = 4 * s * (1 - s);  L = sum(s[T])")(s=len(starts))
    program = compiler.compile(logistic, wrt=["s_0"], target="interpret", dtype="float64")
    slope = program({"s_0": starts}, lengths=[steps]).grad["s_0"]
    exponent = float(np.log(np.abs(slope)).mean() / steps)
    print(f"the logistic map: two starts part by a factor exp({exponent:.4f}) a step; ln 2 = {np.log(2):.4f}")

    simple = rnn.driven.given("f(s, x) = tanh(b + W @ s + U @ x)")(x=3, s=4)
    weights = {n: np.random.default_rng(0).normal(size=shape) for n, shape in simple.params.items()}
    x = np.random.default_rng(1).normal(size=(6, 2, 3))
    weights["s_0"] = np.zeros(4)
    states = graph.evaluate(simple, weights, x=x)["s"]
    del weights["s_0"]
    away = float(np.abs(states - graph.evaluate(rnn.no_output(x=3, h=4), weights, x=x)["h"]).max())
    print(f"driven with tanh(b + W @ s + U @ x) and no_output differ by {away}")
    return {"exponent": exponent, "away": away}


if __name__ == "__main__":
    main()
