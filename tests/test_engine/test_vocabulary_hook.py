"""The vocabulary of a model follows the datasets, and checkpoints know its origin."""

from __future__ import annotations

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from torch import nn
from torch.utils.data import Dataset
from vocabulary_case import Head, WordyDataset, WordyModel, loader, make_runner

from mmdet_ovis.engine.hooks.vocabulary_hook import VocabularyHook
from mmdet_ovis.engine.vocabulary import (
    check_text_spaces,
    class_names,
    set_vocabulary,
    text_spaces,
    using_vocabulary,
    vocabulary_heads,
)


class Pair(nn.Module):
    """A teacher and a student, and a head that has a head."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student = WordyModel(), WordyModel()
        self.outer = Head()
        self.outer.inner = Head()


def test_heads_are_found_wherever_they_are():
    assert list(vocabulary_heads(Pair())) == ['teacher.head', 'student.head', 'outer']
    head = Head()
    assert vocabulary_heads(head) == {'': head}
    assert vocabulary_heads(nn.Linear(1, 1)) == {}


def test_heads_are_found_in_a_distributed_model():
    class MMDataParallel(nn.DataParallel):
        pass

    wrapped = MMDataParallel(WordyModel())
    assert list(vocabulary_heads(wrapped)) == ['head']


def test_all_heads_are_switched_and_restored():
    pair = Pair()
    set_vocabulary(pair, ['a', 'b'])
    set_vocabulary(pair.student, ['c'])
    with using_vocabulary(pair, ['d', 'e', 'f']):
        for head in vocabulary_heads(pair).values():
            assert head.vocabulary == ('d', 'e', 'f')
    assert pair.teacher.head.vocabulary == pair.outer.vocabulary == ('a', 'b')
    assert pair.student.head.vocabulary == ('c',)
    with using_vocabulary(pair, ['x'], torch.ones(1, 6)):
        assert pair.outer.num_classes == 1
    assert pair.outer.num_classes == 2


def test_case_19_heads_are_restored_if_one_refuses():
    pair = Pair()
    set_vocabulary(pair, ['a', 'b'])
    pair.outer.classifier.embed_dim = 5
    with pytest.raises(ValueError, match='embed_dim'), using_vocabulary(pair, ['c']):
        pass
    assert pair.teacher.head.vocabulary == ('a', 'b')


def test_a_model_without_vocabulary_is_named():
    with pytest.raises(ValueError, match='Linear has no part with a vocabulary'):
        set_vocabulary(nn.Linear(1, 1), ['a'])


def test_datasets_without_classes_are_named():
    with pytest.raises(ValueError, match='the test set names no classes'):
        class_names({}, 'the test set')


# ---------------------------------------------------------------- runs


def test_case_19_each_stage_has_the_words_of_its_dataset(tmp_path):
    runner = make_runner(tmp_path, 'stages')
    runner.train()
    train, val = ('loss', tuple('abc')), ('predict', tuple('cdef'))
    assert runner.model.seen == 2 * [train, val, val, val]
    assert runner.model.head.vocabulary == tuple('abc')
    runner.model.seen.clear()
    runner.test()
    assert runner.model.seen == [('predict', tuple('ef'))]
    assert runner.model.head.vocabulary == tuple('abc')


def test_case_19_validation_changes_nothing_in_training(tmp_path):
    runner = make_runner(tmp_path, 'nothing')
    runner.train()
    features = torch.ones(1, 2)
    before = runner.model.head(features)
    assert before.shape == (1, 4)
    runner.val()
    assert torch.equal(runner.model.head(features), before)


@MODELS.register_module(force=True)
class CaptionedModel(WordyModel):
    """Learns words of captions, too."""

    caption_names = None

    def set_caption_vocabulary(self, names, words) -> None:
        self.caption_names, self.words = names, words
        self.seen.append(('captions', names))


@DATASETS.register_module(force=True)
class CaptionedDataset(WordyDataset):
    def __init__(self, caption_vocabulary=None, words=(), **kwargs) -> None:
        super().__init__(**kwargs)
        if caption_vocabulary is not None:
            self.metainfo['caption_vocabulary'] = tuple(caption_vocabulary)
        self.known_words = frozenset(words)


def captioned(words):
    train = loader('abc')
    train['dataset'].update(type='CaptionedDataset', caption_vocabulary=words)
    return dict(model=dict(type='CaptionedModel'), train_dataloader=train)


def test_words_of_captions_are_those_of_the_training_set(tmp_path):
    runner = make_runner(tmp_path, 'captions', **captioned(['x', 'y']))
    runner.train()
    model = runner.model
    assert model.caption_names == ('x', 'y')
    assert model.seen[0] == ('captions', ('x', 'y'))  # before the first iteration
    assert [entry for entry in model.seen if entry[0] == 'captions'] == model.seen[:1]
    assert model.head.vocabulary == tuple('abc')


@DATASETS.register_module(force=True)
class Wrapped(Dataset):
    """One dataset after another, as mmengine's wrappers hold them."""

    def __init__(self, dataset, more=()) -> None:
        self.dataset = DATASETS.build(dataset)
        self.datasets = [DATASETS.build(one) for one in more]
        self.metainfo = self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def test_words_of_captions_are_handed_on_from_wherever_they_are(tmp_path):
    changes = captioned(['x', 'y'])
    inner = changes['train_dataloader']['dataset']
    changes['train_dataloader']['dataset'] = dict(
        type='Wrapped',
        dataset=dict(type='Wrapped', dataset=inner | dict(words=['xs', 'why'])),
        more=[inner, inner | dict(words=['xs', 'ex'])],
    )
    runner = make_runner(tmp_path, 'wrapped', **changes)
    runner.train()
    assert runner.model.words == ['ex', 'why', 'xs']


