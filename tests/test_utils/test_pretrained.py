"""Models of the transformers library load strictly, and errors name folder and fix."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import sys
import types

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmdet_ovis.utils import packages, pretrained
from mmdet_ovis.utils.checkpoint import CheckpointError
from mmdet_ovis.utils.packages import MissingPackageError
from mmdet_ovis.utils.pretrained import load_network, load_tokenizer

WEIGHTS = 'model.safetensors'


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    import transformers

    folder = tmp_path_factory.mktemp('saved')
    config = transformers.BertConfig(
        vocab_size=9,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
    )
    transformers.BertModel(config).half().save_pretrained(folder)
    pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'dog']
    (folder / 'vocab.txt').write_text('\n'.join(pieces) + '\n')
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(saved, tmp_path / 'model')


def change_weights(folder, change):
    state = load_file(folder / WEIGHTS)
    change(state)
    save_file(state, folder / WEIGHTS, metadata={'format': 'pt'})


def test_weights_are_loaded_in_single_precision(saved):
    network = load_network('BertModel', saved)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    state = load_file(saved / WEIGHTS)
    name = 'embeddings.word_embeddings.weight'
    assert torch.equal(network.state_dict()[name], state[name].float())


def test_parameters_beyond_the_model_are_nothing_to_warn_of(folder):
    """As in files of CLIP, of which the text tower is taken alone."""
    import transformers

    change_weights(folder, lambda state: state.update(other=torch.zeros(1)))
    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = said.append
    logger = transformers.logging.get_logger()
    before = transformers.logging.get_verbosity()
    logger.addHandler(handler)
    try:
        load_network('BertModel', folder)
    finally:
        logger.removeHandler(handler)
    assert said == []
    assert transformers.logging.get_verbosity() == before


def test_older_files_without_code_are_loaded(folder):
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(state, folder / 'pytorch_model.bin')
    load_network('BertModel', folder)


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_code_is_refused(folder, tmp_path):
    (folder / WEIGHTS).unlink()
    torch.save({'a': Trap(tmp_path / 'sprung')}, folder / 'pytorch_model.bin')
    with pytest.raises(CheckpointError, match=r'holds more than weights.*safetensors'):
        load_network('BertModel', folder)
    assert not (tmp_path / 'sprung').exists()


def test_missing_parameters_are_refused(folder):
    change_weights(folder, lambda state: state.pop('pooler.dense.bias'))
    with pytest.raises(
        CheckpointError, match=r'lacks parameters of BertModel, 1 in all'
    ):
        load_network('BertModel', folder)


def test_parameters_of_another_shape_are_refused(folder):
    def cut(state):
        state['pooler.dense.bias'] = torch.zeros(3)

    change_weights(folder, cut)
    with pytest.raises(
        CheckpointError, match=r'another shape .*: pooler\.dense\.bias;'
    ):
        load_network('BertModel', folder)


def test_another_architecture_is_refused(folder):
    with pytest.raises(CheckpointError, match="of type 'bert', CLIPModel needs 'clip'"):
        load_network('CLIPModel', folder)


@pytest.mark.parametrize('name', ['config.json', WEIGHTS])
def test_truncated_files_are_refused(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match='has no model that can be loaded'):
        load_network('BertModel', folder)


def test_files_that_are_missing(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match='has no model that can be loaded'):
        load_network('BertModel', folder)
    (folder / 'config.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'has no config\.json'):
        load_network('BertModel', folder)


@pytest.mark.parametrize('name', ['/nowhere/blip', './nowhere', 'a/b/c', '~/nowhere'])
def test_folders_that_do_not_exist(name):
    with pytest.raises(FileNotFoundError, match=f'no such folder with a model: {name}'):
        load_network('BertModel', name)
    with pytest.raises(FileNotFoundError, match='no such folder with a model'):
        load_tokenizer(name, 9)


def test_hub_names_are_not_taken_for_folders(monkeypatch):
    """Offline mode is read by the hub library when it is imported."""
    asked = []

    def refuse(*args, **kwargs):
        asked.append((args, kwargs))
        raise OSError('We are offline.\nMore about that.')

    import transformers

    monkeypatch.setattr(transformers.AutoConfig, 'from_pretrained', refuse)
    with pytest.raises(CheckpointError, match=r'no/model .*\(We are offline\); it has'):
        load_network('BertModel', 'no/model')
    (((), kwargs),) = asked
    assert kwargs['pretrained_model_name_or_path'] == 'no/model'
    assert not {'local_files_only'} & kwargs.keys()
    assert kwargs['trust_remote_code'] is False


def test_folders_never_ask_the_network(monkeypatch, saved):
    import transformers

    asked = []
    load = transformers.AutoConfig.from_pretrained

    def listen(*args, **kwargs):
        asked.append(kwargs['local_files_only'])
        return load(*args, **kwargs)

    monkeypatch.setattr(transformers.AutoConfig, 'from_pretrained', listen)
    load_network('BertModel', saved)
    assert asked == [True]


def test_tokenizer(saved):
    tokenizer = load_tokenizer(saved, 9)
    encoded = tokenizer('a dog', return_offsets_mapping=True)
    assert encoded['input_ids'] == [2, 5, 6, 3]
    assert encoded['offset_mapping'][2] == (2, 5)


def test_tokenizers_that_do_not_serve(folder):
    with pytest.raises(CheckpointError, match='knows 7 tokens, the model 5'):
        load_tokenizer(folder, 5)
    (folder / 'vocab.txt').unlink()
    with pytest.raises(CheckpointError, match=r'has no (vocabulary|tokenizer)'):
        load_tokenizer(folder, 9)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(is_fast=False), 'has no character offsets, because it is not a fast one'),
        (dict(pad_token_id=None), 'has no padding token'),
    ],
)
def test_tokenizers_are_checked(saved, changes, message):
    class Tokenizer:
        is_fast, pad_token_id, all_special_ids = True, 0, [0]
        __len__ = lambda self: 7  # noqa: E731

    tokenizer = Tokenizer()
    vars(tokenizer).update(changes)
    with pytest.raises(CheckpointError, match=message):
        pretrained.check_tokenizer(tokenizer, saved, 9)


def test_library_that_is_missing_or_old(monkeypatch, saved):
    old = types.SimpleNamespace(__version__='4.41.2')
    monkeypatch.setattr(pretrained, 'import_optional', lambda *_: old)
    with pytest.raises(MissingPackageError, match=r'newer transformers than 4\.41\.2'):
        load_network('BertModel', saved)
    monkeypatch.undo()

    def missing(name):
        raise ModuleNotFoundError(f'No module named {name!r}', name=name)

    monkeypatch.setattr(packages.importlib, 'import_module', missing)
    with pytest.raises(MissingPackageError, match=r'pip install "transformers>=4.53"'):
        load_tokenizer(saved, 9)


def test_settings_of_the_folder_do_not_choose_code(folder):
    """A folder that asks for code of its own is not obeyed."""
    config = json.loads((folder / 'config.json').read_text())
    config['auto_map'] = {'AutoConfig': 'trap.Trap'}
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'trap.py').write_text('raise SystemExit("sprung")')
    load_network('BertModel', folder)


@pytest.mark.parametrize('class_name', ['BertModel', 'AutoModel'])
def test_nobody_is_asked_whether_to_run_code(folder, monkeypatch, class_name, capfd):
    """The library would ask on the terminal, and an answer may be waiting there."""
    (folder / 'trap.py').write_text(
        'from pathlib import Path\n'
        f'Path({str(folder / "sprung")!r}).touch()\n'
        'from transformers import BertConfig as Config, BertTokenizerFast as Tokenizer'
    )
    for name, content in (
        (
            'config.json',
            {'model_type': 'strange', 'auto_map': {'AutoConfig': 'trap.Config'}},
        ),
        (
            'tokenizer_config.json',
            {
                'tokenizer_class': 'Strange',
                'auto_map': {'AutoTokenizer': [None, 'trap.Tokenizer']},
            },
        ),
    ):
        (folder / name).write_text(json.dumps(content))
    monkeypatch.setattr(sys, 'stdin', io.StringIO('y\n' * 9))
    with pytest.raises(CheckpointError, match='has no model that can be loaded'):
        load_network(class_name, folder)
    with pytest.raises(CheckpointError, match='has no tokenizer that can be loaded'):
        load_tokenizer(folder, 9)
    assert sys.stdin.tell() == 0
    assert '[y/N]' not in ''.join(capfd.readouterr())
    assert not (folder / 'sprung').exists()
