"""The vocabulary of a model follows the datasets."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..vocabulary import (
    caption_words_of,
    check_text_spaces,
    class_names,
    set_vocabulary,
    text_spaces,
    using_vocabulary,
)


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Installs the class names of each dataset in the model that works on it.

    Training, validation and test each have the classes of their own dataset
    (``metainfo['classes']``), and after validation and test the model has those of
    before. The heads look the text vectors up; a name without vector, or one that is
    given twice, ends the run before its first iteration. A model that learns words of
    captions (it has ``set_caption_vocabulary``) also gets ``caption_vocabulary`` of the
    training set, and the words themselves (``known_words`` of the datasets in it),
    which it may have to look up.

    Checkpoints record where the text vectors come from (``meta['text_space']``): one
    that was trained with vectors of another text encoder, dimension or normalisation is
    refused, whether it is tested, resumed or loaded for a new training.
    """

    priority = 'VERY_HIGH'  # other hooks find the vocabulary in place

    def __init__(self) -> None:
        self._evaluation = ExitStack()

    def before_train(self, runner: Runner) -> None:
        """Install the names of the training set."""
        names = _names(runner.train_dataloader, 'the training set')
        set_vocabulary(runner.model, names)
        self._set_caption_vocabulary(runner)
        runner.logger.info('vocabulary of the training: %s', _shorten(names))

    def before_val(self, runner: Runner) -> None:
        """Install the names of the validation set."""
        self._enter(runner, runner.val_dataloader, 'the validation set')

    def after_val(self, runner: Runner) -> None:
        """Restore the vocabulary of before."""
        self._evaluation.close()

    def before_test(self, runner: Runner) -> None:
        """Install the names of the test set."""
        self._enter(runner, runner.test_dataloader, 'the test set')

    def after_test(self, runner: Runner) -> None:
        """Restore the vocabulary of before."""
        self._evaluation.close()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Record where the text vectors come from."""
        checkpoint['meta']['text_space'] = text_spaces(runner.model)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse weights that were trained in another text space.

        Raises:
            ValueError: If they were.
        """
        trained = (checkpoint.get('meta') or {}).get('text_space', {})
        check_text_spaces(runner.model, trained, 'the checkpoint')

    def _set_caption_vocabulary(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not callable(getattr(model, 'set_caption_vocabulary', None)):
            return
        metainfo = getattr(runner.train_dataloader.dataset, 'metainfo', {})
        names = tuple(metainfo.get('caption_vocabulary', ()))
        if not names:
            raise ValueError(
                f'{type(model).__name__} learns words of captions, but the training '
                'set names no caption_vocabulary; set words_file of the dataset to a '
                'file of tools/cmpl/parse_captions.py'
            )
        words = caption_words_of(runner.train_dataloader.dataset)
        model.set_caption_vocabulary(names, sorted(words))
        runner.logger.info('vocabulary of the captions: %s', _shorten(names))

    def _enter(self, runner: Runner, dataloader: DataLoader, what: str) -> None:
        self._evaluation.close()  # of an evaluation that broke off
        self._evaluation.enter_context(
            using_vocabulary(runner.model, _names(dataloader, what))
        )


def _names(dataloader: DataLoader, what: str) -> tuple[str, ...]:
    dataset: Any = dataloader.dataset
    return class_names(getattr(dataset, 'metainfo', {}), what)


def _shorten(names: tuple[str, ...], limit: int = 10) -> str:
    more = f', ... ({len(names)} in all)' if len(names) > limit else ''
    return ', '.join(names[:limit]) + more
