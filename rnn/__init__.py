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
        "compose.layers": "bidirectional residual stack",
        "compose.pair": "encoder_decoder",
        "counts": "NGrams",
        "runs.train": "Event fit resume",
        "runs.run": "load Run",
        "runs.settings": "Settings",
        "trainer": "Trainer",
        "regulariser": "norm_preserving",
        "running.generate": "generate",
        "running.decode": "decode Decoded Decoder",
        "running.forcing": "teacher_forced",
        "running.search": "Hypothesis",
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
    from .compose.layers import bidirectional as bidirectional
    from .compose.layers import residual as residual
    from .compose.layers import stack as stack
    from .compose.pair import encoder_decoder as encoder_decoder
    from .counts import NGrams as NGrams
    from .define import Cell as Cell
    from .define import define as define
    from .regulariser import norm_preserving as norm_preserving
    from .running.decode import Decoded as Decoded
    from .running.decode import Decoder as Decoder
    from .running.decode import decode as decode
    from .running.forcing import teacher_forced as teacher_forced
    from .running.generate import generate as generate
    from .running.search import Hypothesis as Hypothesis
    from .runs.run import Run as Run
    from .runs.run import load as load
    from .runs.settings import Settings as Settings
    from .runs.train import Event as Event
    from .runs.train import fit as fit
    from .runs.train import resume as resume
    from .trainer import Trainer as Trainer

    def __getattr__(name: str) -> Cell: ...
