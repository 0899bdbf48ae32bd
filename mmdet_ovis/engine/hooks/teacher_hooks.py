"""What happens to teacher and student while the student learns.

Source: Huynh et al., *Open-Vocabulary Instance Segmentation via Robust Cross-Modal
Pseudo-Labeling* (CVPR 2022); the moving average is that of A. Tarvainen, H. Valpola,
*Mean teachers are better role models* (NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmdet.engine.hooks import MeanTeacherHook
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn


@HOOKS.register_module()
class NoiseFreezeHook(Hook):
    """Ends the learning of pixel noise.

    From then on the convolution that predicts it (``conv_noise`` of a
    ``NoisyFCNMaskHead``) does not change by a bit: neither gradients, nor momentum, nor
    weight decay move it. It stays part of the graph, so that processes that train
    together agree, and of the optimizer, so that checkpoints can be resumed from.

    Args:
        freeze_iter (int): Iterations that it learns for. Defaults to 10000.

    Raises:
        ValueError: If it is negative; in training, if no part of the model has
            ``conv_noise``.
    """

    priority = 'HIGH'  # before checkpoints are saved

    def __init__(self, freeze_iter: int = 10000) -> None:
        if freeze_iter < 0:
            raise ValueError(f'freeze_iter is not negative, but {freeze_iter}')
        self.freeze_iter = freeze_iter
        self._kept: list[tuple[nn.Parameter, Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """Find what is to be frozen; freeze it now if the time has passed."""
        heads = self._heads(runner)
        if not heads:
            raise ValueError(
                'NoiseFreezeHook finds no conv_noise that is trained in '
                f'{type(runner.model).__name__}; it belongs to a NoisyFCNMaskHead'
            )
        self._kept = []
        if runner.iter >= self.freeze_iter:
            self._freeze(heads)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Freeze when the time has come, and undo what the optimizer has done."""
        with torch.no_grad():
            for parameter, value in self._kept:
                parameter.copy_(value)
        if not self._kept and runner.iter + 1 >= self.freeze_iter:
            self._freeze(self._heads(runner))
            runner.logger.info('the pixel noise is learnt no more')

    def _heads(self, runner: Runner) -> list[nn.Module]:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return [
            module
            for module in model.modules()
            if hasattr(module, 'conv_noise') and module.conv_noise.weight.requires_grad
        ]

    def _freeze(self, heads: list[nn.Module]) -> None:
        for head in heads:
            head.noise_frozen = True
            self._kept += [
                (p, p.detach().clone()) for p in head.conv_noise.parameters()
            ]


@HOOKS.register_module()
class TeacherEMAHook(MeanTeacherHook):
    """``MeanTeacherHook`` for a teacher that has only some of the student's parts.

    Parameters are matched by name. Without this hook the teacher never changes.

    Args:
        **kwargs: Arguments of ``MeanTeacherHook``: ``momentum`` is in (0, 1);
            ``skip_buffer=False`` averages the statistics of normalisations, too.

    Raises:
        ValueError: If the momentum is out of its range; in training, if the model has
            no teacher and student.
    """

    def __init__(self, momentum: float = 0.001, **kwargs) -> None:
        if not 0 < momentum < 1:
            raise ValueError(f'momentum is in (0, 1), not {momentum}')
        super().__init__(momentum, **kwargs)

    def before_train(self, runner: Runner) -> None:
        """Insist on a teacher; in a new training it starts as the student."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, 'teacher') or not hasattr(model, 'student'):
            raise ValueError(
                f'TeacherEMAHook finds no teacher and student in {type(model).__name__}'
                '; they belong to a CrossModalPseudoLabel'
            )
        super().before_train(runner)

    def momentum_update(self, model: nn.Module, momentum: float) -> None:
        """Move the teacher's parameters towards the student's."""
        with torch.no_grad():
            for mine, theirs in self._pairs(model):
                mine.mul_(1 - momentum).add_(theirs, alpha=momentum)

    def _pairs(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Match tensors of the teacher with those of the student."""
        student = dict(model.student.named_parameters())
        for name, parameter in model.teacher.named_parameters():
            yield parameter, student[name]
        if self.skip_buffers:
            return
        buffers = dict(model.student.named_buffers())
        saved = model.teacher.state_dict()  # without the vectors of vocabularies
        for name, buffer in model.teacher.named_buffers():
            if name in saved and buffer.is_floating_point():
                yield buffer, buffers[name]
