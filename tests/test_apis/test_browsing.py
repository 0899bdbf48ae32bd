"""Pictures of what the datasets of all kinds of configs yield."""

from __future__ import annotations

import json
import runpy
import sys

import numpy as np
import pytest
from mmengine.config import Config
from pycocotools import mask as mask_api

from mmdet_ovis.apis.browsing import DatasetBrowser, browse_dataset
from mmdet_ovis.utils.image import read_image
from mmdet_ovis.visualization import kind_colors
from mmdet_ovis.visualization.drawing import draw_affinity

SIDE = 96
COLORS = kind_colors(
    ['ground truth', 'unseen', 'ignored', 'pseudo (pa)', 'pseudo (sam)']
)


def pseudo(image_id, rank, box, source='pa'):
    x, y, w, h = box
    mask = np.zeros((SIDE, SIDE), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    counts = mask_api.encode(mask)['counts'].decode()
    return {
        'image_id': image_id,
        'category_id': 1,
        'segmentation': {'size': [SIDE, SIDE], 'counts': counts},
        'bbox': list(box),
        'area': w * h,
        'iscrowd': 0,
        'score': 1.7,
        'rank': rank,
        'gt_iou': 0.0,
        'source': source,
        'pseudo': 1,
    }


@pytest.fixture
def masks_file(openshapes, tmp_path):
    path = tmp_path / 'masks.json'
    masks = [pseudo(1, 0, (4, 4, 30, 20)), pseudo(1, 1, (50, 60, 30, 30), 'sam')]
    path.write_text(json.dumps([masks]))
    return path


@pytest.fixture
def load(root, openshapes):
    """Load a config of OpenShapes for the small dataset."""

    def load(name, split='train', **changes):
        cfg = Config.fromfile(root / f'configs/openshapes/{name}.py')
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.data_root = str(openshapes)
        dataset.update(changes)
        return cfg

    return load


def browse(cfg, out, **options):
    return [read_image(path) for path in browse_dataset(cfg, out, **options)]


def legend(picture):
    """Kinds of which the legend, the last lines of a picture, shows the colour."""
    return {
        kind
        for kind, color in COLORS.items()
        if (picture[-30:] == color).all(axis=2).sum() > 60
    }


def test_ground_truth_and_pseudo_masks_by_source(load, masks_file, tmp_path):
    cfg = load('class_agn_mask_rcnn_pa', additional_ann_file=str(masks_file))
    pictures = browse(cfg, tmp_path / 'out', limit=2)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        '1.png',
        '2.png',
    ]
    assert legend(pictures[0]) == {'ground truth', 'pseudo (pa)', 'pseudo (sam)'}
    assert legend(pictures[1]) == {'ground truth'}
    # Two panes of the pipeline's 192 x 192 pixels, enlarged, and a gap.
    assert pictures[0].shape[1] == 2 * 384 + 4


def test_the_same_picture_whatever_else_is_drawn(load, masks_file, tmp_path):
    cfg = load('class_agn_mask_rcnn_pa', additional_ann_file=str(masks_file))
    (_, second, _) = browse(cfg, tmp_path / 'a', limit=3)
    (alone,) = browse(cfg, tmp_path / 'b', image_ids=[2])
    assert (second == alone).all()
    seeds = [browse(cfg, tmp_path / 'c', limit=1, seed=seed)[0] for seed in range(6)]
    assert len({seed.tobytes() for seed in seeds}) == 2  # flipped and not


def test_affinity_targets_stand_beside(load, tmp_path):
    (picture,) = browse(load('pa_train'), tmp_path, limit=1)
    assert picture.shape[1] == 3 * 384 + 2 * 4
    target = picture[22:400, -384:]
    high = draw_affinity(np.array([[1.0]]))[0, 0]
    assert (target == high).all(axis=2).mean() > 0.02  # inside the objects
    assert (target == 90).all(axis=2).mean() > 0.2  # not supervised


