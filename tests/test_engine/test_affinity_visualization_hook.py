"""Pictures of affinities that a validation leaves behind."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.registry import VISUALIZERS
from mmengine.structures import PixelData

from mmdet_ovis.engine.hooks import affinity_visualization_hook
from mmdet_ovis.visualization import draw_affinity
from pa_lib import GroupingConfig, group

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def make_runner(request, tmp_path):
    def make(*backends):
        visualizer = VISUALIZERS.build(
            dict(
                type='Visualizer',
                name=f'{request.node.name}_{len(backends)}',
                vis_backends=[dict(type=f'{name}VisBackend') for name in backends],
                save_dir=str(tmp_path),
            )
        )
        return SimpleNamespace(visualizer=visualizer, iter=30)

    return make


def make_sample(image_id, with_truth=True, with_masks=True):
    affinity = torch.full((1, HEIGHT, WIDTH), 0.9, dtype=torch.float16)
    affinity[:, 10:30, 10:12] = affinity[:, 10:30, 28:30] = 0.1
    affinity[:, 10:12, 10:30] = affinity[:, 28:30, 10:30] = 0.1
    sample = DetDataSample(metainfo=dict(img_id=image_id))
    sample.pred_affinity = PixelData(data=affinity)
    if with_truth:
        ones = torch.ones(1, HEIGHT, WIDTH)
        sample.gt_affinity = PixelData(target=ones, valid=ones.bool())
    if with_masks:
        config = GroupingConfig(use_globalization=0, footprint_size=10)
        sample.set_field(group(affinity.float().numpy(), config), 'grouping')
    return sample


def make_batch(*image_ids, **options):
    images = [torch.full((3, HEIGHT, WIDTH), 50, dtype=torch.uint8) for _ in image_ids]
    for image in images:
        image[0] = 200  # blue, as OpenCV orders channels
    samples = [make_sample(image_id, **options) for image_id in image_ids]
    return dict(inputs=images), samples


def validate(hook, runner, *batches):
    hook.before_val_epoch(runner)
    for i, (data, samples) in enumerate(batches):
        hook.after_val_iter(runner, i, data, samples)


def build(**options):
    return HOOKS.build(dict(type='AffinityVisualizationHook', **options))


def names(folder):
    return sorted(path.name for path in folder.rglob('*.png'))


def test_the_first_images_of_a_validation_are_drawn(make_runner, tmp_path):
    runner = make_runner('Local')
    validate(build(num_images=3), runner, make_batch(7, 8), make_batch(9, 10))
    assert names(tmp_path) == [f'affinity_{i}_30.png' for i in (7, 8, 9)]


def test_a_picture_shows_image_affinity_target_and_masks(make_runner, tmp_path):
    hook = build()
    validate(hook, make_runner('Local'), make_batch(1))
    (path,) = tmp_path.rglob('affinity_1_30.png')
    picture = cv2.imread(str(path))[..., ::-1]
    assert picture.shape[1] == 4 * WIDTH + 3 * 4
    assert (picture[-HEIGHT:, :WIDTH] == (50, 50, 200)).all()
    inside, outline = draw_affinity(np.array([[0.9, 0.1]], np.float16))[0]
    assert (picture[-HEIGHT:, WIDTH + 4 :][20, 20] == inside).all()
    assert (picture[-HEIGHT:, WIDTH + 4 :][20, 10] == outline).all()
    assert (picture[-HEIGHT:, -WIDTH:][20, 20] != (50, 50, 200)).any()


def test_without_ground_truth_and_grouping(make_runner, tmp_path):
    batch = make_batch(1, with_truth=False, with_masks=False)
    validate(build(), make_runner('Local'), batch)
    (path,) = tmp_path.rglob('*.png')
    assert cv2.imread(str(path)).shape[1] == 2 * WIDTH + 4


def test_every_second_validation_beginning_with_the_first(make_runner, tmp_path):
    hook, runner = build(interval=2), make_runner('Local')
    for runner.iter in (10, 20, 30, 40):
        validate(hook, runner, make_batch(1))
    assert names(tmp_path) == ['affinity_1_10.png', 'affinity_1_30.png']


def test_other_processes_draw_nothing(make_runner, tmp_path, monkeypatch):
    monkeypatch.setattr(affinity_visualization_hook, 'is_main_process', lambda: False)
    validate(build(), make_runner('Local'), make_batch(1))
    assert names(tmp_path) == []


def test_models_without_affinity_are_refused(make_runner):
    data, (sample,) = make_batch(1)
    del sample.pred_affinity
    with pytest.raises(ValueError, match='predicts none; use DetVisualizationHook'):
        validate(build(), make_runner('Local'), (data, [sample]))


@pytest.mark.parametrize('name', ['interval', 'num_images', 'topk'])
def test_numbers_are_positive(name):
    with pytest.raises(ValueError, match=f'{name} is a positive number, not 0'):
        build(**{name: 0})


def test_tensorboard_gets_the_pictures_too(make_runner, tmp_path):
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator'
    )
    runner = make_runner('Local', 'Tensorboard')
    validate(build(num_images=1), runner, make_batch(7))
    runner.visualizer.close()
    events = accumulator.EventAccumulator(str(tmp_path / 'vis_data'))
    events.Reload()
    assert events.Tags()['images'] == ['affinity_7']
    (image,) = events.Images('affinity_7')
    assert (image.step, image.width) == (30, 4 * WIDTH + 3 * 4)
    assert names(tmp_path) == ['affinity_7_30.png']


def test_a_missing_tensorboard_is_named(make_runner, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    with pytest.raises(ImportError, match='pip install future tensorboard'):
        validate(build(), make_runner('Tensorboard'), make_batch(7))
