"""Weights in the layout of the original code of OVR-CNN and CMPL become ours."""

from __future__ import annotations

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from released_parameters import cmpl_student, cmpl_teacher, ovr_trunk

from mmdet_ovis.apis.checkpoint_conversion import convert_checkpoint
from mmdet_ovis.utils.benchmark_layouts import BENCHMARK_LAYOUTS
from mmdet_ovis.utils.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_model_checkpoint,
)

HEAD = 'roi_heads.box.predictor.'
MASK = 'roi_heads.mask.predictor.'


@pytest.fixture
def convert(root, tmp_path):
    """Convert parameters; returns the report, the file and what it holds."""

    def run(parameters, **options):
        source, target = tmp_path / 'released.pth', tmp_path / 'out' / 'ours.pth'
        state = {f'module.{key}': value for key, value in parameters.items()}
        torch.save({'model': state, 'iteration': 90000}, source)
        report = convert_checkpoint(
            source, target, root / 'configs', layouts=BENCHMARK_LAYOUTS, **options
        )
        return report, target, load_checkpoint(target)['state_dict']

    return run


def build(report):
    """The model of the config that a report names."""
    cfg = Config.fromfile(report.config)
    cfg.merge_from_dict(report.options)
    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def test_the_trunk_of_ovr_cnn_fits_pretraining_and_the_names_of_the_teacher(convert):
    parameters = ovr_trunk()
    report, target, state = convert(parameters)
    assert report.kind == 'pretrained trunk of OVR-CNN'
    assert report.config.stem == 'ovr_pretrain_r50-c4_40k_coco-captions'
    assert report.options == {}
    load_model_checkpoint(build(report), target)  # exactly, or it raises
    prefix = 'mmss_heads.GroundingHead.v2l_projection.'
    for name in ('weight', 'bias'):
        mine = state[f'roi_head.bbox_head.fc_emb.{name}']
        assert torch.equal(mine, parameters[prefix + name])
    assert not [key for key in state if 'language' in key or 'Transformer' in key]

    # All of it has a place in the detector, and the rest of the detector is new.
    _, _, teacher = convert(cmpl_teacher())
    assert state.keys() <= teacher.keys()
    new = {key.rsplit('.', 1)[0] for key in teacher.keys() - state.keys()}
    assert new == {
        *(f'rpn_head.rpn_{name}' for name in ('conv', 'cls', 'reg')),
        'roi_head.bbox_head.fc_reg',
        'roi_head.mask_head.upsample',
        'roi_head.mask_head.conv_logits',
    }
    for key in state:
        assert state[key].shape == teacher[key].shape


def test_the_teacher_of_cmpl_is_a_plain_detector(convert):
    parameters = cmpl_teacher()
    report, target, state = convert(parameters)
    assert report.kind == 'teacher of CMPL'
    assert report.config.stem == 'cmpl_teacher-parity_r50-c4_90k_ov-coco'
    assert report.options == {}
    load_model_checkpoint(build(report), target)
    for mine, original in (
        ('backbone.conv1.weight', 'backbone.body.stem.conv1.weight'),
        ('backbone.bn1.bias', 'backbone.body.stem.bn1.bias'),
        (
            'backbone.layer3.5.bn3.running_mean',
            'backbone.body.layer3.5.bn3.running_mean',
        ),
        (
            'roi_head.shared_head.layer4.0.downsample.0.weight',
            'roi_heads.box.feature_extractor.head.layer4.0.downsample.0.weight',
        ),
        ('rpn_head.rpn_cls.weight', 'rpn.head.cls_logits.weight'),
        ('rpn_head.rpn_reg.bias', 'rpn.head.bbox_pred.bias'),
        ('roi_head.bbox_head.fc_emb.weight', f'{HEAD}emb_pred.weight'),
        ('roi_head.mask_head.upsample.weight', f'{MASK}conv5_mask.weight'),
    ):
        assert torch.equal(state[mine], parameters[original]), mine


def test_outputs_for_the_background_are_left_out(convert):
    parameters = cmpl_teacher()
    parameters[f'{HEAD}bbox_pred.weight'] = torch.arange(8.0)[:, None].expand(8, 2048)
    parameters[f'{HEAD}bbox_pred.bias'] = torch.arange(8.0)
    parameters[f'{MASK}mask_fcn_logits.weight'] = (
        torch.tensor([3.0, 7.0]).view(2, 1, 1, 1).expand(2, 256, 1, 1)
    )
    parameters[f'{MASK}mask_fcn_logits.bias'] = torch.tensor([3.0, 7.0])
    _, _, state = convert(parameters)
    head = 'roi_head.bbox_head.fc_reg.'
    assert state[f'{head}bias'].tolist() == [4.0, 5.0, 6.0, 7.0]
    assert state[f'{head}weight'][:, 0].tolist() == [4.0, 5.0, 6.0, 7.0]
    assert state[f'{head}weight'].shape == (4, 2048)
    assert state['roi_head.mask_head.conv_logits.bias'].tolist() == [7.0]
    assert (state['roi_head.mask_head.conv_logits.weight'] == 7).all()


def test_frozen_normalisation_computes_the_same(convert):
    """Without an epsilon there, with one here; a variance of 0 stays one."""
    parameters = cmpl_teacher()
    name = 'backbone.body.stem.bn1.'
    variance = torch.linspace(0, 2, 64)
    parameters[f'{name}running_var'] = variance
    report, target, state = convert(parameters)
    expected = (variance - 1e-5).clamp(min=0)
    assert torch.equal(state['backbone.bn1.running_var'], expected)
    assert state['backbone.bn1.num_batches_tracked'] == 0
    model = build(report)
    load_model_checkpoint(model, target)
    x = torch.randn(2, 64, 3, 3, generator=torch.Generator().manual_seed(0))
    x = x.double()
    got = model.backbone.bn1.double().eval()(x)[:, 1:]
    weight, bias, mean = (
        parameters[name + key].double().view(1, -1, 1, 1)
        for key in ('weight', 'bias', 'running_mean')
    )
    frozen = weight * (x - mean) / variance.double().sqrt().view(1, -1, 1, 1) + bias
    torch.testing.assert_close(got, frozen[:, 1:], rtol=1e-6, atol=1e-6)


