"""Checkpoints of OVR-CNN and of XPM/CMPL, which stand on maskrcnn-benchmark.

OVR-CNN (A. Zareian et al., CVPR 2021) releases the trunk that CMPL (D. Huynh et al.,
CVPR 2022) starts from; CMPL has a teacher, a Mask R-CNN with the C4 trunk, and a
student, which shares the teacher's trunk and RPN and holds the teacher's heads as well.

Beyond names there are four differences to mmdet. Class-agnostic heads have outputs for
the background too, which never mean anything; frozen batch normalisation has no epsilon
and counts no batches; both heads list the ``res5`` that they share.
"""

from __future__ import annotations

import torch

from .checkpoint import CheckpointError
from .checkpoint_conversion import Layout, State

_BN_EPS = 1e-5  # what mmdet's normalisation adds to the variance
_FC_REG, _LOGITS = 'bbox_head.fc_reg.', 'mask_head.conv_logits.'

_Rules = tuple[tuple[str, str], ...]


def _backbone(prefix: str = '') -> _Rules:
    return (
        (r'backbone\.body\.stem\.(conv1|bn1)\.', prefix + r'backbone.\1.'),
        (r'backbone\.body\.layer([123])\.', prefix + r'backbone.layer\1.'),
    )


def _rpn(prefix: str = '') -> _Rules:
    return (
        (r'rpn\.head\.conv\.', prefix + 'rpn_head.rpn_conv.'),
        (r'rpn\.head\.cls_logits\.', prefix + 'rpn_head.rpn_cls.'),
        (r'rpn\.head\.bbox_pred\.', prefix + 'rpn_head.rpn_reg.'),
    )


def _roi_heads(heads: str = 'roi_heads', prefix: str = '') -> _Rules:
    box, mask = rf'{heads}\.box\.predictor\.', rf'{heads}\.mask\.predictor\.'
    target = f'{prefix}roi_head.'
    return (
        (
            rf'{heads}\.(?:box|mask)\.feature_extractor\.head\.layer4\.',
            f'{target}shared_head.layer4.',
        ),
        (rf'{box}emb_pred\.', f'{target}bbox_head.fc_emb.'),
        (rf'{box}bbox_pred\.', f'{target}{_FC_REG}'),
        (rf'{mask}conv5_mask\.', f'{target}mask_head.upsample.'),
        (rf'{mask}mask_fcn_logits\.', f'{target}{_LOGITS}'),
    )


def _noise(heads: str = 'roi_heads', prefix: str = '') -> _Rules:
    """Name the pixel noise, which CMPL gives the heads of student and teacher."""
    mask = rf'{heads}\.mask\.predictor\.'
    return ((rf'{mask}uncertain_pred\.', f'{prefix}roi_head.mask_head.conv_noise.'),)


def _finish(state: State, source: str) -> State:
    """Change values as described above; see ``Layout``."""
    finished: State = {}
    for name, value in state.items():
        if _FC_REG in name:
            value = _last_half(value, 8, name, source)
        elif _LOGITS in name:
            value = _last_half(value, 2, name, source)
        elif name.endswith('.running_var'):
            value = (value - _BN_EPS).clamp(min=0)
        finished[name] = value
        if name.endswith('.running_var'):
            counter = name.replace('running_var', 'num_batches_tracked')
            finished[counter] = torch.tensor(0)
    return finished


def _last_half(value: torch.Tensor, rows: int, name: str, source: str) -> torch.Tensor:
    """Take the outputs for objects of those for background and objects."""
    if len(value) != rows:
        raise CheckpointError(
            f'{source}: {name} would come from {len(value)} outputs instead of {rows}; '
            'only class-agnostic heads can be converted'
        )
    return value[rows // 2 :].clone()


_FORGOTTEN = (
    r'rpn\.anchor_generator\.',  # follow from the config
    r'(?:bert|language_backbone)\.',  # the language model, which is never trained
    r'lambda_exemplar$',  # of code that is switched off
    r'roi_heads(?:_student)?\.box\.predictor\.cls_score\.',  # vectors of words
)
_EMBED_DIM = 'roi_head.bbox_head.embed_dim'
_FC_EMB = 'roi_head.bbox_head.fc_emb.weight'

BENCHMARK_LAYOUTS = (
    Layout(
        'pretrained trunk of OVR-CNN',
        'mmss_heads.GroundingHead.v2l_projection.weight',
        (
            *_backbone(),
            (r'backbone\.body\.layer4\.', 'roi_head.shared_head.layer4.'),
            (
                r'mmss_heads\.GroundingHead\.v2l_projection\.',
                'roi_head.bbox_head.fc_emb.',
            ),
        ),
        {'bn': 'cmpl/ovr_pretrain_r50-c4_40k_coco-captions.py'},
        sizes=((_FC_EMB, 'model.embed_dim'),),
        dropped=(*_FORGOTTEN, r'mmss_heads\.TransformerHead\.'),
        finish=_finish,
    ),
    Layout(
        'student of CMPL',
        'roi_heads_student.box.predictor.emb_pred.weight',
        (
            *_backbone('student.'),
            *_rpn('student.'),
            *_roi_heads('roi_heads_student', 'student.'),
            *_noise('roi_heads_student', 'student.'),
            *_roi_heads(prefix='teacher.'),
            *_noise(prefix='teacher.'),
        ),
        {'bn': 'cmpl/cmpl_student-parity_r50-c4_70k_ov-coco.py'},
        sizes=((f'student.{_FC_EMB}', f'model.detector.{_EMBED_DIM}'),),
        dropped=_FORGOTTEN,
        finish=_finish,
    ),
    Layout(
        'teacher of CMPL',
        'roi_heads.box.predictor.emb_pred.weight',
        (*_backbone(), *_rpn(), *_roi_heads()),
        {'bn': 'cmpl/cmpl_teacher-parity_r50-c4_90k_ov-coco.py'},
        sizes=((_FC_EMB, f'model.{_EMBED_DIM}'),),
        dropped=_FORGOTTEN,
        finish=_finish,
    ),
)
"""What of OVR-CNN and CMPL can be converted; of several that fit, the first."""
