"""The catalogue keeps its conventions, its look-alikes differ, and its refusals are true."""

import ast
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tests import lifting
from timelift import inner, registry
from timelift.case import Gradients, Lengths, Mode, Phase, Setting, TimeAxis

ROOT = Path(__file__).parent.parent
STRATEGIES = registry.strategies(ROOT / "strategies")
WORKLOADS = registry.workloads(ROOT / "workloads")
FILES = sorted(ROOT.glob("strategies/*.py"))
ALLOWED_IMPORTS = {"importlib", "itertools", "keras", "tensorflow", "tf_keras"}
MOST_LINES_OF_CODE = 46
"""


pytestmark = pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
"""
