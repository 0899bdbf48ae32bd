"""Where a process stands among those that torchrun or Slurm have started with it.

No process group is made. The processes of an extraction share nothing but a folder, so
one that is late, fails or is killed never keeps the others waiting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from mmengine.device import get_device

from ...utils.parallel import available_cores

LAUNCHERS = ('none', 'pytorch', 'slurm')
_MAX_WORKERS = 8


@dataclass(frozen=True)
class Place:
    """One of several processes.

    Args:
        rank (int): Its number, from 0.
        world_size (int): How many there are.
        local_rank (int): Its number on its machine, from 0.
        local_world_size (int): How many there are on its machine.
        cores (int): Processor cores that it may use.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    cores: int = 1

    @classmethod
    def of(cls, launcher: str, environ: Mapping[str, str] = os.environ) -> Place:
        """Read what a launcher tells its processes.

        Args:
            launcher (str): ``'none'``, ``'pytorch'`` (torchrun) or ``'slurm'`` (srun).
            environ (Mapping): The environment.

        Returns:
            Place: The only process if there is no launcher.

        Raises:
            ValueError: If the process was not started by that launcher.

        Examples:
            >>> torchrun = {'RANK': '5', 'WORLD_SIZE': '8', 'LOCAL_RANK': '1',
            ...             'LOCAL_WORLD_SIZE': '4'}
            >>> place = Place.of('pytorch', torchrun)
            >>> place.rank, place.world_size, place.local_rank, place.local_world_size
            (5, 8, 1, 4)
        """
        if launcher == 'none':
            return cls(cores=available_cores())
        names, tool = _VARIABLES[launcher]
        missing = [name for name in names if not environ.get(name, '').isdigit()]
        if missing:
            raise ValueError(
                f'--launcher {launcher} needs the variables {", ".join(missing)}; '
                f'start the processes with {tool}'
            )
        rank, world_size, local_rank = (int(environ[name]) for name in names)
        if launcher == 'slurm':
            local = _tasks_per_node(environ)
            given = environ.get('SLURM_CPUS_PER_TASK', '')
        else:
            local, given = int(environ.get('LOCAL_WORLD_SIZE', world_size)), ''
        # Slurm may have shared the cores out already.
        available = available_cores()
        cores = int(given) if given.isdigit() else available // local
        return cls(rank, world_size, local_rank, local, max(1, min(cores, available)))

    @property
    def device(self) -> str:
        """Where the network of this process runs: the GPUs are dealt out in turn."""
        if self.world_size > 1 and torch.cuda.is_available():
            return f'cuda:{self.local_rank % torch.cuda.device_count()}'
        return get_device()

    @property
    def workers(self) -> int:
        """How many workers suit its cores: one of them stays for the network."""
        return max(1, min(_MAX_WORKERS, self.cores - 1))


_VARIABLES = {
    'pytorch': (('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), 'tools/dist_extract.sh'),
    'slurm': (
        ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
        'tools/slurm_extract.sh',
    ),
}


def _tasks_per_node(environ: Mapping[str, str]) -> int:
    """Read Slurm's tasks a node, such as ``4``, ``8(x2)`` or ``4(x3),2``: the most."""
    names = ('SLURM_STEP_TASKS_PER_NODE', 'SLURM_TASKS_PER_NODE')
    text = next((environ[name] for name in names if environ.get(name)), '1')
    return max(int(number) for number in re.findall(r'(\d+)(?:\(x\d+\))?', text))
