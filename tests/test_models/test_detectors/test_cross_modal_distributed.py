"""Students that train together stay together, whatever each process sees."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from cmpl_case import (
    combine,
    compute_losses,
    counted,
    fix_randomness,
    images,
    make_model,
    make_sample,
    total,
)
from torch.nn.parallel import DistributedDataParallel

FORK = multiprocessing.get_context('fork')
BATCH = [
    make_sample(['dog', 'bus']),
    make_sample(['cat'], [[30.0, 20, 90, 80], [5, 5, 40, 40]], [1, 0]),
]
GT, CAPTIONS, BOTH, NEITHER = (
    dict(),
    dict(words=['dog', 'cat'], boxes=None),
    dict(words=['bus', 'man']),
    dict(boxes=None),
)
STEPS = [
    (GT, CAPTIONS), (BOTH, NEITHER), (NEITHER, GT), (CAPTIONS, CAPTIONS),
    (NEITHER, NEITHER), (CAPTIONS, BOTH),
]  # fmt: skip
"""What either process sees."""


def _run(model, rank: int, folder: str, queue) -> None:
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    wrapped = DistributedDataParallel(model)
    with counted(model.student.roi_head) as numbers:
        losses = compute_losses(wrapped, images(2)[rank : rank + 1], [BATCH[rank]])
    first = {name: loss.sum().item() for name, loss in losses.items()}
    total(losses).backward()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01
    )
    keys = set()
    for step, kinds in enumerate(STEPS):
        torch.manual_seed(10 * step + rank)
        sample = make_sample(**kinds[rank])
        losses = compute_losses(wrapped, images(1, 10 * step + rank), [sample])
        keys.add(tuple(sorted(losses)))
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    queue.put((rank, first, numbers, keys, state))
    dist.destroy_process_group()


@pytest.fixture
def model(monkeypatch):
    """The noise weighs nothing: each process has its own mean level."""
    fix_randomness(monkeypatch)
    weighting = dict(mode='constant', value=1.0)
    return make_model(semi_train_cfg=dict(weighting=weighting))


def test_cmpl_case_16_two_processes(model, tmp_path):
    queue = FORK.Queue()
    processes = [
        FORK.Process(target=_run, args=(model, rank, str(tmp_path), queue))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    results = sorted(
        (queue.get(timeout=120) for _ in processes), key=lambda result: result[0]
    )
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    # One process with both images has the losses of both processes.
    alone = compute_losses(model, images(2), BATCH)
    (_, *first), (_, *second) = results
    numbers = {kind: first[1][kind] + second[1][kind] for kind in first[1]}
    for key, expected in combine([first[0], second[0]], numbers).items():
        assert alone[key].sum().item() == pytest.approx(expected, abs=1e-5), key
    # Whatever they see, they have the same keys and parameters.
    assert first[2] == second[2]
    assert len(first[2]) == 1
    assert first[3] == second[3]
    before = model.state_dict()
    learnt = {
        name for name, value in first[3].items() if before[name].tolist() != value
    }
    assert learnt == {n for n, p in model.named_parameters() if p.requires_grad}