def test_the_student_comes_with_its_teacher(convert):
    parameters = cmpl_student()
    report, target, state = convert(parameters)
    assert report.kind == 'student of CMPL'
    assert report.config.stem == 'cmpl_student-parity_r50-c4_70k_ov-coco'
    assert report.options == {}
    load_model_checkpoint(build(report), target)  # exactly, or it raises
    assert not [key for key in state if key.startswith('teacher.backbone.')]
    for heads, ours in (('roi_heads', 'teacher.'), ('roi_heads_student', 'student.')):
        box, mask = f'{heads}.box.predictor.', f'{heads}.mask.predictor.'
        mine = f'{ours}roi_head.'
        for name, original in (
            ('bbox_head.fc_emb.weight', parameters[f'{box}emb_pred.weight']),
            ('bbox_head.fc_reg.bias', parameters[f'{box}bbox_pred.bias'][4:]),
            ('mask_head.conv_noise.weight', parameters[f'{mask}uncertain_pred.weight']),
            ('mask_head.conv_noise.bias', parameters[f'{mask}uncertain_pred.bias']),
        ):
            assert torch.equal(state[mine + name], original), mine + name


def test_a_config_of_a_student_may_be_named(convert, root):
    config = root / 'configs/cmpl/cmpl_student_r50-c4_70k_ov-coco.py'
    report, target, _ = convert(cmpl_student(), config=config)
    assert report.config == config
    report, target, state = convert(cmpl_teacher(), config=config)
    assert not [key for key in state if 'conv_noise' in key]
    load_model_checkpoint(build(report), target)  # both heads start as this one


def test_a_student_does_not_fit_a_teacher(convert, root):
    config = root / 'configs/cmpl/cmpl_teacher_r50-c4_90k_ov-coco.py'
    with pytest.raises(
        CheckpointError, match=r'another model .* Name it with --config'
    ):
        convert(cmpl_student(), config=config)


def test_vectors_of_other_words_are_possible(convert):
    report, _, _ = convert(ovr_trunk(embed_dim=512))
    assert report.options == {'model.embed_dim': 512}
    report, _, _ = convert(cmpl_teacher(embed_dim=512))
    assert report.options == {'model.roi_head.bbox_head.embed_dim': 512}
    report, target, _ = convert(cmpl_student(embed_dim=512))
    assert report.options == {'model.detector.roi_head.bbox_head.embed_dim': 512}
    load_model_checkpoint(build(report), target)


@pytest.mark.parametrize(
    ('make', 'name'),
    [
        (ovr_trunk, 'pretrained trunk of OVR-CNN'),
        (cmpl_teacher, 'teacher of CMPL'),
        (cmpl_student, 'student of CMPL'),
    ],
)
def test_unknown_parameters_are_named(convert, tmp_path, make, name):
    parameters = make()
    parameters['roi_heads.keypoint.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        convert(parameters)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / 'released.pth'))
    assert f'looks like a {name}, but has parameters' in message
    assert message.endswith('roi_heads.keypoint.weight')
    assert not (tmp_path / 'out' / 'ours.pth').exists()


@pytest.mark.parametrize(
    ('make', 'key', 'missing'),
    [
        (
            ovr_trunk,
            'backbone.body.layer4.2.conv3.weight',
            'roi_head.shared_head.layer4.2.conv3.weight',
        ),
        (cmpl_teacher, 'rpn.head.conv.bias', 'rpn_head.rpn_conv.bias'),
        (
            cmpl_student,
            'roi_heads.mask.predictor.conv5_mask.bias',
            'roi_head.mask_head.upsample.bias',
        ),
        (
            cmpl_student,
            'roi_heads_student.mask.predictor.uncertain_pred.bias',
            'student.roi_head.mask_head.conv_noise.bias',
        ),
    ],
)
def test_a_file_with_parts_missing_is_refused(convert, make, key, missing):
    parameters = make()
    del parameters[key]
    with pytest.raises(CheckpointError, match=missing.replace('.', r'\.')):
        convert(parameters)


def test_noise_of_another_shape_is_refused(convert):
    parameters = cmpl_student()
    parameters['roi_heads_student.mask.predictor.uncertain_pred.weight'] = torch.zeros(
        2, 256, 1, 1
    )
    with pytest.raises(CheckpointError, match=r'\(2, 256, 1, 1\) instead of'):
        convert(parameters)


def test_boxes_of_every_class_cannot_be_converted(convert):
    parameters = cmpl_teacher()
    parameters.layer(f'{HEAD}bbox_pred', 4 * 49, 2048)
    with pytest.raises(CheckpointError, match='196 outputs instead of 8; only class-'):
        convert(parameters)


def test_heads_that_do_not_share_their_layers_cannot_be_converted(convert):
    parameters = cmpl_teacher()
    key = 'roi_heads.mask.feature_extractor.head.layer4.0.bn1.bias'
    parameters[key] = parameters[key] + 1
    with pytest.raises(CheckpointError, match=r'both become .*, but differ'):
        convert(parameters)


def test_a_checkpoint_that_is_none_of_them_is_refused(convert):
    with pytest.raises(CheckpointError, match='is none of: pretrained trunk of OVR-'):
        convert({'rpn_head.rpn_conv.weight': torch.zeros(1)})
