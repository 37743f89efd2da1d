"""Loop programs written by hand: what the passes produce, small enough to read."""

from .calls import given as given
from .calls import public as public
from .networks import attention as attention
from .networks import chunked as chunked
from .networks import elman as elman
from .operations import pointwise as pointwise
from .operations import row_ops as row_ops
from .operations import unbatched as unbatched
from .pieces import TB as TB
from .pieces import TSB as TSB
from .pieces import call as call
from .pieces import n as n
from .pieces import program as program
from .pieces import v as v
from .pieces import value as value
from .pieces import whole as whole
