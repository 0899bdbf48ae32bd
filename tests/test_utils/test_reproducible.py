"""One algorithm for a shape, and nothing else about cuDNN changes."""

from __future__ import annotations

import pytest
import torch

from mmdet_ovis.utils.reproducible import one_algorithm

FLAGS = ('enabled', 'benchmark', 'deterministic', 'allow_tf32')


def flags():
    return {name: getattr(torch.backends.cudnn, name) for name in FLAGS}


@pytest.mark.parametrize('enabled', [True, False])
@pytest.mark.parametrize('allow_tf32', [True, False])
def test_cudnn_stays_what_it_is_but_for_its_choice(enabled, allow_tf32):
    with torch.backends.cudnn.flags(enabled, benchmark=True, allow_tf32=allow_tf32):
        before = flags()
        with one_algorithm():
            inside = flags()
        assert flags() == before
    assert inside == dict(
        enabled=enabled, benchmark=False, deterministic=True, allow_tf32=allow_tf32
    )


def test_nothing_else_sets_the_flags_of_cudnn(root):
    """What ``flags`` is not told, it changes."""
    users = {
        path.name
        for path in (root / 'mmdet_ovis').rglob('*.py')
        if 'cudnn.flags' in path.read_text(encoding='utf-8')
    }
    assert users == {'reproducible.py'}
