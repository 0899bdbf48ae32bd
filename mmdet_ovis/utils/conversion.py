"""Values as other libraries want them: NumPy for tensors, JSON for configs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict


def to_numpy(values: torch.Tensor | np.ndarray) -> np.ndarray:
    """Bring values to the CPU, as an array; half precision becomes float32.

    Examples:
        >>> to_numpy(torch.ones(2, dtype=torch.bfloat16, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach()
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    return values.cpu().numpy()


def to_json(cfg: Mapping[str, Any]) -> Any:
    """Make a config what JSON makes of it, so that it compares equal with a file.

    Examples:
        >>> to_json(ConfigDict(scale=(1, 2), type=int))
        {'scale': [1, 2], 'type': "<class 'int'>"}
    """
    plain = cfg.to_dict() if isinstance(cfg, ConfigDict) else cfg
    return json.loads(json.dumps(plain, default=repr))
