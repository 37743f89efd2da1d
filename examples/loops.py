"""What is left in the loop over time: matrix products are what a step costs, and some cells have none there.

The compiler takes out of the loop what does not need the step before. Of ``lstm`` one product stays, W @ h[t-1] for all
four gates at once. ``gru`` resets the state before the product and needs two, one after the other; ``gru_cudnn`` resets
after it, and one is enough. ``mut3`` has three matrices that see different vectors. The states of ``diagonal``, ``sru``
and ``mingru`` meet vectors only: no product is left, going up as going down for the gradient. What ``bptt explain sru``
prints says the same, stage by stage.
"""

from __future__ import annotations

from bptt import compiler, rnn
from bptt.compiler.loop import Product

SIZES = {"x": 64, "h": 64, "o": 10}


def main() -> dict[str, float]:
    """Products in the loop forward and backward, of each cell."""
    figures = {}
    print(f"{'':10} products in a step  forward  backward")
    for name in ("lstm", "gru", "gru_cudnn", "mut3", "diagonal", "sru", "mingru"):
        program = compiler.compile(getattr(rnn, name)(**SIZES), target="interpret")
        for way, order in (("forward", "up"), ("backward", "down")):
            stages = [rows for rows in program.loops.rows() if rows.axis == "t" and rows.order == order]
            count = sum(isinstance(part, Product) for rows in stages for part in rows.body)
            figures[f"{name}, {way}"] = float(count)
        print(f"{name:10} {figures[f'{name}, forward']:26.0f}  {figures[f'{name}, backward']:8.0f}")
    return figures


if __name__ == "__main__":
    main()
