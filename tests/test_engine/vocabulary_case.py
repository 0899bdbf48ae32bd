"""A model with a vocabulary and what a runner needs around it, all tiny."""

from __future__ import annotations

import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmdet_ovis.models.layers.embedding_classifier import EmbeddingClassifier
from mmdet_ovis.models.layers.vocabulary_mixin import VocabularyMixin

VECTORS = {name: torch.eye(6)[i] for i, name in enumerate('abcdef')}


class Head(VocabularyMixin, nn.Module):
    """Looks its vectors up in a dict; the rest is what it inherits."""

    def __init__(self, embeddings: str | None = None) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.fc = nn.Linear(2, 6)
        self.classifier = EmbeddingClassifier(6)

    def _vectors(self, names, embeddings):
        missing = [name for name in names if name not in VECTORS]
        if embeddings is None and missing:
            raise ValueError(f'no text vectors of {missing}')
        if embeddings is not None:
            return embeddings
        return torch.stack([VECTORS[name] for name in names])

    def forward(self, x):
        return self.classifier(self.fc(x))


@MODELS.register_module(force=True)
class WordyModel(BaseModel):
    """Says which words it had in each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def forward(self, inputs, mode='tensor'):
        self.seen.append((mode, self.head.vocabulary))
        logits = self.head(torch.stack(inputs))
        if mode == 'loss':
            return dict(loss=logits.square().mean())
        return list(logits)


@DATASETS.register_module(force=True)
class WordyDataset(Dataset):
    """Images of two numbers."""

    def __init__(self, classes, number=4) -> None:
        self.metainfo = dict(classes=tuple(classes)) if classes else {}
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index):
        return dict(inputs=torch.tensor([float(index), 1.0]))


@METRICS.register_module(force=True)
class WordyMetric(BaseMetric):
    """Counts images and logits; knows the classes of its dataset."""

    def __init__(self, what='n', outfile_prefix=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.what = what
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch, data_samples) -> None:
        self.results += [len(logits) for logits in data_samples]

    def compute_metrics(self, results):
        assert len(set(results)) == 1
        return {
            f'{self.what}_images': len(results),
            f'{self.what}_logits': results[0],
            f'{self.what}_classes': len(self.dataset_meta['classes']),
        }


def loader(classes, number=4, **kwargs):
    return dict(
        dataset=dict(type='WordyDataset', classes=list(classes), number=number),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=2,
        num_workers=0,
        **kwargs,
    )


def make_runner(folder, name, hooks=None, **changes) -> Runner:
    """Two iterations of training, a validation after each."""
    cfg = dict(
        model=dict(type='WordyModel'),
        work_dir=str(folder),
        experiment_name=name,
        train_dataloader=loader('abc'),
        val_dataloader=loader('cdef', 6),
        test_dataloader=loader('ef', 2),
        train_cfg=dict(by_epoch=False, max_iters=2, val_interval=1),
        val_cfg=dict(),
        test_cfg=dict(),
        val_evaluator=dict(type='WordyMetric'),
        test_evaluator=dict(type='WordyMetric'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[dict(type='VocabularyHook')] if hooks is None else hooks,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
        ),
        default_scope='mmdet',
    )
    return Runner(**(cfg | changes))
