"""Weights in the layout of the original code of GGN and OLN become ours."""

from __future__ import annotations

import hashlib

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from released_parameters import resnet50
from torch.nn import functional

from mmdet_ovis.apis.checkpoint_conversion import convert_checkpoint
from mmdet_ovis.utils.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_model_checkpoint,
)
from mmdet_ovis.utils.checkpoint_conversion import convert_state_dict
from mmdet_ovis.version import __version__


def affinity_network(norm='bn', channels=1, compute=False):
    p = resnet50(norm, compute)
    for i in range(4):
        p.block(f'classifier.ppm_conv.{i}', 512, 2048, 1)
    p.block('classifier.ppm_last_conv', 256, 2048 + 4 * 512, 3)
    for i in range(3):
        p.block(f'classifier.fpn_in.{i}', 256, 256 * 2**i, 1)
        p.block(f'classifier.fpn_out.{i}.0', 256, 256, 3)
    p.block('classifier.conv_last.0', 256, 1024, 3)
    p.layer('classifier.conv_last.1', channels, 256, 1, 1)
    return p


def simple_network(channels):
    p = resnet50()
    p.layer('classifier.0', 512, 2048, 3, 3, bias=False)
    p.normalization('classifier.1', 512)
    p.layer('classifier.4', channels, 512, 1, 1)
    return p


def faster_rcnn(norm='bn', num_classes=1):
    p = resnet50(norm)
    for i in range(4):
        p.layer(f'neck.lateral_convs.{i}.conv', 256, 256 * 2**i, 1, 1)
        p.layer(f'neck.fpn_convs.{i}.conv', 256, 256, 3, 3)
    p.layer('rpn_head.rpn_conv', 256, 256, 3, 3)
    p.layer('rpn_head.rpn_cls', 1, 256, 1, 1)
    p.layer('rpn_head.rpn_reg', 4, 256, 1, 1)
    p.layer('roi_head.bbox_head.shared_fcs.0', 1024, 256 * 7 * 7)
    p.layer('roi_head.bbox_head.shared_fcs.1', 1024, 1024)
    p.layer('roi_head.bbox_head.fc_cls', num_classes + 1, 1024)
    p.layer('roi_head.bbox_head.fc_reg', 4 * num_classes, 1024)
    return p


def mask_rcnn(norm='bn'):
    p = faster_rcnn(norm)
    for i in range(4):
        name = f'roi_head.mask_head.convs.{i}'
        p.layer(f'{name}.conv', 256, 256, 3, 3, bias=norm == 'bn')
        if norm == 'gn':
            p.normalization(f'{name}.gn', 256)
    p.layer('roi_head.mask_head.upsample', 256, 256, 2, 2)
    p.layer('roi_head.mask_head.conv_logits', 1, 256, 1, 1)
    return p


def oln_box():
    p = faster_rcnn()
    p.layer('rpn_head.rpn_obj', 1, 256, 1, 1)
    p.layer('roi_head.bbox_head.fc_bbox_score', 1, 1024)
    return p


@pytest.fixture
def convert(root, tmp_path):
    """Convert parameters; returns the report, the file and what it holds."""

    def run(parameters, wrap=lambda p: {'state_dict': dict(p)}, **options):
        source, target = tmp_path / 'released.pth', tmp_path / 'out' / 'ours.pth'
        torch.save(wrap(parameters), source)
        report = convert_checkpoint(source, target, root / 'configs', **options)
        return report, target, load_checkpoint(target)

    return run


def build(report):
    """The model of the config that a report names."""
    cfg = Config.fromfile(report.config)
    cfg.merge_from_dict(report.options)
    init_default_scope('mmdet')
    cfg.model.backbone.init_cfg = None
    return MODELS.build(cfg.model).eval()


@pytest.mark.parametrize(
    ('make', 'kind', 'config'),
    [
        (affinity_network, 'affinity network of GGN', 'pa_extract_released'),
        (lambda: affinity_network('gn'), 'affinity network', 'pa_extract_released_gn'),
        (lambda: simple_network(8), 'with the simple head', 'pa_train_simple-head'),
        (mask_rcnn, 'Mask R-CNN', 'class_agn_mask_rcnn'),
        (lambda: mask_rcnn('gn'), 'Mask R-CNN', 'class_agn_mask_rcnn_gn'),
        (faster_rcnn, 'Faster R-CNN', 'class_agn_faster_rcnn'),
        (oln_box, 'OLN-Box', 'oln_box'),
    ],
    ids=['pa', 'pa-gn', 'pa-simple', 'mask', 'mask-gn', 'faster', 'oln'],
)
def test_every_layout_fits_the_model_of_its_config(convert, make, kind, config):
    parameters = make()
    report, target, content = convert(parameters)
    assert kind in report.kind
    assert report.config.stem == config
    assert report.options == {}
    assert report.num_parameters == sum(p.numel() for p in parameters.values())
    load_model_checkpoint(build(report), target)  # exactly, or it raises
    written = list(content['state_dict'].values())
    for mine, original in zip(written, parameters.values(), strict=True):
        assert torch.equal(mine, original)


def test_head_has_the_parameters_of_the_paper():
    """18,227,457 for one channel, as the specification of the head says."""
    state = convert_state_dict(affinity_network(), 'x').state_dict
    learnt = [
        value.numel()
        for key, value in state.items()
        if key.startswith('affinity_head')
        and not key.endswith(('mean', 'var', 'tracked'))
    ]
    assert sum(learnt) == 18_227_457


