"""How a network is run fast: circuit and adjoint become a loop program, and that becomes a kernel.

The public names are imported when they are first used; the table says which module holds each.
"""

from typing import TYPE_CHECKING

from ..lazy import public

__all__ = public(
    __name__,
    {
        "compile": "compile",
        "program": "Program",
        "plan": "Plan",
    },
)

if TYPE_CHECKING:
    from .compile import compile as compile  # noqa: A004 the field's name for it
    from .plan import Plan as Plan
    from .program import Program as Program