@pytest.mark.parametrize('words', [None, []])
def test_words_of_captions_need_a_vocabulary(tmp_path, words):
    runner = make_runner(tmp_path, f'without{words}', **captioned(words))
    with pytest.raises(
        ValueError, match=r'CaptionedModel learns words .* names no caption_vocabulary'
    ):
        runner.train()


def test_words_of_captions_concern_nobody_else(tmp_path):
    runner = make_runner(
        tmp_path, 'plain', **captioned(['x']) | dict(model=dict(type='WordyModel'))
    )
    runner.train()
    assert runner.model.head.vocabulary == tuple('abc')


@pytest.mark.parametrize('stage', ['train', 'val', 'test'])
@pytest.mark.parametrize(
    ('classes', 'message'),
    [(['a', 'zebra'], 'zebra'), (['a', 'a'], 'given twice: a'), ([], 'no classes')],
)
def test_case_19_names_that_do_not_work_end_the_run(tmp_path, stage, classes, message):
    changes = {f'{stage}_dataloader': loader(classes)}
    runner = make_runner(tmp_path, f'{stage}{len(classes)}{message}', **changes)
    run = runner.test if stage == 'test' else runner.train
    with pytest.raises(ValueError, match=message):
        run()


def test_without_the_hook_the_message_names_it(tmp_path):
    runner = make_runner(tmp_path, 'without', hooks=[])
    with pytest.raises(ValueError, match="type='VocabularyHook'"):
        runner.train()


def test_registered():
    assert HOOKS.get('VocabularyHook') is VocabularyHook


# ---------------------------------------------------------------- text spaces


class Placed(Head):
    """A head that says where its vectors come from."""

    text_space = dict(
        dim=6, model_id='openai/clip', normalization='both', templates_hash='1f'
    )


def placed(**changes):
    model = WordyModel()
    model.head = Placed()
    model.head.text_space = Placed.text_space | changes
    return model


def test_checkpoints_record_the_text_space(tmp_path):
    runner = make_runner(tmp_path, 'record')
    runner.train()
    meta = torch.load(tmp_path / 'iter_2.pth', weights_only=False)['meta']
    assert meta['text_space'] == {'head': {'dim': 6}}
    state = torch.load(tmp_path / 'iter_2.pth', weights_only=False)['state_dict']
    assert set(state) == {'head.fc.weight', 'head.fc.bias'}


def test_a_checkpoint_of_another_text_space_is_refused(tmp_path):
    runner = make_runner(tmp_path, 'first')
    runner.model.head.text_space_ = None
    runner.train()
    path = tmp_path / 'iter_2.pth'
    other = make_runner(tmp_path / 'b', 'second', load_from=str(path))
    other.test()
    third = make_runner(tmp_path / 'c', 'third', load_from=str(path))
    third.model.head.classifier.embed_dim = 5
    with pytest.raises(ValueError, match='of dim 6 and now gets vectors of dim 5'):
        third.test()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(dim=768), 'dim 6 and now gets vectors of dim 768'),
        (dict(normalization='none'), "normalization 'both' and now gets"),
        (dict(model_id='bert-base-uncased'), "model_id 'openai/clip' and now gets"),
    ],
)
def test_text_spaces_that_differ_are_refused(changes, message):
    trained = text_spaces(placed())
    assert trained == {'head': Placed.text_space}
    with pytest.raises(ValueError, match=f'a.pth: head was trained .* {message}'):
        check_text_spaces(placed(**changes), trained, 'a.pth')
    student = {'teacher.head': trained['head']}  # the name does not hide it
    with pytest.raises(ValueError, match=message):
        check_text_spaces(placed(**changes), student, 'a.pth')


def test_text_spaces_that_fit_are_taken():
    trained = text_spaces(placed())
    for model in (
        placed(),
        placed(model_id='/data/models/clip'),  # a copy on disk
        placed(templates_hash='2e'),
        WordyModel(),  # knows its dimension only
    ):
        check_text_spaces(model, trained, 'a.pth')
    check_text_spaces(placed(), {}, 'older.pth')
    check_text_spaces(nn.Linear(1, 1), trained, 'a.pth')