def head_by_the_table(p, features):
    """The head as the paper's table of layers has it, from the released parameters."""

    def block(name, x, padding=0):
        x = functional.conv2d(x, p[f'{name}.0.weight'], padding=padding)
        x = functional.batch_norm(
            x,
            p[f'{name}.1.running_mean'],
            p[f'{name}.1.running_var'],
            p[f'{name}.1.weight'],
            p[f'{name}.1.bias'],
        )
        return x.relu()

    def resize(x, like):
        return functional.interpolate(
            x, like.shape[-2:], mode='bilinear', align_corners=False
        )

    c5 = features[3]
    pooled = [
        block(
            f'classifier.ppm_conv.{i}',
            resize(functional.adaptive_avg_pool2d(c5, scale), c5),
        )
        for i, scale in enumerate((1, 2, 3, 6))
    ]
    path = block('classifier.ppm_last_conv', torch.cat([c5, *pooled], 1), padding=1)
    levels = {3: path}
    for i in (2, 1, 0):
        lateral = block(f'classifier.fpn_in.{i}', features[i])
        path = lateral + resize(path, lateral)
        levels[i] = block(f'classifier.fpn_out.{i}.0', path, padding=1)
    fused = torch.cat([resize(levels[i], levels[0]) for i in range(4)], 1)
    fused = block('classifier.conv_last.0', fused, padding=1)
    return functional.conv2d(
        fused, p['classifier.conv_last.1.weight'], p['classifier.conv_last.1.bias']
    )


def test_converted_head_computes_what_the_original_does(convert):
    parameters = affinity_network(channels=8, compute=True)
    report, target, _ = convert(parameters)
    assert report.options == {'model.affinity_head.num_affinity': 8}
    assert str(report).endswith('--cfg-options model.affinity_head.num_affinity=8')
    model = build(report)
    load_model_checkpoint(model, target)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        (sample,) = model.predict(image, [DetDataSample()])
        features = [level.double() for level in model.extract_feat(image)]
        got = model.affinity_head.double()(features)
        exact = {key: value.double() for key, value in parameters.items()}
        expected = head_by_the_table(exact, features)
    assert got.shape == (1, 8, 16, 24)
    assert expected.std() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    assert sample.pred_affinity.data.shape == (8, 64, 96)


def test_the_file_says_where_it_comes_from(convert, tmp_path):
    _, _, content = convert(simple_network(1))
    sha256 = hashlib.sha256((tmp_path / 'released.pth').read_bytes()).hexdigest()
    assert content['meta'] == {
        'source': 'released.pth',
        'kind': 'pairwise affinity network of GGN with the simple head',
        'sha256': sha256,
        'converter_version': 1,
        'mmdet_ovis_version': __version__,
    }


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_files_with_all_that_mmcv_saves(convert, prefix):
    """Parameters of a distributed model among the text and optimizer of training."""

    def wrap(parameters):
        state = {prefix + key: value for key, value in parameters.items()}
        meta = {'CLASSES': ('object',), 'epoch': 8, 'config': 'model = dict()'}
        return {'meta': meta, 'state_dict': state, 'optimizer': {'state': {0: {}}}}

    _, _, content = convert(faster_rcnn(), wrap)
    assert set(content) == {'state_dict', 'meta'}
    assert 'roi_head.bbox_head.fc_cls.weight' in content['state_dict']


def test_unknown_parameters_are_named(convert, tmp_path):
    parameters = faster_rcnn()
    parameters.layer('roi_head.bbox_head.fc_other', 1, 1024)
    with pytest.raises(CheckpointError) as caught:
        convert(parameters)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / 'released.pth'))
    assert 'looks like a Faster R-CNN, but has parameters' in message
    assert message.endswith(
        'roi_head.bbox_head.fc_other.weight, roi_head.bbox_head.fc_other.bias'
    )
    assert not (tmp_path / 'out' / 'ours.pth').exists()


def test_another_kind_of_model_is_named(convert):
    with pytest.raises(CheckpointError, match=r'is none of: .*OLN-Box.*and 313 more'):
        convert(resnet50())


def test_a_file_with_parts_missing_is_refused(convert):
    parameters = mask_rcnn()
    del parameters['backbone.layer4.2.conv3.weight']
    with pytest.raises(
        CheckpointError, match=r'1 missing \(backbone\.layer4\.2\.conv3\.weight\)'
    ):
        convert(parameters)


def test_many_classes_need_another_config(convert, root):
    parameters = faster_rcnn(num_classes=80)
    with pytest.raises(CheckpointError, match=r'of another shape.*with --config'):
        convert(parameters)
    config = root / 'configs' / 'oln' / 'class_agn_faster_rcnn.py'
    report, _, _ = convert(
        parameters,
        config=config,
        cfg_options={'model.roi_head.bbox_head.num_classes': 80},
    )
    assert str(report).endswith('--cfg-options model.roi_head.bbox_head.num_classes=80')


def test_a_layout_without_config_is_named(convert):
    parameters = simple_network(1)
    parameters = {k: v for k, v in parameters.items() if 'running' not in k}
    with pytest.raises(CheckpointError, match='with GN layers, for which there is no'):
        convert(parameters)


def test_the_input_is_not_overwritten(root, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': {}}, path)
    with pytest.raises(ValueError, match='is the input; write to another file'):
        convert_checkpoint(path, path, root / 'configs')
