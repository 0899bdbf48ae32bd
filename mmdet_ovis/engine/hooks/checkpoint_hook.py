"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import BaseStorageBackend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...utils.io import atomic_write_text

POINTER = 'last_checkpoint'
"""The file that names the checkpoint to resume from."""


@HOOKS.register_module()
class DurableCheckpointHook(CheckpointHook):
    """mmengine's hook in an order that leaves something to resume from at any moment.

    mmengine 0.10.12 deletes the oldest checkpoint before it writes the new one. Here,
    in this order,

    1. the new checkpoint is written under a temporary name, flushed to disk and renamed
       (``mmdet_ovis.utils.mmengine_files``),
    2. ``last_checkpoint`` is pointed to it in the same way,
    3. checkpoints that are no longer kept are deleted, and the best one so far if there
       is a better.

    What a kill left behind, a temporary file or a checkpoint that was to be deleted, is
    removed when training goes on.

    Takes the arguments of :class:`mmengine.hooks.CheckpointHook`, except for
    ``file_client_args``, which mmengine has deprecated: it writes files in place.

    Raises:
        ValueError: If ``file_client_args`` is given.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.file_client_args is not None:
            raise ValueError(
                'DurableCheckpointHook takes backend_args instead of file_client_args'
            )

    def before_train(self, runner: Runner) -> None:
        """Find the folder, and clear away what a killed run left there."""
        super().before_train(runner)
        self.file_backend = _PatientBackend(self.file_backend)
        if is_main_process():
            for folder in {Path(self.out_dir), Path(runner.work_dir)}:
                _remove_leftovers(folder, runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save, then point to what was saved, then delete what is outdated."""
        self.last_ckpt = self._path_of(step)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        outdated = self._keep(step, runner)
        runner.save_checkpoint(
            self.out_dir,
            self.filename_tmpl.format(step),
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            atomic_write_text(Path(runner.work_dir, POINTER), self.last_ckpt)
            for old in outdated:
                self.file_backend.remove(self._path_of(old))
            self.file_backend.settle(keep=self._current())

    def _keep(self, step: int, runner: Runner) -> list[int]:
        """Add a step to those that are kept, and return those that no longer are.

        The list that is saved with the checkpoint still names them: if this run does
        not come to delete them, the one that goes on from the checkpoint does.
        """
        if self.max_keep_ckpts <= 0:
            return []
        steps = [*(kept for kept in self.keep_ckpt_ids if kept != step), step]
        runner.message_hub.update_info('keep_ckpt_ids', steps)
        self.keep_ckpt_ids.clear()
        self.keep_ckpt_ids.extend(steps)  # its length is limited: the oldest fall out
        return steps[: -self.max_keep_ckpts]

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best one; the one before goes when all that is written."""
        super()._save_best_checkpoint(runner, metrics)
        if self.save_best:
            self.file_backend.settle(keep=self._current())

    def _path_of(self, step: int) -> str:
        return self.file_backend.join_path(
            self.out_dir, self.filename_tmpl.format(step)
        )

    def _current(self) -> set[str | None]:
        """Return the files that a save has just written."""
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        return {self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best}


class _PatientBackend:
    """A file backend that deletes only when it is told that the time has come."""

    def __init__(self, backend: BaseStorageBackend) -> None:
        self._backend = backend
        self._doomed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        """Mark a file or folder for deletion."""
        self._doomed.append(path)

    rmtree = remove

    def settle(self, keep: Collection[str | None]) -> None:
        """Delete what is marked and still there, except what was written since."""
        for path in self._doomed:
            if path in keep:
                continue
            if self._backend.isdir(path):  # DeepSpeed's checkpoints are folders
                self._backend.rmtree(path)
            elif self._backend.isfile(path):
                self._backend.remove(path)
        self._doomed.clear()


def _remove_leftovers(folder: Path, runner: Runner) -> None:
    """Delete temporary files of checkpoints whose writing was cut short."""
    for name in ('*.pth', POINTER):
        for path in folder.glob(f'.{name}.*.part'):
            runner.logger.info('removed %s, left by a run that was killed', path)
            path.unlink()
