"""mmengine's runner with what this project promises added."""

from __future__ import annotations

import torch
import torch.distributed as torch_dist
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn

from ...utils.checkpoint import check_state_dict


@RUNNERS.register_module()
class OVISRunner(Runner):
    """Runner that also works distributed on CPUs and tests only what it was given.

    Processes talk through gloo where there is no GPU. A checkpoint that is tested must
    have exactly the parameters of the model; with ``load_from`` in training, as usual,
    it may differ.
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

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """Load a checkpoint; outside training it must fit the model exactly.

        Raises:
            CheckpointError: If it cannot be read, or is of another model.
        """
        training = isinstance(self._train_loop, BaseLoop)
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if not training:
            model = self.model.module if is_model_wrapper(self.model) else self.model
            check_state_dict(model, checkpoint.get('state_dict', checkpoint), filename)
        return checkpoint


def _on_cpu() -> bool:
    return get_device() == 'cpu' and not torch.cuda.is_available()
