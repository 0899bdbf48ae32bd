"""Words of captions as labels of images, and proposals from files."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from mmdet_ovis.datasets import CaptionLabelDataset, CocoSplitDataset
from mmdet_ovis.pseudo_labels.proposals import FoundBoxes, save_proposals

CAPTIONS = {
    'images': [
        {'id': 7, 'file_name': '7.png', 'height': 20, 'width': 30},
        {'id': 4, 'file_name': '4.png', 'height': 30, 'width': 20},
        {'id': 9, 'file_name': '9.png', 'height': 20, 'width': 30},
    ],
    'annotations': [
        {'id': 1, 'image_id': 7, 'caption': 'Two dogs on a sofa.'},
        {'id': 2, 'image_id': 7, 'caption': 'A dog eats a hot dog.'},
        {'id': 3, 'image_id': 4, 'caption': 'An empty street.'},
        {'id': 4, 'image_id': 9, 'caption': 'A couch.'},
    ],
}
WORDS = ('dog', 'couch', 'kite', 'hot dog')


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'captions.json').write_text(json.dumps(CAPTIONS))
    for image in CAPTIONS['images']:
        pixels = np.full((image['height'], image['width'], 3), image['id'], np.uint8)
        cv2.imwrite(str(tmp_path / image['file_name']), pixels)
    found = {
        7: FoundBoxes(
            np.array([[5, 5, 15, 15], [-2, 0, 40, 10], [3, 3, 3.5, 9], [9, 9, 9, 9]]),
            np.array([0.2, 0.8, 0.9, 0.9]),
        ),
        4: FoundBoxes(np.array([[0, 0, 20, 30]]), np.array([1.0])),
    }
    save_proposals(tmp_path / 'p.npz', found)
    save_proposals(tmp_path / 'p.json', found)
    return tmp_path


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    logger.setLevel('INFO')
    yield caplog
    logger.removeHandler(caplog.handler)


def make(folder, **options):
    options = {'vocabulary': WORDS, 'ann_file': 'captions.json', **options}
    return CaptionLabelDataset(data_root=str(folder), **options)


def labels(info):
    return [instance['bbox_label'] for instance in info['instances']]


def test_labels_are_the_words_of_all_captions_each_once(folder, log):
    dataset = make(folder)
    assert dataset.metainfo['classes'] == WORDS
    assert len(dataset) == 2
    infos = [dataset.get_data_info(i) for i in range(2)]
    assert [info['img_id'] for info in infos] == [7, 9]
    assert [labels(info) for info in infos] == [[0, 1, 3], [1]]
    assert all('bbox' not in inst for info in infos for inst in info['instances'])
    assert (infos[0]['height'], infos[0]['width']) == (20, 30)
    assert '2 of 3 images have one of the 4 words' in log.text
    assert 'no caption has 1 of the words: kite' in log.text


def test_all_images_stay_in_testing(folder):
    dataset = make(folder, test_mode=True)
    assert [labels(dataset.get_data_info(i)) for i in range(3)] == [[0, 1, 3], [], [1]]


def test_vocabulary_may_be_a_file_and_the_parser_another(folder):
    (folder / 'words.txt').write_text('dog\nsofa|couch\n')
    dataset = make(folder, vocabulary=str(folder / 'words.txt'))
    assert labels(dataset.get_data_info(0)) == [0, 1]
    dataset = make(folder, parser=dict(match='first'), vocabulary=('dog', 'hot dog'))
    assert labels(dataset.get_data_info(0)) == [0, 1]
    assert len(dataset) == 1


def test_sizes_come_from_the_images_where_the_captions_have_none(folder):
    entries = [{'image': '7.png', 'caption': 'A dog.'}]
    (folder / 'list.json').write_text(json.dumps(entries))
    info = make(folder, ann_file='list.json').get_data_info(0)
    assert (info['img_id'], info['height'], info['width']) == (7, 20, 30)


@pytest.mark.parametrize('name', ['p.npz', 'p.json'])
def test_proposals_are_cut_and_the_best_first(folder, name, log):
    dataset = make(folder, proposal_file=name)
    first, last = (dataset.get_data_info(i)['proposals'] for i in range(2))
    assert first['bboxes'].tolist() == [[0, 0, 30, 10], [5, 5, 15, 15]]
    assert first['scores'].tolist() == pytest.approx([0.8, 0.2])
    assert first['bboxes'].dtype == first['scores'].dtype == np.float32
    assert last['bboxes'].shape == (0, 4)
    assert 'no proposals of 1 of the 3 images' in log.text
    assert '9.png' in log.text


def test_the_pipeline_of_the_config_packs_labels_and_proposals(folder, root):
    cfg = Config.fromfile(root / 'configs/ovis/wspn_r50-dc5_90k_coco-captions.py')
    options = cfg.train_dataloader.dataset
    options.update(
        data_root=str(folder), ann_file='captions.json', data_prefix=dict(img=''),
        proposal_file='p.npz', vocabulary=list(WORDS),
    )  # fmt: skip
    flip = options.pipeline[3].transforms
    flip[0] = dict(type='Resize', scale=(60, 40), keep_ratio=True)
    flip[1].prob = 1.0
    dataset = DATASETS.build(options)
    sample = dataset[0]['data_samples']
    assert sample.gt_instances.labels.tolist() == [0, 1, 3]
    assert 'bboxes' not in sample.gt_instances
    assert sample.proposals.bboxes.tolist() == [[0, 0, 60, 20], [30, 10, 50, 30]]
    assert dataset[1]['data_samples'].proposals.bboxes.shape == (0, 4)


def test_coco_datasets_read_proposals_the_same_way(openshapes, tmp_path):
    found = {1: FoundBoxes(np.array([[1, 2, 9, 400.0]]), np.array([0.5]))}
    save_proposals(tmp_path / 'p.npz', found)
    dataset = CocoSplitDataset(
        data_root=str(openshapes), ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        proposal_file=str(tmp_path / 'p.npz'), is_class_agnostic=True,
    )  # fmt: skip
    assert dataset.get_data_info(0)['proposals']['bboxes'].tolist() == [[1, 2, 9, 96]]


class Trap:
    def __reduce__(self):
        return print, ('trapped',)


def test_broken_files_are_named_and_pickles_are_not_loaded(folder, capsys):
    with pytest.raises(ValueError, match=r'captions\.json: no caption of its 3 images'):
        make(folder, vocabulary=('zebra',))
    with pytest.raises(
        FileNotFoundError, match=r'no such file of proposals: .*none\.npz'
    ):
        make(folder, proposal_file='none.npz')
    save_proposals(folder / 'other.npz', {1: FoundBoxes(np.ones((0, 4)), np.ones(0))})
    with pytest.raises(ValueError, match='proposals of none of the 3 images'):
        make(folder, proposal_file='other.npz')
    (folder / 'p.pkl').write_bytes(pickle.dumps({'7.png': Trap()}))
    with pytest.raises(ValueError, match=r'p\.pkl'):
        make(folder, proposal_file='p.pkl')
    assert 'trapped' not in capsys.readouterr().out
