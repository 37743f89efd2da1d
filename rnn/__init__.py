"""What people use: networks defined as equations, the cells of the literature, the training run.

The public names are imported when they are first used; the table says which module holds each. Every cell of
``rnn/cells`` is a public name too: ``rnn.lstm(x=64, h=256, o=96)``. ``rnn.bidirectional`` makes a cell of any other;
the one of that name in the table is ``rnn.cells.bidirectional``.
"""

from typing import TYPE_CHECKING

from ..lazy import public

__all__ = public(
    __name__,
    {
        "define": "define Cell",
        "compose": "bidirectional encoder_decoder residual stack",
        "runs.train": "Event fit resume",
        "runs.run": "load Run",
        "runs.settings": "Settings",
        "trainer": "Trainer",
        "regulariser": "norm_preserving",
        "generate": "generate",
        "decode": "decode Decoded Decoder",
        "forcing": "teacher_forced",
        "analysis.diagnose": "Diagnosis Verdict diagnose",
        "analysis.activations": "Activations activations",
        "analysis.alignment": "Alignment alignment",
    },
    others="cells",
)

if TYPE_CHECKING:
    from .analysis.activations import Activations as Activations
    from .analysis.activations import activations as activations
    from .analysis.alignment import Alignment as Alignment
    from .analysis.alignment import alignment as alignment
    from .analysis.diagnose import Diagnosis as Diagnosis
    from .analysis.diagnose import Verdict as Verdict
    from .analysis.diagnose import diagnose as diagnose
    from .compose import bidirectional as bidirectional
    from .compose import encoder_decoder as encoder_decoder
    from .compose import residual as residual
    from .compose import stack as stack
    from .decode import Decoded as Decoded
    from .decode import Decoder as Decoder
    from .decode import decode as decode
    from .define import Cell as Cell
    from .define import define as define
    from .forcing import teacher_forced as teacher_forced
    from .generate import generate as generate
    from .regulariser import norm_preserving as norm_preserving
    from .runs.run import Run as Run
    from .runs.run import load as load
    from .runs.settings import Settings as Settings
    from .runs.train import Event as Event
    from .runs.train import fit as fit
    from .runs.train import resume as resume
    from .trainer import Trainer as Trainer

    def __getattr__(name: str) -> Cell: ...
