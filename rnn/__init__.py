"""What people use: networks defined as equations, the cells of the literature, the training run.

The public names are imported when they are first used; the table says which module holds each. Every cell of
``rnn/cells.py`` is a public name too: ``rnn.lstm(x=64, h=256, o=96)``.
"""

from typing import TYPE_CHECKING

from ..lazy import public

__all__ = public(
    __name__,
    {
        "define": "define Cell",
        "train": "fit",
        "checkpoint": "load",
        "generate": "generate",
    },
    others="cells",
)

if TYPE_CHECKING:
    from .checkpoint import load as load
    from .define import Cell as Cell
    from .define import define as define
    from .generate import generate as generate
    from .train import fit as fit

    def __getattr__(name: str) -> Cell: ...
