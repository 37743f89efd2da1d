"""Optimisers, clipping of gradients, and schedules of the learning rate."""

from .algorithms import OPTIMISERS as OPTIMISERS
from .algorithms import SGD as SGD
from .algorithms import Adam as Adam
from .algorithms import AdamW as AdamW
from .algorithms import RMSProp as RMSProp
from .algorithms import make as make
from .algorithms import numbers_of as numbers_of
from .base import Array as Array
from .base import Arrays as Arrays
from .base import Optimiser as Optimiser
from .base import OptimiserError as OptimiserError
from .base import Undecayed as Undecayed
from .base import is_vector as is_vector
from .base import tables as tables
from .clipping import clip as clip
from .clipping import clip_values as clip_values
from .clipping import global_norm as global_norm
