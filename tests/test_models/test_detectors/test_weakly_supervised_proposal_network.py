"""The proposal network as a whole: what it needs, and in several processes."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch.nn.parallel import DistributedDataParallel

FORK = multiprocessing.get_context('fork')
CONFIG = 'configs/ovis/wspn_r50-dc5_90k_coco-captions.py'
BOXES = [[0.0, 0, 40, 40], [4, 4, 36, 40], [30, 20, 64, 60]]
STEPS = [(3, 2), (0, 3), (0, 0), (1, 0)]
"""Proposals of the image of either process."""


@pytest.fixture
def network(root):
    """The network of the config, narrow and of three words."""
    return tiny_network(root)


def tiny_network(root):
    cfg = Config.fromfile(root / CONFIG).model
    cfg.backbone.update(
        depth=18, base_channels=4, stem_channels=4, init_cfg=None, frozen_stages=-1,
        style='pytorch',
    )  # fmt: skip
    cfg.backbone.norm_cfg.requires_grad = True
    cfg.roi_head.bbox_roi_extractor.out_channels = 32
    cfg.roi_head.bbox_head.update(in_channels=32, fc_out_channels=16, num_classes=3)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg)
    model.init_weights()
    return model


def make_samples(numbers, labels=(0, 2)):
    samples = []
    for number in numbers:
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(64, 64), ori_shape=(32, 32), scale_factor=(2.0, 2.0),
                img_path='a.jpg',
            )
        )  # fmt: skip
        sample.gt_instances = InstanceData(labels=torch.tensor(labels).long())
        if number is not None:
            boxes = torch.tensor(BOXES[:number]).reshape(-1, 4)
            sample.proposals = InstanceData(bboxes=boxes, scores=torch.ones(number))
        samples.append(sample)
    return samples


def test_losses_and_detections_with_any_number_of_proposals(network):
    images = torch.randn(3, 3, 64, 64)
    losses = network.loss(images, make_samples((3, 0, 1)))
    assert set(losses) == {
        'loss_image', 'loss_refine0', 'loss_refine1', 'loss_refine2', 'loss_bbox'
    }  # fmt: skip
    network.eval()
    with torch.no_grad():
        found = network.predict(images, make_samples((3, 0, 1)))
    numbers = [len(sample.pred_instances) for sample in found]
    assert numbers[0] >= numbers[2] >= 1
    assert numbers[1] == 0
    for sample in found[::2]:
        assert sample.pred_instances.bboxes.max() <= 32  # the original image
    with torch.no_grad():
        (none,) = network.predict(images[:1], make_samples((0,)))
    assert len(none.pred_instances) == 0


def test_images_without_a_list_of_proposals_are_named(network):
    images = torch.randn(2, 3, 64, 64)
    for call in (network.loss, network.predict):
        with pytest.raises(
            ValueError, match=r'a\.jpg comes without proposals; set pro'
        ):
            call(images, make_samples((3, None)))


def _train(rank: int, folder: str, root, queue) -> None:
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    model = tiny_network(root)
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for numbers in STEPS:
        labels = (0, 2) if rank else ()
        samples = make_samples((numbers[rank],), labels)
        losses = wrapped(torch.randn(1, 3, 64, 64) + rank, samples, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    state = {k: v.tolist() for k, v in model.named_parameters()}
    queue.put((rank, state))
    dist.destroy_process_group()


def test_two_processes_stay_in_step(tmp_path, root):
    """At times one of them, or both, have no proposals; one never has a word."""
    queue = FORK.Queue()
    processes = [
        FORK.Process(target=_train, args=(rank, str(tmp_path), root, queue))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    states = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert states[0] == states[1]