def test_seen_and_unseen_objects_in_validation(load, tmp_path):
    pictures = browse(load('pa_train', 'val'), tmp_path, split='val')
    assert len(pictures) == 4
    assert {'ground truth', 'unseen'} in [legend(picture) for picture in pictures]


def test_extraction_shows_what_masks_are_compared_with(load, tmp_path):
    (picture,) = browse(load('pa_extract', 'test'), tmp_path, split='test', limit=1)
    assert legend(picture) == {'ground truth'}
    assert picture.shape[1] == 2 * 384 + 4  # no target: the pipeline has no masks


def test_the_config_stays_as_it_is(load, tmp_path):
    cfg = load('pa_extract', 'test')
    before = cfg.pretty_text
    browse(cfg, tmp_path, split='test', limit=1)
    assert cfg.pretty_text == before


def test_annotations_that_are_loaded_behind_resize(load):
    """In the test pipelines of detectors masks stay at the size of the file."""
    browser = DatasetBrowser(load('class_agn_mask_rcnn', 'val'), 'val')
    data = browser.dataset.prepare_data(0)
    assert data['inputs'].shape[1:] == (192, 192)
    sample = data['data_samples']
    before = sample.gt_instances.masks.to_ndarray()
    assert before.shape[1:] == (SIDE, SIDE)
    instances = browser._instances(sample, (192, 192))
    for instance, mask, box in zip(
        instances, before, sample.gt_instances.bboxes.tensor, strict=True
    ):
        assert instance.mask.sum() == 4 * mask.sum()
        assert instance.box == pytest.approx((2 * box).tolist())


def test_images_without_instances(load, openshapes, tmp_path):
    content = json.loads((openshapes / 'annotations/instances_train.json').read_text())
    content['annotations'] = []
    (tmp_path / 'images.json').write_text(json.dumps(content))
    images = dict(ann_file=str(tmp_path / 'images.json'), filter_cfg=None)
    for name in ('class_agn_mask_rcnn', 'pa_train'):
        (picture,) = browse(load(name, **images), tmp_path / name, limit=1)
        assert legend(picture) == set()
    (tmp_path / 'online').mkdir()
    (tmp_path / 'online' / '1.json').write_text(
        json.dumps([pseudo(1, 0, (4, 4, 30, 20))])
    )
    cfg = load('class_agn_mask_rcnn', **images, ann_dir=str(tmp_path / 'online'))
    cfg.train_dataloader.dataset.type = 'OnlinePseudoLabelDataset'
    first, second = browse(cfg, tmp_path / 'pictures', limit=2)
    assert legend(first) == {'pseudo (pa)'}
    assert legend(second) == set()


def test_transforms_may_drop_instances(load, masks_file):
    """Which instance is which does not depend on their order."""
    cfg = load('class_agn_mask_rcnn_pa', additional_ann_file=str(masks_file))
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[2:4] = [dict(type='RandomCrop', crop_size=(40, 40))]
    browser = DatasetBrowser(cfg, 'train')
    numbers = set()
    for seed in range(12):
        np.random.seed(seed)  # noqa: NPY002 (mmdet's crop draws from it)
        data = browser.dataset.prepare_data(0)
        instances = browser._instances(data['data_samples'], (40, 40))
        numbers.add(len(instances))
        for instance in instances:
            if instance.kind.startswith('pseudo'):
                # Both are rectangles, and nothing else is.
                x1, y1, x2, y2 = map(round, instance.box)
                assert instance.mask[y1:y2, x1:x2].all()
                assert instance.text == '1.70'
    assert len(numbers) > 1
    assert max(numbers) < len(browser.recorder.instances)


