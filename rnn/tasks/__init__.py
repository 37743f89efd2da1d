"""What networks are trained for: language models, taggers, classifiers, forecasters, translators."""

from __future__ import annotations

from .base import Main as Main
from .base import Task as Task
from .bound import Bound as Bound
from .classifier import Classifier as Classifier
from .forecaster import Forecaster as Forecaster
from .language_model import LanguageModel as LanguageModel
from .measures import Totals as Totals
from .settings import TASKS as TASKS
from .settings import TaskSettings as TaskSettings
from .tagger import Tagger as Tagger
from .translator import Translator as Translator
