"""Where a process stands, as torchrun and Slurm tell it."""

from __future__ import annotations

import os

import pytest
import torch

from mmdet_ovis.apis.extraction import launch
from mmdet_ovis.apis.extraction.launch import Place


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with 16 cores."""
    monkeypatch.setattr(launch, 'available_cores', lambda: 16)


def torchrun(rank=5, world_size=8, local_rank=1, local_world_size=4):
    names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE')
    values = (rank, world_size, local_rank, local_world_size)
    return dict(zip(names, map(str, values), strict=True))


def slurm(rank=5, world_size=8, local_rank=1, **more):
    names = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')
    values = (rank, world_size, local_rank)
    return dict(zip(names, map(str, values), strict=True)) | more


def test_without_a_launcher_a_process_has_the_machine_for_itself():
    assert Place.of('none', torchrun()) == Place(0, 1, 0, 1, cores=16)


def test_torchrun_shares_the_cores_among_the_processes_of_a_machine():
    assert Place.of('pytorch', torchrun()) == Place(5, 8, 1, 4, cores=4)
    many = torchrun(world_size=64, local_world_size=64)
    assert Place.of('pytorch', many).cores == 1
    # Slurm's share is that of the job, within which torchrun starts processes.
    inside = torchrun() | {'SLURM_CPUS_PER_TASK': '16'}
    assert Place.of('pytorch', inside).cores == 4


@pytest.mark.parametrize(
    ('variables', 'local', 'cores'),
    [
        ({'SLURM_STEP_TASKS_PER_NODE': '4(x2)'}, 4, 4),
        ({'SLURM_TASKS_PER_NODE': '2,8'}, 8, 2),
        ({'SLURM_TASKS_PER_NODE': '4(x3),2'}, 4, 4),
        ({'SLURM_STEP_TASKS_PER_NODE': '2', 'SLURM_TASKS_PER_NODE': '8'}, 2, 8),
        ({'SLURM_TASKS_PER_NODE': '4', 'SLURM_CPUS_PER_TASK': '5'}, 4, 5),
        ({'SLURM_TASKS_PER_NODE': '4', 'SLURM_CPUS_PER_TASK': '99'}, 4, 16),
        ({}, 1, 16),
    ],
)
def test_slurm_may_have_shared_the_cores_out(variables, local, cores):
    assert Place.of('slurm', slurm(**variables)) == Place(5, 8, 1, local, cores)


def test_one_core_stays_for_the_network():
    assert [Place(cores=n).workers for n in (1, 2, 5, 9, 64)] == [1, 1, 4, 8, 8]


def test_gpus_are_dealt_out_to_the_processes_of_a_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    devices = [Place(i, 4, i, 4).device for i in range(4)]
    assert devices == ['cuda:0', 'cuda:1', 'cuda:0', 'cuda:1']
    # Slurm may show each process its own GPU only.
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    assert Place(3, 4, 3, 4).device == 'cuda:0'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert Place(3, 4, 3, 4).device == 'cpu'


def test_a_process_of_no_launcher_is_told_what_to_use():
    with pytest.raises(ValueError, match=r'RANK, WORLD_SIZE, LOCAL_RANK; .*dist_ext'):
        Place.of('pytorch', {})
    with pytest.raises(ValueError, match=r'variables SLURM_LOCALID; .*slurm_extract'):
        Place.of('slurm', {'SLURM_PROCID': '0', 'SLURM_NTASKS': '2'})


def test_the_cores_of_this_machine_are_counted(monkeypatch):
    monkeypatch.undo()
    assert Place.of('none').cores == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, 'sched_getaffinity')
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert Place.of('none').cores == 1
