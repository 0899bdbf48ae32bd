"""Networks that give the same bytes whenever they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_algorithm() -> Iterator[None]:
    """Within this context, cuDNN computes by one algorithm for a shape.

    Whether it computes at all, and with which precision, stays as it is: ``flags``
    alone would switch it off.

    Examples:
        >>> with one_algorithm():
        ...     torch.backends.cudnn.deterministic
        True
    """
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=False,
        deterministic=True,
        allow_tf32=cudnn.allow_tf32,
    ):
        yield
