"""To import first in another process, such as the worker of a cluster: the study is small there, too.

As a script, the command line of such studies; the processes that it starts import it again.
"""

import sys

import pytest
from tiny import shrink

from nbhelpers.__main__ import main

shrink(pytest.MonkeyPatch())

if __name__ == "__main__":
    sys.exit(main())