def test_boxes_weights_and_names(load, masks_file, tmp_path):
    cfg = load(
        'class_agn_mask_rcnn_pa',
        additional_ann_file=str(masks_file),
        score_weight=(1.2, 2.2),
    )
    browser = DatasetBrowser(cfg, 'train')
    data = browser.dataset.prepare_data(0)
    texts = [i.text for i in browser._instances(data['data_samples'], (192, 192))]
    assert texts[-2:] == ['1.70 x0.50', '1.70 x0.50']
    assert set(texts[:-2]) == {''}
    (plain,) = browse(cfg, tmp_path / 'a', limit=1)
    (boxed,) = browse(cfg, tmp_path / 'b', limit=1, boxes=True)
    assert (plain != boxed).any()
    names = ('square', 'star')
    aware = load(
        'class_agn_mask_rcnn',
        is_class_agnostic=False,
        metainfo=dict(classes=names),
        train_class=names,
        eval_class=names,
    )
    browser = DatasetBrowser(aware, 'train')
    data = browser.dataset.prepare_data(0)
    texts = {i.text for i in browser._instances(data['data_samples'], (192, 192))}
    assert texts
    assert texts <= set(names)


def test_boxes_alone(load, tmp_path):
    cfg = load('class_agn_mask_rcnn')
    cfg.train_dataloader.dataset.pipeline[1].with_mask = False
    (picture,) = browse(cfg, tmp_path, limit=1)
    assert legend(picture) == {'ground truth'}


def test_crowds_are_ignored_instances(load, openshapes, tmp_path):
    content = json.loads((openshapes / 'annotations/instances_train.json').read_text())
    for ann in content['annotations']:
        ann['iscrowd'] = 1
    (tmp_path / 'crowds.json').write_text(json.dumps(content))
    cfg = load('class_agn_mask_rcnn', ann_file=str(tmp_path / 'crowds.json'))
    (picture,) = browse(cfg, tmp_path / 'out', limit=1)
    assert legend(picture) == {'ignored'}


def test_images_that_the_pipeline_drops_are_named(load, tmp_path):
    cfg = load('class_agn_mask_rcnn')
    cfg.train_dataloader.dataset.pipeline.insert(
        2, dict(type='FilterAnnotations', min_gt_bbox_wh=(500, 500))
    )
    with pytest.raises(ValueError, match=r'000001\.jpg: the pipeline drops this image'):
        browse(cfg, tmp_path)


def test_every_second_image(load, tmp_path):
    paths = browse_dataset(load('pa_train'), tmp_path, limit=2, interval=2)
    assert [path.name for path in paths] == ['1.png', '3.png']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'image_ids': [1, 999]}, r'image_id 999 is not among the \d+ images'),
        ({'limit': 0}, 'limit is a number of images, not 0'),
        ({'interval': -1}, 'interval is a number of images, not -1'),
        ({'split': 'eval'}, "split is one of train, val, test, not 'eval'"),
    ],
)
def test_mistakes_are_named(load, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        browse(load('pa_train'), tmp_path, **options)


def test_configs_that_do_not_fit_are_named(load, tmp_path):
    cfg = load('pa_train')
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    with pytest.raises(ValueError, match='has no pipeline of its own; browse'):
        browse(cfg, tmp_path)
    cfg.train_dataloader = None
    with pytest.raises(ValueError, match='has no train_dataloader'):
        browse(cfg, tmp_path)


def test_broken_images_are_named(load, openshapes, tmp_path):
    cfg = load('pa_train', data_prefix=dict(img=str(tmp_path)))
    with pytest.raises(FileNotFoundError, match=r'no such image: .*000001\.jpg'):
        browse(cfg, tmp_path)
    (tmp_path / '000001.jpg').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'000001\.jpg is not an image'):
        browse(cfg, tmp_path)


def test_the_tool_names_its_pictures(load, root, tmp_path, monkeypatch, capsys):
    config, out = tmp_path / 'config.py', tmp_path / 'out'
    load('pa_train').dump(config)
    tool = str(root / 'tools/analysis_tools/browse_dataset.py')
    options = ['--out-dir', out, '--image-ids', 3, 1, '--boxes']
    monkeypatch.setattr(sys, 'argv', list(map(str, [tool, config, *options])))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    assert capsys.readouterr().out.split() == [str(out / '3.png'), str(out / '1.png')]
