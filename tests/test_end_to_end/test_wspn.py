"""From captions and untrained proposals to a network that proposes."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config

from mmdet_ovis.apis.proposal_extraction import extract_proposals
from mmdet_ovis.apis.running import build_runner
from mmdet_ovis.pseudo_labels.proposals import read_proposals

GRID = dict(type='grid', top_k=20, nms_iou=None)


@pytest.fixture
def cfg(root, openshapes, tmp_path):
    """The network of the config, narrow, on the captions of OpenShapes."""
    cfg = Config.fromfile(root / 'configs/ovis/wspn_r50-dc5_90k_coco-captions.py')
    cfg.model.backbone.update(
        depth=18, base_channels=4, stem_channels=4, init_cfg=None, frozen_stages=-1,
        style='pytorch',
    )  # fmt: skip
    cfg.model.backbone.norm_cfg.requires_grad = True
    cfg.model.roi_head.bbox_roi_extractor.out_channels = 32
    cfg.model.roi_head.bbox_head.update(
        in_channels=32, fc_out_channels=16, num_classes=16
    )
    instances = 'annotations/instances_train.json'
    for loader, ann_file in (
        (cfg.train_dataloader, 'annotations/captions_train.json'),
        (cfg.val_dataloader, instances),
    ):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=f'{openshapes}/', ann_file=ann_file, data_prefix=dict(img='train')
        )
        loader.dataset.proposal_file = str(tmp_path / 'grid.npz')
    cfg.train_dataloader.dataset.vocabulary = str(openshapes / instances)
    cfg.val_evaluator.ann_file = str(openshapes / instances)
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
    for pipeline in (
        cfg.train_dataloader.dataset.pipeline,
        cfg.val_dataloader.dataset.pipeline,
    ):
        (broadcaster,) = (x for x in pipeline if x.type == 'ProposalBroadcaster')
        broadcaster.transforms[0] = dict(type='Resize', scale=(64, 64), keep_ratio=True)
    cfg.train_cfg.update(max_iters=3, val_interval=3)
    cfg.default_hooks.checkpoint.interval = 3
    cfg.work_dir = str(tmp_path / 'work')
    return cfg


def test_words_train_a_network_that_proposes(cfg, openshapes, tmp_path):
    captions = openshapes / 'annotations/captions_train.json'
    images = openshapes / 'train'
    given = extract_proposals(captions, images, GRID, tmp_path / 'grid.npz')
    assert given.n_images == 12
    runner = build_runner(cfg, 'wspn.py', None, 'none')
    runner.train()
    assert 0 <= runner.message_hub.get_scalar('val/coco/bbox_AR@50').current() <= 1
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())

    cfg.dump(tmp_path / 'wspn.py')
    provider = dict(
        type='wspn', config=str(tmp_path / 'wspn.py'), device='cpu',
        checkpoint=str(tmp_path / 'work/iter_3.pth'),
        inputs=dict(
            type='FileProposals', file=str(tmp_path / 'grid.npz'), nms_iou=None
        ),
    )  # fmt: skip
    extract_proposals(captions, images, provider, tmp_path / 'wspn.npz')
    found = read_proposals(tmp_path / 'wspn.npz')
    assert sorted(found) == list(range(1, 13))
    assert all(1 <= len(each.boxes) <= 50 for each in found.values())
