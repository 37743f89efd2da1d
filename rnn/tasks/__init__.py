"""What networks are trained for: language models, taggers, classifiers, forecasters."""

from __future__ import annotations

from .base import Bound as Bound
from .base import Main as Main
from .base import Task as Task
from .base import Totals as Totals
from .settings import TASKS as TASKS
from .settings import TaskSettings as TaskSettings
