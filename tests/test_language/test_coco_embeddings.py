import json

import numpy as np
import pytest

from mmdet_ovis.language.coco_embeddings import (
    add_coco_embeddings,
    read_coco_embeddings,
)
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank


@pytest.fixture
def dataset():
    return {
        'images': [],
        'annotations': [],
        'categories': [
            {'id': 17, 'name': 'cat', 'split': 'unseen'},
            {'id': 1, 'name': 'person', 'embedding': {'BertEmb': [5.0]}},
        ],
    }


def test_round_trip_is_exact(dataset):
    vectors = np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)
    bank = TextEmbeddingBank(('person', 'cat'), vectors)
    written = json.loads(json.dumps(add_coco_embeddings(dataset, bank)))
    again = read_coco_embeddings(written, 'file.json')
    assert again.names == ('cat', 'person')
    np.testing.assert_array_equal(again.embeddings, vectors[::-1])
    assert again.meta == {
        'model_id': 'unknown',
        'templates_hash': 'unknown',
        'normalization': 'none',
        'dim': 7,
    }


def test_everything_else_stays(dataset):
    bank = TextEmbeddingBank(('cat', 'person'), np.eye(2))
    before = json.dumps(dataset)
    cat, person = add_coco_embeddings(dataset, bank)['categories']
    assert cat == {**dataset['categories'][0], 'embedding': {'ClipEmb': [1.0, 0.0]}}
    assert person['embedding'] == {'BertEmb': [5.0], 'ClipEmb': [0.0, 1.0]}
    assert json.dumps(dataset) == before
    replaced = add_coco_embeddings(dataset, bank, key='BertEmb')
    assert replaced['categories'][1]['embedding'] == {'BertEmb': [0.0, 1.0]}


def test_a_category_without_vector_is_named(dataset):
    bank = TextEmbeddingBank(('cat',), np.eye(1))
    with pytest.raises(ValueError, match="no vector for 'person'"):
        add_coco_embeddings(dataset, bank)


@pytest.mark.parametrize(
    ('categories', 'message'),
    [
        ([], r'a\.json has no categories'),
        ([{'name': 'cat'}], r'a\.json: categories\[0\] has no embedding\.ClipEmb'),
        (
            [{'name': 'cat', 'embedding': {'ClipEmb': 3}}],
            r'categories\[0\] has no embedding\.ClipEmb',
        ),
        (
            [
                {'name': n, 'embedding': {'ClipEmb': [1] * k}}
                for n, k in (('a', 2), ('b', 3))
            ],
            r'categories\[1\]\.embedding\.ClipEmb has 3 numbers, those before 2',
        ),
        (
            [{'name': 'a', 'embedding': {'ClipEmb': ['x']}}],
            r'a\.json: could not convert',
        ),
        ([{'name': 'a', 'embedding': {'ClipEmb': [[1]]}}], r'a\.json: 1 names need'),
    ],
)
def test_broken_files_are_named(categories, message):
    with pytest.raises(ValueError, match=message):
        read_coco_embeddings({'categories': categories}, 'a.json')
