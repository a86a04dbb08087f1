"""To import first in another process, such as the worker of a cluster: the study is small there, too."""

import pytest
import torch
from tiny import shrink

torch.set_num_threads(1)  # sums of one thread and of two differ in their last bits
shrink(pytest.MonkeyPatch())
