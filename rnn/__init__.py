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
        "train": "Event fit resume",
        "run": "load Run",
        "settings": "Settings",
        "trainer": "Trainer",
        "generate": "generate",
        "diagnose": "Diagnosis Verdict diagnose",
        "activations": "Activations activations",
    },
    others="cells",
)

if TYPE_CHECKING:
    from .activations import Activations as Activations
    from .activations import activations as activations
    from .define import Cell as Cell
    from .define import define as define
    from .diagnose import Diagnosis as Diagnosis
    from .diagnose import Verdict as Verdict
    from .diagnose import diagnose as diagnose
    from .generate import generate as generate
    from .run import Run as Run
    from .run import load as load
    from .settings import Settings as Settings
    from .train import Event as Event
    from .train import fit as fit
    from .train import resume as resume
    from .trainer import Trainer as Trainer

    def __getattr__(name: str) -> Cell: ...
