"""Every config builds, trains one step and predicts on a CPU."""

from __future__ import annotations

import copy
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmdet_ovis.engine.vocabulary import set_vocabulary, vocabulary_heads
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from pa_lib import GroupingConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path.relative_to(ROOT / 'configs').as_posix()
    for path in (ROOT / 'configs').glob('*/*.py')
    if path.parent.name != '_base_'
    and not re.search('generate|image_text|pretrain', path.stem)
)
"""All but those of other jobs, which have tests of their own beside this one."""

HEIGHT, WIDTH = 64, 96
NORMS = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm)


_TRIED: set[str] = set()
"""Networks that have trained and predicted."""


CAPTIONED = {'CaptionedOVCocoDataset'}
"""Data sets whose images come with the words of their captions."""

OPEN_VOCABULARY = {'OVCocoDataset', 'OVPseudoLabelCocoDataset', *CAPTIONED}
"""Data sets whose classes the model has to be given by name."""

CLASSES_OF_FILES = {'OVCocoDataset', 'CaptionLabelDataset', *CAPTIONED}
"""Data sets whose classes are those of an annotation file or a vocabulary."""


@functools.cache
def _parse(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


def _load(name: str) -> Config:
    """Parsing takes most of the time of short tests, so it is done once."""
    init_default_scope('mmdet')
    return copy.deepcopy(_parse(name))


def _sample(with_proposals: bool = False) -> DetDataSample:
    masks = np.zeros((2, HEIGHT, WIDTH), dtype=np.uint8)
    masks[0, 8:40, 10:50] = 1
    masks[1, 20:60, 55:90] = 1
    shape = (HEIGHT, WIDTH)
    sample = DetDataSample(
        metainfo=dict(
            img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape,
            scale_factor=(1.0, 1.0), img_id=1,
            caption_words=['word 50', 'word 51'], caption_labels=[0, 1], has_gt=True,
        )
    )  # fmt: skip
    boxes = torch.tensor([[10.0, 8, 50, 40], [55, 20, 90, 60]])
    sample.gt_instances = InstanceData(
        bboxes=HorizontalBoxes(boxes),
        labels=torch.zeros(2, dtype=torch.long),
        masks=BitmapMasks(masks, HEIGHT, WIDTH),
        loss_weights=torch.tensor([1.0, 0.5]),
    )
    sample.ignored_instances = InstanceData(bboxes=HorizontalBoxes(torch.zeros(0, 4)))
    if with_proposals:
        boxes = torch.cat([boxes + 2, torch.tensor([[0.0, 0, WIDTH, HEIGHT]])])
        sample.proposals = InstanceData(bboxes=boxes, scores=torch.ones(len(boxes)))
    return sample


def _small(model: dict) -> dict:
    """Without downloaded weights, and with few detections: untrained ones are many."""
    model = Config(dict(model=model)).model
    detector = _detector(model)
    detector.backbone.init_cfg = None
    if (detector.get('roi_head') or {}).get('shared_head'):
        detector.roi_head.shared_head.init_cfg = None
    if detector.get('roi_head'):
        detector.test_cfg.rcnn.max_per_img = 20
        if detector.roi_head.bbox_head.get('embeddings'):
            # Untrained, each of 65 words gets 1/66.
            detector.test_cfg.rcnn.score_thr = 0.01
            detector.test_cfg.rpn.max_per_img = 50
    return model


def _detector(model: dict) -> dict:
    """What finds objects: the model, or what student and teacher are made of."""
    return model.get('detector') or model


def _make_bank(path: Path, dim: int) -> Path:
    """A text embedding bank with more words than any data set here has classes."""
    vectors = np.random.default_rng(0).normal(size=(80, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f'word {i}' for i in range(80))
    TextEmbeddingBank(names, vectors, normalization='both').save(path)
    return path


def _set_words(model: torch.nn.Module, folder: Path, number: int) -> None:
    """What ``VocabularyHook`` does before training and testing."""
    heads = vocabulary_heads(model)
    for head in heads.values():
        bank = _make_bank(folder / 'bank.npz', head.classifier.embed_dim)
        head.embeddings = str(bank)
    if heads:
        set_vocabulary(model, [f'word {i}' for i in range(number)])
    if hasattr(model, 'set_caption_vocabulary'):
        model.set_caption_vocabulary([f'word {i}' for i in range(50, 80)])


@pytest.mark.parametrize('name', CONFIGS)
def test_builds_trains_and_predicts(name, tmp_path):
    """Configs that differ in the data alone share one run of their network.

    Open-vocabulary models train with 48 words, and predict with 65.
    """
    torch.manual_seed(0)
    cfg = _load(name)
    network = json.dumps(cfg.model.to_dict(), sort_keys=True, default=repr)
    network = re.sub(r'"embeddings": "[^"]*"', '', network)  # they are replaced here
    model = revert_sync_batchnorm(MODELS.build(_small(cfg.model)))
    if network in _TRIED:
        return
    model.init_weights()
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)
    # Two-stage detectors without an RPN get their proposals with the images.
    of_others = bool(cfg.model.get('roi_head')) and not cfg.model.get('rpn_head')
    samples = [_sample(of_others), _sample(of_others)]
    data = dict(inputs=[image, image.flip(-1)], data_samples=samples)

    _set_words(model, tmp_path, 48)
    model.train()
    batch = model.data_preprocessor(data, True)
    losses = model.loss(batch['inputs'], batch['data_samples'])
    loss, _ = model.parse_losses(losses)
    assert torch.isfinite(loss)
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads
    assert all(torch.isfinite(grad).all() for grad in grads)

    _set_words(model, tmp_path, 65)
    model.eval()
    with torch.no_grad():
        batch = model.data_preprocessor(data, False)
        results = model.predict(batch['inputs'], batch['data_samples'])
    assert len(results) == 2
    for result in results:
        if 'pred_affinity' in result:
            affinity = result.pred_affinity.data
            assert affinity.shape[-2:] == (HEIGHT, WIDTH)
            assert 0 <= affinity.min() <= affinity.max() <= 1
        else:
            found = result.pred_instances
            assert len(found)
            assert found.bboxes.shape == (len(found), 4)
            if (_detector(cfg.model).get('roi_head') or {}).get('mask_head'):
                assert found.masks.shape == (len(found), HEIGHT, WIDTH)
    _TRIED.add(network)


def _hooks(cfg: Config) -> set[str]:
    return {hook.type for hook in cfg.get('custom_hooks', [])}


def _innermost(dataset):
    """The first of concatenated datasets, without what repeats its images."""
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset.get('dataset') or dataset.datasets[0]
    return dataset


@pytest.mark.parametrize('name', CONFIGS)
def test_has_all_that_a_runner_needs(name):
    cfg = _load(name)
    for key in ('train_dataloader', 'test_dataloader', 'test_evaluator', 'train_cfg'):
        assert key in cfg, f'{name} lacks {key}'
    assert cfg.runner_type == 'OVISRunner'
    dataset = _innermost(cfg.train_dataloader.dataset)
    # Which of their classes are labelled, or where the classes come from.
    assert dataset.get('train_class') or dataset.type in CLASSES_OF_FILES
    assert ('VocabularyHook' in _hooks(cfg)) == (dataset.type in OPEN_VOCABULARY)


@pytest.mark.parametrize('name', CONFIGS)
def test_ablations_stay_short(name):
    text = (ROOT / 'configs' / name).read_text()
    assert len(text.splitlines()) <= 85
    if '_no-' in name:
        assert len(text.splitlines()) <= 10


def test_extraction_reads_the_training_images():
    for name in CONFIGS:
        if 'pa_extract' in name and 'imagenet' not in name:
            cfg = _load(name)
            train, test = cfg.train_dataloader.dataset, cfg.test_dataloader.dataset
            for key in ('data_root', 'ann_file', 'data_prefix', 'train_class'):
                assert test[key] == train[key], f'{name}: {key}'
            assert test.test_mode is False
            assert cfg.pa_to_masks


def test_extraction_groups_as_ggn_does():
    grouping = _load('pairwise_affinity/pa_extract.py').pa_to_masks
    expected = GroupingConfig.ggn(spectral='pixels')
    assert GroupingConfig.from_dict(grouping) == expected


def test_pseudo_configs_differ_from_their_baseline_in_the_training_set_only():
    for name in CONFIGS:
        if re.search(r'mask_rcnn_pa(_mobilenet-v2)?\.py$', name):
            ggn, baseline = _load(name), _load(name.replace('_pa', '', 1))
            dataset = ggn.train_dataloader.dataset
            assert dataset.type == 'PseudoLabelCocoDataset'
            for key in ('model', 'optim_wrapper', 'train_cfg', 'test_dataloader'):
                assert ggn[key] == baseline[key], f'{name}: {key}'


@pytest.mark.parametrize('name', ['random', 'containment', 'score-weight'])
def test_ablations_of_ggn_change_one_thing(name):
    ggn = _load('mask_rcnn/class_agn_mask_rcnn_pa.py')
    cfg = _load(f'mask_rcnn/class_agn_mask_rcnn_pa_{name}.py')
    for key in ('optim_wrapper', 'train_cfg', 'param_scheduler', 'test_dataloader'):
        assert cfg[key] == ggn[key]
    dataset, before = cfg.train_dataloader.dataset, ggn.train_dataloader.dataset
    changed = {key for key in dataset if dataset[key] != before.get(key)}
    if name == 'score-weight':
        assert changed == {'score_weight', 'pipeline'}
    else:
        assert len(changed) == 1
        assert cfg.model == ggn.model


def test_networks_from_random_weights_are_not_frozen():
    for name in CONFIGS:
        backbone = _detector(_load(name).model).backbone
        if backbone.get('init_cfg') is None:
            assert backbone.frozen_stages == -1, name


def test_group_normalisation_is_everywhere():
    """But in the FPN, the RPN and the two linear layers of the box head."""
    names = ('mask_rcnn/class_agn_mask_rcnn_gn.py', 'pairwise_affinity/pa_train_gn.py')
    for name in names:
        model = MODELS.build(_load(name).model)
        norms = [m for m in model.modules() if isinstance(m, NORMS)]
        assert norms
        for norm in norms:
            assert isinstance(norm, torch.nn.GroupNorm)
            assert norm.num_groups == 32
