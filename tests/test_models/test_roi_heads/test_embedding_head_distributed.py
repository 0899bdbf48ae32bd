"""Processes that train together stay together, whatever each of them sees."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import torch
import torch.distributed as dist
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from torch.nn.parallel import DistributedDataParallel

from mmdet_ovis.models.roi_heads.bbox_heads.embedding_bbox_head import EmbeddingBBoxHead

FORK = multiprocessing.get_context('fork')
STEPS = [(5, (3, 2)), (65, (3, 0)), (5, (0, 0)), (1, (0, 4))]
"""Words, and samples of either process."""


class Result:
    """A sampling result of negatives alone."""

    def __init__(self, number: int) -> None:
        self.pos_priors = self.pos_gt_bboxes = torch.zeros(0, 4)
        self.pos_gt_labels = torch.zeros(0).long()
        self.neg_priors = torch.tensor([[0.0, 0, 8, 8]]).repeat(number, 1)
        self.priors = self.neg_priors


class Losses(torch.nn.Module):
    """Forward and losses in one, as detectors have them."""

    def __init__(self) -> None:
        super().__init__()
        options = dict(logit_mode='cosine', bg_mode='learned', logit_scale='learn')
        self.head = EmbeddingBBoxHead(
            embed_dim=6, in_channels=2, roi_feat_size=3, num_shared_fcs=1, **options
        )

    def forward(self, features):
        logits, boxes = self.head(features)
        result = Result(len(features))
        losses = self.head.loss_and_target(
            logits, boxes, bbox2roi([result.priors]), [result],
            ConfigDict(pos_weight=-1),
        )  # fmt: skip
        return losses['loss_bbox']


def _train(rank: int, folder: str, queue) -> None:
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    torch.manual_seed(0)
    model = Losses()
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for words, samples in STEPS:
        vectors = torch.randn(words, 6, generator=torch.Generator().manual_seed(words))
        model.head.set_vocabulary([f'word {i}' for i in range(words)], vectors)
        losses = wrapped(torch.randn(samples[rank], 2, 3, 3) + rank)
        assert {'loss_cls', 'loss_bbox'} <= losses.keys()
        optimizer.zero_grad()
        (losses['loss_cls'] + losses['loss_bbox']).backward()
        optimizer.step()
    queue.put((rank, {k: v.tolist() for k, v in model.state_dict().items()}))
    dist.destroy_process_group()


def test_two_processes_stay_in_step(tmp_path):
    """Each has other samples, at times none, and the vocabulary changes."""
    queue = FORK.Queue()
    processes = [
        FORK.Process(target=_train, args=(rank, str(tmp_path), queue))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    states = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert states[0] == states[1]
    torch.manual_seed(0)
    before = Losses().state_dict()
    assert before['head.fc_emb.weight'].tolist() != states[0]['head.fc_emb.weight']
