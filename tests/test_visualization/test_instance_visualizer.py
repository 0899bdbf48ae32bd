"""Detections in colours of their own, through mmdet's visualizer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmdet_ovis.visualization import InstanceVisualizer, distinct_colors, kind_colors

SIZE = (64, 96)
IMAGE = np.full((*SIZE, 3), 100, dtype=np.uint8)
BOXES = torch.tensor([[4.0, 20, 24, 40], [30, 20, 50, 40], [60, 20, 80, 40]])


def masks():
    drawn = torch.zeros((3, *SIZE), dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(drawn, BOXES.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return drawn


@pytest.fixture
def make(request, tmp_path):
    def make(**kwargs):
        return VISUALIZERS.build(
            dict(
                type='InstanceVisualizer',
                name=f'{request.node.name}{len(kwargs)}',
                vis_backends=[dict(type='LocalVisBackend')],
                save_dir=str(tmp_path),
                **kwargs,
            )
        )

    return make


def detections(**fields):
    return InstanceData(
        bboxes=BOXES,
        labels=torch.zeros(3, dtype=torch.long),
        scores=torch.tensor([0.2, 0.9, 0.5]),
        **fields,
    )


def draw(visualizer, instances, classes=('object',)):
    return visualizer._draw_instances(IMAGE, instances, list(classes), None)


def tint(color):
    return (0.65 * 100 + 0.35 * np.asarray(color)).astype(np.uint8)


def test_each_detection_has_a_colour_best_first(make):
    drawn = draw(make(), detections(masks=masks()))
    colors = distinct_colors(3)
    for center, color in ((40, colors[0]), (70, colors[1]), (14, colors[2])):
        assert (drawn[36, center] == tint(color)).all()


def test_only_the_best_are_drawn(make):
    drawn = draw(make(topk=1), detections(masks=masks()))
    assert (drawn[36, 40] != 100).any()
    assert (drawn[36, 70] == 100).all()
    with pytest.raises(ValueError, match='topk is a number of detections, not 0'):
        InstanceVisualizer('none', topk=0)


def test_ground_truth_by_seen_and_unseen(make):
    gt = InstanceData(
        bboxes=BOXES,
        labels=torch.zeros(3, dtype=torch.long),
        masks=BitmapMasks(masks().numpy().astype(np.uint8), *SIZE),
    )
    colors = kind_colors(['ground truth', 'unseen'])
    drawn = draw(make(), gt)
    assert (drawn[36, [14, 40, 70]] == tint(colors['ground truth'])).all()
    gt.is_seen = torch.tensor([True, False, True])
    assert (draw(make(), gt)[36, 40] == tint(colors['unseen'])).all()


def test_boxes_where_there_are_no_masks(make):
    drawn = draw(make(), detections())
    assert (drawn[39, 31:49] == distinct_colors(1)[0]).all()
    assert (drawn[36, 40] == 100).all()


def test_classes_are_named_if_there_are_several(make):
    one = draw(make(), detections(masks=masks()))
    several = draw(make(), detections(masks=masks()), ('cat', 'dog'))
    assert (several != one).any()


def test_nothing_found(make):
    instances = detections(masks=masks())[:0]
    assert (draw(make(), instances) == IMAGE).all()


def test_samples_reach_the_backends(make, tmp_path):
    visualizer = make()
    visualizer.dataset_meta = {'classes': ('object',)}
    sample = DetDataSample()
    sample.gt_instances = detections(masks=masks())
    del sample.gt_instances.scores
    sample.pred_instances = detections(masks=masks())
    visualizer.add_datasample('val_img', IMAGE, sample, pred_score_thr=0.3, step=7)
    (path,) = tmp_path.rglob('val_img_7.png')
    picture = cv2.imread(str(path))[..., ::-1]
    assert picture.shape == (64, 192, 3)  # ground truth beside detections
    assert (picture[36, 96 + 14] == 100).all()  # below the threshold
    assert (picture[36, 96 + 40] == tint(distinct_colors(1)[0])).all()
