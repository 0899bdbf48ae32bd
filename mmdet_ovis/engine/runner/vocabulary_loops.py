"""Evaluation in several settings, each with its own words, images and metric."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmdet.registry import LOOPS
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop, ValLoop
from torch.utils.data import DataLoader

from ..vocabulary import class_names, using_vocabulary

MAIN = 'generalized'
"""Name of the setting that the config's own dataloader and evaluator describe."""


class Setting(NamedTuple):
    """One setting: what it is called, its data, and what judges the results."""

    name: str
    dataloader: DataLoader
    evaluator: Evaluator


class VocabularyLoopMixin:
    """Runs a loop of mmengine once for each setting.

    The main setting is that of the dataloader and the evaluator that the loop gets, as
    any loop does. Each further one is described by what differs from it. In each, the
    model has the classes of its dataset. The metrics of all settings are returned,
    logged and passed to hooks together, so their names have to differ.

    Args:
        runner (Runner): The runner.
        dataloader (dict): Of the main setting.
        evaluator (dict): Of the main setting: one metric.
        settings (Mapping[str, Mapping]): By name what differs: ``dataloader`` and
            ``evaluator``, which are merged into those of the main setting. A metric's
            ``outfile_prefix`` gets the name appended. Defaults to none.
        **kwargs: Arguments of the loop.

    Raises:
        ValueError: If a setting has other keys, there is nothing to merge it into, two
            settings give metrics of the same name, or the model has no vocabulary.
    """

    stage: str  # as hooks call it

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | Mapping[str, Any],
        evaluator: Evaluator | Mapping[str, Any] | list,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs,
    ) -> None:
        others = [
            _merge(name, dataloader, evaluator, changes)
            for name, changes in (settings or {}).items()
        ]
        # mmengine's loop builds data and metric; it is asked once for each setting.
        super().__init__(runner, dataloader, evaluator, **kwargs)
        self.settings = [Setting(MAIN, self.dataloader, self.evaluator)]
        for name, cfg in zip(settings or {}, others, strict=True):
            super().__init__(runner, cfg.dataloader, cfg.evaluator, **kwargs)
            self.settings.append(Setting(name, self.dataloader, self.evaluator))
        self._enter(self.settings[0])

    def run(self) -> dict[str, float]:
        """Evaluate in all settings.

        Returns:
            dict[str, float]: The metrics of all of them.
        """
        self.runner.call_hook(f'before_{self.stage}')
        self.runner.call_hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        metrics: dict[str, float] = {}
        try:
            for setting in self.settings:
                self._add(metrics, self._run_setting(setting), setting.name)
        finally:
            self._enter(self.settings[0])
        self.runner.call_hook(f'after_{self.stage}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{self.stage}')
        return metrics

    def _run_setting(self, setting: Setting) -> dict[str, float]:
        self._enter(setting)
        dataset = self.dataloader.dataset
        names = class_names(dataset.metainfo, f"the dataset of '{setting.name}'")
        self.runner.logger.info(
            "%s, setting '%s': %d classes, %d images",
            *(self.stage, setting.name, len(names), len(dataset)),
        )
        with using_vocabulary(self.runner.model, names):
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
        return self.evaluator.evaluate(len(dataset))

    @staticmethod
    def _add(metrics: dict[str, float], found: dict[str, float], name: str) -> None:
        if twice := sorted(found.keys() & metrics.keys()):
            raise ValueError(
                f"setting '{name}' gives {twice[0]}, as one before it does; give its "
                'metric another prefix'
            )
        metrics |= found

    def _enter(self, setting: Setting) -> None:
        self.dataloader, self.evaluator = setting.dataloader, setting.evaluator
        self.runner.visualizer.dataset_meta = self.dataloader.dataset.metainfo


@LOOPS.register_module()
class OVValLoop(VocabularyLoopMixin, ValLoop):
    """``ValLoop`` in several settings, see :class:`VocabularyLoopMixin`."""

    stage = 'val'


@LOOPS.register_module()
class OVTestLoop(VocabularyLoopMixin, TestLoop):
    """``TestLoop`` in several settings, see :class:`VocabularyLoopMixin`."""

    stage = 'test'


def _merge(
    name: str, dataloader: Any, evaluator: Any, changes: Mapping[str, Any]
) -> Config:
    """Describe a further setting in full."""
    if unknown := sorted(changes.keys() - {'dataloader', 'evaluator'}):
        raise ValueError(
            f"setting '{name}' has dataloader and evaluator, not {', '.join(unknown)}"
        )
    for what, main in (('dataloader', dataloader), ('evaluator', evaluator)):
        if not isinstance(main, Mapping):
            raise ValueError(
                f"setting '{name}' says what differs from the main {what}, which has "
                f'to be a dict (of one metric), not a {type(main).__name__}'
            )
    cfg = Config(copy.deepcopy(dict(dataloader=dataloader, evaluator=evaluator)))
    if cfg.evaluator.get('outfile_prefix'):
        cfg.evaluator.outfile_prefix += f'.{name}'
    cfg.merge_from_dict(copy.deepcopy(dict(changes)))
    return cfg
