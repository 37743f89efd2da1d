"""A system that is driven by an input: what it is, from what it answers.

A pendulum with friction is pushed at random, and only its position is seen. ``driven`` says that a state follows from
the state before and the input, by some function; here that function becomes linear, s[t] = A s[t-1] + B x[t], with a
position C s[t]. Trained on the positions, it is another state, but the same pendulum: the eigenvalues of A give the
period and the friction. Pushed at its period it swings far, pushed faster or slower it hardly moves.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

PERIOD, KEPT = 15.0, 0.97
"""Steps of a swing, and the share of it that a step leaves."""


def pendulum(x: np.ndarray) -> np.ndarray:
    """Positions [T, B, 1] of one that is pushed by x [T, B, 1]."""
    turn = 2 * np.pi / PERIOD
    A = KEPT * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    s, found = np.zeros((x.shape[1], 2)), []
    for now in x:
        s = s @ A.T + now * np.array([0.0, 1.0])
        found.append(s[:, :1])
    return np.array(found)


def main() -> dict[str, float]:
    """Fit, read off the pendulum, push it."""
    x = np.random.default_rng(0).normal(size=(40, 16, 1))
    fit = "f(s, x) = A @ s + B @ x;  q[t] = C @ s[t];  L = mean(mse(q[t], y[t]), over=t)"
    net = rnn.driven.given(fit, init={"s_0": 0.0, "A": "identity"})(x=1, s=2, q=1)
    options = {"target": "interpret", "dtype": "float64"}
    trainer = rnn.Trainer(net, {"x": x, "y": pendulum(x)}, optimiser=optim.Adam(0.03), clip=1.0, **options)
    for _ in range(300):
        step = trainer.step()
    value = np.linalg.eigvals(trainer.weights["A"])[0]
    figures = {"loss": step.loss, "period": float(2 * np.pi / abs(np.angle(value))), "kept": float(abs(value))}
    print(f"squared error {step.loss:.1e}; period {figures['period']:.2f} steps, {figures['kept']:.3f} kept a step")
    print(f"               the pendulum's {PERIOD:.2f}                {KEPT:.3f}")
    reader = compiler.compile(net, returns=("q",), **options)
    for period in (6, 10, 15, 22, 40):
        push = np.sin(2 * np.pi * np.arange(200) / period).reshape(-1, 1, 1)
        swing = float(np.abs(reader(trainer.weights, x=push).value["q"][100:]).max())
        figures[f"pushed every {period}"] = swing
        print(f"pushed every {period:2} steps it swings by {swing:5.1f} {'■' * round(2 * swing)}")
    return figures


if __name__ == "__main__":
    main()
