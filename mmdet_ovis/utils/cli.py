"""What the command-line tools share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

TRACEBACK_VARIABLE = 'MMDET_OVIS_TRACEBACK'


def run_tool(main: Callable[[], int | None]) -> None:
    """Run a tool; mistakes of the user end in one line instead of a traceback.

    ``ValueError`` and ``OSError`` (a file that is missing, broken or cannot be
    written, a value that does not fit) are printed as ``error: ...`` and the process
    ends with code 2. Set ``MMDET_OVIS_TRACEBACK=1`` to see where they come from.

    Args:
        main (Callable): The tool; what it returns is the exit code (None is 0).
    """
    try:
        code = main()
    except (ValueError, OSError) as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        message = str(error) or type(error).__name__
        sys.stderr.write(
            f'error: {message}\n({TRACEBACK_VARIABLE}=1 shows the traceback)\n'
        )
        sys.exit(2)
    sys.exit(code or 0)
