"""Parameters of released checkpoints under the names of this project's models.

What is known of a kind of checkpoint is a :class:`Layout`. Here stand those of GGN and
OLN, in :mod:`.benchmark_layouts` those of OVR-CNN and CMPL.

The originals of GGN and OLN are forks of mmdet 2.8. Their R-CNNs keep their names, and
their outputs the order (background is the last class, boxes are encoded by centre and
size): the last change of that kind was in mmdet 2.5, for which mmdet ships a converter,
and mmdet 3.x still publishes weights that were trained with 2.x. The affinity network
has never been part of mmdet; it gets the names of ``PairwiseAffinityPredictor``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import torch

from .checkpoint import CheckpointError

_SHOWN_KEYS = 5
State = dict[str, Any]


def _as_it_is(state: State, source: str) -> State:
    return state


@dataclass(frozen=True)
class Layout:
    """How the parameters of one kind of model are called.

    Attributes:
        name (str): The kind.
        mark (str): A parameter that tells it from the others.
        rules (tuple[tuple[str, str], ...]): Start of a name as a regular expression,
            and what stands in its place; ``{norm}`` is what mmcv calls a normalisation
            layer, ``bn`` or ``gn``.
        configs (dict[str, str]): Config that a released model of this kind fits, by
            ``bn`` or ``gn``, below ``configs/``.
        sizes (tuple[tuple[str, str], ...]): A parameter by its new name, and the
            setting of a config that has to be its number of rows.
        dropped (tuple[str, ...]): Starts of names, as regular expressions, of what is
            left out.
        finish (Callable): Changes values of the renamed parameters; takes them and
            where they come from, and raises ``CheckpointError``.
    """

    name: str
    mark: str
    rules: tuple[tuple[str, str], ...]
    configs: dict[str, str] = field(default_factory=dict)
    sizes: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    finish: Callable[[State, str], State] = _as_it_is


@dataclass(frozen=True)
class Conversion:
    """A converted state dict.

    Attributes:
        layout (Layout): What the input was.
        norm (str): ``'bn'`` or ``'gn'``.
        state_dict (dict): Parameters by their new names.
    """

    layout: Layout
    norm: str
    state_dict: dict

    @property
    def config(self) -> PurePath | None:
        """Config that a released model of this kind fits, below ``configs/``."""
        name = self.layout.configs.get(self.norm)
        return None if name is None else PurePath(name)


_SIZES = (('affinity_head.predictor.weight', 'model.affinity_head.num_affinity'),)
_HEAD = r'classifier\.'
_BACKBONE = (r'backbone\.', 'backbone.')
_POOLING = 'affinity_head.pyramid_pooling'
_R_CNN = (
    _BACKBONE,
    (r'neck\.', 'neck.'),
    (r'rpn_head\.rpn_(conv|cls|reg)\.', r'rpn_head.rpn_\1.'),
    (
        r'roi_head\.bbox_head\.(shared_(?:conv|fc)s|fc_cls|fc_reg)\.',
        r'roi_head.bbox_head.\1.',
    ),
)
_MASK_HEAD = (r'roi_head\.mask_head\.', 'roi_head.mask_head.')
LAYOUTS = (
    Layout(
        'pairwise affinity network of GGN',
        'classifier.ppm_conv.0.0.weight',
        (
            _BACKBONE,
            (_HEAD + r'ppm_conv\.(\d+)\.0\.', _POOLING + r'.branches.\1.conv.'),
            (_HEAD + r'ppm_conv\.(\d+)\.1\.', _POOLING + r'.branches.\1.{norm}.'),
            (_HEAD + r'ppm_last_conv\.0\.', _POOLING + '.fusion.conv.'),
            (_HEAD + r'ppm_last_conv\.1\.', _POOLING + '.fusion.{norm}.'),
            (_HEAD + r'fpn_in\.(\d+)\.0\.', r'affinity_head.lateral_convs.\1.conv.'),
            (_HEAD + r'fpn_in\.(\d+)\.1\.', r'affinity_head.lateral_convs.\1.{norm}.'),
            (_HEAD + r'fpn_out\.(\d+)\.0\.0\.', r'affinity_head.output_convs.\1.conv.'),
            (
                _HEAD + r'fpn_out\.(\d+)\.0\.1\.',
                r'affinity_head.output_convs.\1.{norm}.',
            ),
            (_HEAD + r'conv_last\.0\.0\.', 'affinity_head.fusion.conv.'),
            (_HEAD + r'conv_last\.0\.1\.', 'affinity_head.fusion.{norm}.'),
            (_HEAD + r'conv_last\.1\.', 'affinity_head.predictor.'),
        ),
        {
            'bn': 'pairwise_affinity/pa_extract_released.py',
            'gn': 'pairwise_affinity/pa_extract_released_gn.py',
        },
        _SIZES,
    ),
    Layout(
        'pairwise affinity network of GGN with the simple head',
        'classifier.4.weight',
        (
            _BACKBONE,
            (_HEAD + r'0\.', 'affinity_head.hidden.conv.'),
            (_HEAD + r'1\.', 'affinity_head.hidden.{norm}.'),
            (_HEAD + r'4\.', 'affinity_head.predictor.'),
        ),
        {'bn': 'pairwise_affinity/pa_train_simple-head.py'},
        _SIZES,
    ),
    Layout(
        'OLN-Box',
        'rpn_head.rpn_obj.weight',
        (
            *_R_CNN,
            (r'rpn_head\.rpn_obj\.', 'rpn_head.rpn_obj.'),
            (
                r'roi_head\.bbox_head\.fc_bbox_score\.',
                'roi_head.bbox_head.fc_bbox_score.',
            ),
        ),
        {'bn': 'oln/oln_box.py'},
    ),
    Layout(
        'Mask R-CNN',
        'roi_head.mask_head.conv_logits.weight',
        (*_R_CNN, _MASK_HEAD),
        {
            'bn': 'mask_rcnn/class_agn_mask_rcnn.py',
            'gn': 'mask_rcnn/class_agn_mask_rcnn_gn.py',
        },
    ),
    Layout(
        'Faster R-CNN',
        'roi_head.bbox_head.fc_cls.weight',
        _R_CNN,
        {'bn': 'oln/class_agn_faster_rcnn.py'},
    ),
)
"""What of GGN and OLN can be converted; of several that fit, the first."""


def convert_state_dict(
    state: Mapping[str, Any], source: str, layouts: Sequence[Layout] = LAYOUTS
) -> Conversion:
    """Rename the parameters of a released checkpoint.

    Args:
        state (Mapping): Parameters by their old names.
        source (str): Where they come from, for messages.
        layouts (Sequence[Layout]): What it may be.

    Returns:
        Conversion: The parameters by their new names, and what they are.

    Raises:
        CheckpointError: If they are of none of the layouts, some do not belong to
            theirs, or two with different values would get one name; the message names
            them.

    Examples:
        >>> state = {'classifier.0.weight': 1, 'classifier.4.weight': 2}
        >>> list(convert_state_dict(state, 'pa.pth').state_dict)
        ['affinity_head.hidden.conv.weight', 'affinity_head.predictor.weight']
    """
    layout = next((layout for layout in layouts if layout.mark in state), None)
    if layout is None:
        known = ', '.join(layout.name for layout in layouts)
        heads = [key for key in state if not key.startswith('backbone.')]
        raise CheckpointError(
            f'{source} is none of: {known}. Its parameters are {_some(heads or state)}'
        )
    norm = 'bn' if any(key.endswith('.running_mean') for key in state) else 'gn'
    kept = [k for k in state if not any(re.match(start, k) for start in layout.dropped)]
    renamed = {key: _rename(key, layout, norm) for key in kept}
    unknown = [key for key, name in renamed.items() if name is None]
    if unknown:
        raise CheckpointError(
            f'{source} looks like a {layout.name}, but has parameters that such a '
            f'model does not have: {_some(unknown)}'
        )
    converted: State = {}
    for key, name in renamed.items():
        if name in converted and not torch.equal(converted[name], state[key]):
            first = next(k for k in kept if renamed[k] == name)
            raise CheckpointError(
                f'{source}: {first} and {key} both become {name}, but differ; a model '
                'whose heads do not share their layers cannot be converted'
            )
        converted[name] = state[key]
    return Conversion(layout, norm, layout.finish(converted, source))


def _rename(key: str, layout: Layout, norm: str) -> str | None:
    for start, replacement in layout.rules:
        match = re.match(start, key)
        if match:
            return match.expand(replacement.format(norm=norm)) + key[match.end() :]
    return None


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f' and {len(keys) - _SHOWN_KEYS} more' if len(keys) > _SHOWN_KEYS else ''
    return ', '.join(keys[:_SHOWN_KEYS]) + more
