"""mmengine's runner with what this project promises added."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn

from ...utils.checkpoint import (
    CheckpointError,
    DamagedCheckpointError,
    check_state_dict,
    model_state,
)
from .resuming import alternative_to, check_pointer, check_training_state


@RUNNERS.register_module()
class OVISRunner(Runner):
    """Runner that also works distributed on CPUs and tests only what it was given.

    Processes talk through gloo where there is no GPU. A checkpoint that is tested or
    resumed from must have exactly the parameters of the model; with ``load_from`` in
    training, as usual, it may differ.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Set up the environment; without a GPU, join the group through gloo."""
        if self.distributed and not is_distributed() and _on_cpu():
            if self.launcher != 'pytorch':
                raise ValueError(
                    f"launcher '{self.launcher}' needs GPUs; on CPUs use "
                    "launcher 'pytorch' (tools/dist_train.sh)"
                )
            torch_dist.init_process_group(backend='gloo')
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model; on CPUs DDP takes no device ids and SyncBN does not exist."""
        if self.distributed and model_wrapper_cfg is None and _on_cpu():
            model = revert_sync_batchnorm(model)
            model_wrapper_cfg = dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            )
        return super().wrap_model(model_wrapper_cfg, model)

    def load_or_resume(self) -> None:
        """Load or resume, if that was asked for."""
        if self._resume and self._load_from is None and not self._has_loaded:
            check_pointer(self.work_dir)
        super().load_or_resume()

    def resume(self, filename: str, *args, **kwargs) -> None:
        """Go on from a checkpoint of this model that training has saved.

        Raises:
            FileNotFoundError: If it does not exist.
            DamagedCheckpointError: If it is damaged. Both name the newest whole
                checkpoint beside it.
            CheckpointError: If it is of another model, or holds weights only.
        """
        self._resume = True
        if '://' not in filename and not Path(filename).is_file():
            alternative = alternative_to(filename, self.work_dir)
            raise FileNotFoundError(f'no such checkpoint: {filename}; {alternative}')
        try:
            super().resume(filename, *args, **kwargs)
        except DamagedCheckpointError as error:
            alternative = alternative_to(filename, self.work_dir)
            raise DamagedCheckpointError(f'{error}; {alternative}') from None

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """Load a checkpoint; unless a new training starts from it, it must fit exactly.

        A model that takes weights of another one (``adapt_state_dict``) is tested with
        them and starts from them, but is not resumed.

        Raises:
            FileNotFoundError: If it does not exist.
            CheckpointError: If it cannot be read, or is of another model.
        """
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        state = model_state(checkpoint, filename)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        if not self._resume and hasattr(model, 'adapt_state_dict'):
            state = model.adapt_state_dict(state)
        if self._resume or not isinstance(self._train_loop, BaseLoop):
            check_state_dict(model, state, filename)
        elif not state.keys() & model.state_dict().keys():
            raise CheckpointError(
                f'{filename} has no parameter of the model that the config builds '
                f'({type(model).__name__})'
            )
        if self._resume:
            check_training_state(checkpoint, filename)
            if 'optimizer' not in checkpoint:
                self.logger.warning(
                    f'{filename} does not hold the state of the optimizer, which '
                    'starts afresh'
                )
        return checkpoint


def _on_cpu() -> bool:
    return get_device() == 'cpu' and not torch.cuda.is_available()
