"""Generation by a model that sees colours, on images with coloured squares."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal

import pytest
import torch
from generation_case import SIZE, SQUARES, generate, make_config, make_dataset
from mmengine.config import Config
from pycocotools import mask as mask_api

from mmdet_ovis.apis.generation import generate_pseudo_masks
from mmdet_ovis.apis.generation.inputs import CaptionedReader
from mmdet_ovis.apis.generation.setup import load_generation_config, state_sha256
from mmdet_ovis.language.noun_parser import NounParser
from mmdet_ovis.pseudo_labels import SignatureMismatchError
from mmdet_ovis.pseudo_labels import store as store_module
from mmdet_ovis.pseudo_labels.shards import Shard
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation
from mmdet_ovis.structures.vocabulary import Vocabulary

FORK = multiprocessing.get_context('fork')
NAMES = ['red', 'green', 'blue']


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('squares')
    make_dataset(folder)
    return folder


@pytest.fixture(scope='module')
def undisturbed(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp('undisturbed') / 'masks.json'
    generate(dataset, out)
    return out


def iou_of_boxes(a, b):
    rles = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (a, b)]
    return mask_api.iou([rles[0]], [rles[1]], [0])[0, 0]


def test_each_word_gets_its_square(undisturbed):
    lists = json.loads(undisturbed.read_text())
    assert len(lists) == len(SQUARES)
    for (image_id, squares), anns in zip(SQUARES.items(), lists, strict=True):
        found = {ann['word']: ann for ann in anns}
        assert len(found) == len(anns)
        expected = {} if image_id == 7 else squares
        assert set(found) == set(expected)
        for word, ann in found.items():
            check_pseudo_annotation(ann, word)
            assert ann['image_id'] == image_id
            assert ann['category_id'] == 1 + NAMES.index(word)
            assert ann['segmentation']['size'] == list(SIZE)
            assert ann['source'] == 'gradcam'
            assert ann['proposal'] == 'grid'
            x, y, w, h = ann['bbox']
            assert iou_of_boxes((x, y, x + w, y + h), squares[word]) > 0.5


def test_every_drop_has_a_reason(undisturbed):
    dropped = undisturbed.with_name('masks.json.dropped.jsonl').read_text()
    dropped = [json.loads(line) for line in dropped.splitlines()]
    assert dropped == [
        {'image_id': 7, 'name': '', 'reason': 'no_known_word'},
        {'image_id': 8, 'name': 'red', 'reason': 'flat_activation'},
    ]
    summary = json.loads(undisturbed.with_name('masks.json.summary.json').read_text())
    assert summary['dropped'] == {'flat_activation': 1, 'no_known_word': 1}
    assert summary['n_images'] == len(SQUARES)
    assert set(summary['seconds']) == {
        *('reading', 'vlm', 'proposals', 'boxes', 'segmentation', 'cleaning', 'total')
    }


def test_summary_shows_what_was_dropped(dataset, tmp_path):
    table = generate(dataset, tmp_path / 'masks.json').table()
    assert 'words dropped: flat_activation' in table


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_change_nothing(dataset, undisturbed, tmp_path, workers):
    out = tmp_path / 'masks.json'
    generate(dataset, out, workers=workers)
    assert out.read_bytes() == undisturbed.read_bytes()


def test_case_25_shards_equal_one_run(dataset, undisturbed, tmp_path):
    out = tmp_path / 'masks.json'
    first = generate(dataset, out, shard=Shard(0, 2))
    assert not first.is_complete
    assert not out.exists()
    second = generate(dataset, out, shard=Shard(1, 2))
    assert second.is_complete
    assert out.read_bytes() == undisturbed.read_bytes()
    name = 'masks.json.dropped.jsonl'
    assert (tmp_path / name).read_bytes() == undisturbed.with_name(name).read_bytes()


def _generate_and_die(dataset, out, n_writes):
    write = store_module.ChunkFiles.write
    left = [n_writes]

    def count(self, chunk, records):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return write(self, chunk, records)

    store_module.ChunkFiles.write = count
    generate(dataset, out)


@pytest.mark.parametrize('n_writes', [0, 1, 2])
def test_case_25_killed_and_resumed(dataset, undisturbed, tmp_path, n_writes):
    out = tmp_path / 'masks.json'
    torch.set_num_threads(1)
    process = FORK.Process(target=_generate_and_die, args=(dataset, out, n_writes))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    summary = generate(dataset, out)
    assert summary.n_resumed == 3 * n_writes
    assert out.read_bytes() == undisturbed.read_bytes()
    again = generate(dataset, out)
    assert again.n_resumed == len(SQUARES)


def test_batches_do_not_cross_chunks(dataset, tmp_path, undisturbed):
    """Two images at a time are masks of one, two, three at a time."""
    for size in (1, 3, 16):
        out = tmp_path / f'{size}.json'
        generate(dataset, out, {'batch_size': size})
        assert out.read_bytes() == undisturbed.read_bytes()


def test_broken_images_are_listed_and_the_others_done(tmp_path, undisturbed):
    make_dataset(tmp_path)
    data = (tmp_path / '4.png').read_bytes()
    (tmp_path / '4.png').write_bytes(data[: len(data) // 2])
    (tmp_path / '5.png').unlink()
    out = tmp_path / 'out' / 'masks.json'
    summary = generate(tmp_path, out)
    assert summary.n_quarantined == 2
    listed = out.with_name('masks.json.quarantine.jsonl').read_text().splitlines()
    assert [json.loads(line)['image_id'] for line in listed] == [4, 5]
    lists = json.loads(out.read_text())
    expected = json.loads(undisturbed.read_text())
    assert lists[2] == lists[3] == []
    assert lists[:2] + lists[4:] == expected[:2] + expected[4:]


def test_an_image_of_another_size_is_broken(tmp_path):
    make_dataset(tmp_path)
    content = json.loads((tmp_path / 'captions.json').read_text())
    content['images'][0]['height'] += 1
    (tmp_path / 'captions.json').write_text(json.dumps(content))
    summary = generate(tmp_path, tmp_path / 'masks.json')
    assert 'the file is 60x80, the captions say 61x80' in summary.quarantine[0].reason


@pytest.mark.parametrize(
    'changes',
    [
        {'search.rounds': 1},
        {'batch_size': 3},
        {'vocabulary': ['red', 'green']},
        {'captions.choose': 'all'},
        {'source.min_box_conf': 0.1},
        {'source.proposals.stride': 0.2},
        {'vlm.grid': 32},
    ],
)
def test_another_setting_is_another_run(dataset, tmp_path, changes):
    out = tmp_path / 'masks.json'
    generate(dataset, out, limit=1)
    with pytest.raises(SignatureMismatchError):
        generate(dataset, out, changes, limit=1)
    generate(dataset, out, changes, limit=1, overwrite=True)


def test_weights_belong_to_the_signature():
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    other.load_state_dict(one.state_dict())
    assert state_sha256(one) == state_sha256(other)
    other.bias.data[0] += 1e-7
    assert state_sha256(one) != state_sha256(other)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'captions.choose': 'best'}, 'captions.choose is one of cover, all, first'),
        ({'batch_size': -1}, 'batch_size is a number of images'),
        ({'captions.ann_file': 'none.json'}, 'none.json'),
        ({'vocabulary': 'none.txt'}, 'no such vocabulary: none.txt'),
        ({'source.preset': 'best'}, 'preset is one of default, compat'),
        ({'vocabulary': 3}, 'vocabulary of the config cannot be built'),
        ({'vocabulary': ['red', 4]}, '4 is not a name'),
        ({'parser.mach': 'x'}, "parser of the config cannot be built: .*'mach'"),
        ({'captions.folder': 'x'}, "captions of the config cannot be .*'folder'"),
        ({'captions': 'x.json'}, 'captions has no ann_file'),
        ({'search.turns': 2}, "search of the config cannot be built: .*'turns'"),
        ({'source.top_k': 2}, "source of the config cannot be built: .*'top_k'"),
        ({'vlm.type': 'Nobody'}, 'vlm of the config cannot be built: Nobody is not'),
        ({'batch_size': 'two'}, 'batch_size is a number of images, not two'),
    ],
)
def test_messages(dataset, tmp_path, changes, message):
    with pytest.raises((ValueError, OSError), match=message):
        generate(dataset, tmp_path / 'masks.json', changes)


@pytest.mark.parametrize('key', ['vlm', 'vocabulary', 'captions', 'source'])
def test_a_config_for_something_else(dataset, key):
    cfg = make_config(dataset)
    cfg.pop(key)
    with pytest.raises(ValueError, match=f'has no {key}; use a config such as'):
        load_generation_config(cfg)


def test_captions_need_a_place(dataset, tmp_path):
    cfg = make_config(dataset)
    cfg.captions.pop('img_dir')
    with pytest.raises(ValueError, match='captions has no img_dir'):
        generate_pseudo_masks(cfg, tmp_path / 'masks.json')


def test_limit(dataset, tmp_path):
    generate(dataset, tmp_path / 'masks.json', limit=2)
    assert len(json.loads((tmp_path / 'masks.json').read_text())) == 2
    with pytest.raises(ValueError, match='limit is a number of images, not 0'):
        generate(dataset, tmp_path / 'none.json', limit=0)


def test_config_files_and_options(dataset, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(make_config(dataset).pretty_text)
    cfg = load_generation_config(path, {'search.rounds': 1})
    assert isinstance(cfg, Config)
    assert cfg.search.rounds == 1


# ------------------------------------------------------------- choice of captions


def make_reader(tmp_path, captions, choose):
    entries = [{'image': '1.png', 'caption': captions}]
    (tmp_path / 'captions.json').write_text(json.dumps(entries))
    parser = NounParser(Vocabulary(('dog', 'cat', 'car')))
    return CaptionedReader(tmp_path / 'captions.json', tmp_path, parser, choose)


CAPTIONS = ['A dog.', 'A cat and a dog and a dog.', 'Rain', 'The cat in a car']


@pytest.mark.parametrize(
    ('choose', 'expected'),
    [
        ('first', [('a dog', ['dog'])]),
        (
            'all',
            [
                ('a dog', ['dog']),
                ('a cat and a dog and a dog', ['cat', 'dog', 'dog']),
                ('the cat in a car', ['cat', 'car']),
            ],
        ),
        (
            'cover',
            [
                ('a cat and a dog and a dog', ['cat', 'dog', 'dog']),
                ('the cat in a car', ['car']),
            ],
        ),
    ],
)
def test_choice_of_captions(tmp_path, choose, expected):
    reader = make_reader(tmp_path, CAPTIONS, choose)
    found = reader.queries(CAPTIONS)
    assert [
        (query.caption, [phrase.name for phrase in query.phrases]) for query in found
    ] == expected
