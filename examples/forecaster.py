"""A forecaster beside persistence: the next value of a series, and then what comes of forecasts of forecasts.

The series is a sum of two waves, of 12 and of 31 steps, and some noise. Persistence says that the next value is this
one; ``forecaster`` has to do better on the part of the series that it was not trained on. Then it runs free: its
forecast is what it reads next, for 40 steps, beside the best constant forecast, the mean.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import optim

NOISE, FREE = 0.05, 40


def main() -> dict[str, float]:
    """Train, forecast; root mean squared errors."""
    steps = np.arange(1400)
    waves = np.sin(2 * np.pi * steps / 12) + 0.5 * np.sin(2 * np.pi * steps / 31)
    series = waves + NOISE * np.random.default_rng(0).normal(size=len(steps))
    learnt = series[:1000]
    windows = np.stack([learnt[k : k + 49] for k in range(0, 950, 40)], axis=1)[..., None]
    net = rnn.forecaster(x=1, h=16, o=1)
    given = {"x": windows[:-1], "y": windows[1:]}
    trainer = rnn.Trainer(net, given, optimiser=optim.Adam(0.02), clip=1.0, target="interpret", dtype="float64")
    for _ in range(110):
        trainer.step()
    x, y = series[1000:-1, None, None], series[1001:, None, None]
    reader = compiler.compile(net, returns=("o",), target="interpret", dtype="float64")
    o = reader(trainer.weights, x=x).value["o"]
    rest = slice(60, None)  # after it has read two waves
    figures = {
        "persistence": float(np.sqrt(np.mean((x - y)[rest] ** 2))),
        "network": float(np.sqrt(np.mean((o - y)[rest] ** 2))),
    }
    print(f"one step ahead: {figures['network']:.3f}, persistence {figures['persistence']:.3f}, noise {NOISE}")
    run = rnn.decode(net, trainer.weights, x=x[:200], length=FREE, target="interpret").values
    assert run is not None
    coming = waves[1200 : 1200 + FREE]
    figures["free"] = float(np.sqrt(np.mean((run[:, 0, 0] - coming) ** 2)))
    figures["mean"] = float(np.sqrt(np.mean((coming - learnt.mean()) ** 2)))
    print(f"{FREE} steps ahead on its own forecasts: {figures['free']:.3f}, the mean {figures['mean']:.3f}")
    for k in range(0, FREE, 2):
        line = [" "] * 41
        line[20 + round(12 * float(coming[k]))], line[20 + round(12 * float(run[k, 0, 0]))] = "·", "●"
        print("".join(line))
    return figures


if __name__ == "__main__":
    main()
