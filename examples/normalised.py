"""Three cells that keep their units in bounds, and what each of them promises.

``normalised`` (layer normalisation, Ba et al. 2016): matrices that are ten times as large change nothing.
``batch_normalised`` (Laurent et al. 2016): an input that is ten times as large changes nothing, as long as the batch
has its own statistics; afterwards the network reads running averages, and a sequence alone gives what it gave among
others. ``zoneout_lstm`` (Krueger et al. 2017): in training units keep old values at random; afterwards each takes the
mean of both, so that no call differs from another.
"""

from __future__ import annotations

import numpy as np
from bptt import compiler, graph, rnn

SIZES = {"x": 3, "h": 6, "o": 2}
OPTIONS = {"loss": None, "returns": ("h",), "target": "interpret", "dtype": "float64"}


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference."""
    return float(np.abs(a - b).max())


def main() -> dict[str, float]:
    """How far apart what should be equal is, and what should not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5, 3))

    def weights(net: graph.Circuit) -> dict[str, np.ndarray]:
        return net.init(seed=1, dtype="float64")

    def states(
        net: graph.Circuit, own: dict[str, np.ndarray], x: np.ndarray, training: bool, seed: int = 0
    ) -> np.ndarray:
        return np.asarray(compiler.compile(net, training=training, **OPTIONS)(own, x=x, seed=seed).value["h"])

    figures = {}
    for name in ("elman", "normalised"):
        net = getattr(rnn, name)(**SIZES)
        own = weights(net)
        large = own | {n: 10 * own[n] for n in "WU"}
        figures[f"{name}, matrices"] = apart(states(net, own, x, True), states(net, large, x, True))
    for name in ("elman", "batch_normalised"):
        net = getattr(rnn, name)(**SIZES)
        own = weights(net)
        figures[f"{name}, input"] = apart(states(net, own, x, True), states(net, own, 10 * x, True))
    alone = states(net, own, x[:, :1], False), states(net, own, x, False)[:, :1]
    figures["batch_normalised, alone"] = apart(*alone)
    net = rnn.zoneout_lstm(**SIZES)
    for training, when in ((True, "in training"), (False, "afterwards")):
        calls = [states(net, weights(net), x, training, seed) for seed in (1, 2)]
        figures[f"zoneout_lstm, {when}"] = apart(*calls)
    for name, value in figures.items():
        print(f"{name:26} {value:.0e} apart")
    return figures


if __name__ == "__main__":
    main()
