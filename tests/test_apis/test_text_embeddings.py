import json

import numpy as np
import pytest

from mmdet_ovis.apis.text_embeddings import (
    coco_vocabulary,
    import_text_embeddings,
    prepare_text_embeddings,
    write_coco_embeddings,
)
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.language.text_encoders import EncoderChoice
from mmdet_ovis.structures.vocabulary import Vocabulary

HASH = EncoderChoice('hash', '8')
NAMES = Vocabulary.parse('dog. couch|sofa')


class Unloadable(EncoderChoice):
    def __call__(self):
        raise ValueError('the text encoder was loaded')


@pytest.fixture
def coco_json(tmp_path):
    path = tmp_path / 'instances.json'
    categories = [
        {'id': 63, 'name': 'couch', 'synonyms': ['sofa']},
        {'id': 18, 'name': 'dog', 'split': 'unseen'},
    ]
    content = {'images': [{'id': 1}], 'annotations': [], 'categories': categories}
    path.write_text(json.dumps(content))
    return path


def test_a_bank_is_written(tmp_path):
    out = tmp_path / 'a' / 'bank.npz'
    report = prepare_text_embeddings(NAMES, HASH, out)
    bank = TextEmbeddingBank.load(out)
    assert bank.names == ('dog', 'couch')
    assert bank.meta == {
        'model_id': 'hash-8',
        'templates_hash': '625634488aa6d4d1',
        'normalization': 'both',
        'dim': 8,
    }
    assert str(report) == (
        '2 names, vectors of 8 numbers by hash-8, templates 625634488aa6d4d1, '
        'normalization both; 3 texts encoded'
    )


def test_the_same_command_gives_the_same_bytes(tmp_path):
    for name in ('a.npz', 'b.npz'):
        prepare_text_embeddings(NAMES, HASH, tmp_path / name, templates='single')
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()


def test_nothing_is_loaded_if_the_cache_has_all(tmp_path):
    cache, out = tmp_path / 'cache.npz', tmp_path / 'out.npz'
    prepare_text_embeddings(NAMES, HASH, cache)
    unloadable = Unloadable('hash', '8')
    report = prepare_text_embeddings(
        Vocabulary(('couch',), (('sofa',),)), unloadable, out, cache=cache
    )
    assert str(report).endswith('nothing encoded')
    assert TextEmbeddingBank.load(out).names == ('couch',)
    with pytest.raises(ValueError, match='was loaded'):
        prepare_text_embeddings(Vocabulary(('cat',)), unloadable, out, cache=cache)


def test_append_keeps_what_is_there(tmp_path):
    out = tmp_path / 'bank.npz'
    prepare_text_embeddings(NAMES, HASH, out, append=True)
    first = TextEmbeddingBank.load(out)
    report = prepare_text_embeddings(Vocabulary(('cat', 'Dog')), HASH, out, append=True)
    assert report.encoded == 1
    bank = TextEmbeddingBank.load(out)
    assert bank.names == ('dog', 'couch', 'cat')
    np.testing.assert_array_equal(bank.select(first.names), first.embeddings)


def test_append_together_with_a_cache(tmp_path):
    cache, out = tmp_path / 'cache.npz', tmp_path / 'bank.npz'
    prepare_text_embeddings(Vocabulary(('cat',)), HASH, cache)
    prepare_text_embeddings(NAMES, HASH, out)
    report = prepare_text_embeddings(
        Vocabulary(('cat', 'dog')),
        Unloadable('hash', '8'),
        out,
        cache=cache,
        append=True,
    )
    assert report.encoded == 0
    assert TextEmbeddingBank.load(out).names == ('dog', 'couch', 'cat')


def test_a_bank_made_differently_is_refused_and_stays(tmp_path):
    out = tmp_path / 'bank.npz'
    prepare_text_embeddings(NAMES, HASH, out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match="normalization 'none' instead of 'both'"):
        prepare_text_embeddings(
            Vocabulary(('cat',)), HASH, out, normalization='none', append=True
        )
    assert out.read_bytes() == before


def test_the_cache_does_not_lose_names(tmp_path):
    out = tmp_path / 'bank.npz'
    prepare_text_embeddings(NAMES, HASH, out)
    before = out.read_bytes()
    with pytest.raises(
        ValueError, match=r"would lose 2 names \('dog', \.\.\.\); append"
    ):
        prepare_text_embeddings(Vocabulary(('cat',)), HASH, out, cache=out)
    assert out.read_bytes() == before
    longer = Vocabulary.parse('cat. dog. couch|sofa')
    assert prepare_text_embeddings(longer, HASH, out, cache=out).encoded == 1


def test_missing_files_are_named(tmp_path):
    out = tmp_path / 'bank.npz'
    with pytest.raises(
        FileNotFoundError, match=r'no such text embedding bank: nowhere'
    ):
        prepare_text_embeddings(NAMES, HASH, out, cache='nowhere.npz')
    with pytest.raises(FileNotFoundError, match='no such templates: vild64'):
        prepare_text_embeddings(NAMES, HASH, out, templates='vild64')
    with pytest.raises(FileNotFoundError, match=r'no such file: nowhere\.json'):
        import_text_embeddings('nowhere.json', out)
    assert not out.exists()


def test_annotation_files_there_and_back(coco_json, tmp_path):
    """Categories name the classes, get the vectors, and give them back."""
    vocabulary = coco_vocabulary(coco_json)
    assert vocabulary.forms(0) == ('couch', 'sofa')
    bank = prepare_text_embeddings(
        vocabulary, HASH, tmp_path / 'a.npz', normalization='none'
    ).bank
    written = tmp_path / 'instances_clipemb.json'
    write_coco_embeddings(coco_json, bank, written)
    content, before = json.loads(written.read_text()), json.loads(coco_json.read_text())
    for category, old in zip(content['categories'], before['categories'], strict=True):
        assert len(category.pop('embedding')['ClipEmb']) == 8
        assert category == old
    assert content['images'] == before['images']
    report = import_text_embeddings(
        written, tmp_path / 'b.npz', model_id='hash-8', templates='vild63'
    )
    assert report.bank.meta == bank.meta
    np.testing.assert_array_equal(
        TextEmbeddingBank.load(tmp_path / 'b.npz').embeddings, bank.embeddings
    )


@pytest.mark.parametrize('content', [[], {}, {'categories': []}, {'categories': 3}])
def test_other_json_is_refused(tmp_path, content):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    for use in (
        coco_vocabulary,
        lambda p: import_text_embeddings(p, tmp_path / 'b.npz'),
    ):
        with pytest.raises(
            ValueError, match=r'a\.json is not a COCO .*: no list categor'
        ):
            use(path)
