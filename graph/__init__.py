"""What a network means: equations as a graph, its derivative, its unfolding, its value, its pictures.

The public names are imported when they are first used; the table says which module holds each. The names of
the language (``tanh``, ``sum``, the index ``t``) build terms, see ``Equations``.
"""

from typing import TYPE_CHECKING

from ..lazy import public

__all__ = public(
    __name__,
    {
        "expr": "Node",
        "errors": "CircuitError LanguageError",
        "circuit": "Circuit",
        "grad": "grad",
        "jvp": "jvp",
        "unfold": "unfold",
        "evaluate": "evaluate",
        "simplify": "simplify",
        "show": "text",
        "latex": "latex",
        "draw": "draw_circuit draw_unrolled",
        "language": "Equations",
        "names": """
            t s T S batch tanh sigmoid relu exp log sin cos sqrt abs sign softplus step floor maximum
            minimum where logaddexp stop_gradient sum mean max argmax dot outer diag einsum transpose
            logmatmul maxmatmul concat split softmax log_softmax logsumexp layer_norm batch_norm cumsum
            dropout zoneout onehot ones zeros identity cross_entropy nll mse
        """,
    },
)

if TYPE_CHECKING:
    from .circuit import Circuit as Circuit
    from .draw import draw_circuit as draw_circuit
    from .draw import draw_unrolled as draw_unrolled
    from .errors import CircuitError as CircuitError
    from .errors import LanguageError as LanguageError
    from .evaluate import evaluate as evaluate
    from .expr import Node as Node
    from .grad import grad as grad
    from .jvp import jvp as jvp
    from .language import Equations as Equations
    from .latex import latex as latex
    from .names import *  # noqa: F403
    from .show import text as text
    from .simplify import simplify as simplify
    from .unfold import unfold as unfold
