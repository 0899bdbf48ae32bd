import pickle

import numpy as np
import pytest

from mmdet_ovis.language.embedding_bank import TextEmbeddingBank

MADE = dict(model_id='some/clip', templates_hash='0123', normalization='both')


@pytest.fixture
def bank():
    return TextEmbeddingBank(
        ('dog', 'Couch', 'car_(automobile)'),
        np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32),
        ((), ('sofa',), ('car', 'auto')),
        **MADE,
    )


def test_vectors_are_selected_by_name_whatever_its_case(bank):
    selected = bank.select(['couch', 'DOG', 'couch'])
    assert selected.dtype == np.float32
    np.testing.assert_array_equal(selected, [[0, 1], [1, 0], [0, 1]])
    selected[:] = 7
    np.testing.assert_array_equal(bank.select(['dog']), [[1, 0]])
    assert bank.select([]).shape == (0, 2)
    assert 'COUCH' in bank
    assert 'sofa' not in bank
    assert (len(bank), bank.dim) == (3, 2)


def test_what_is_missing_is_named(bank):
    with pytest.raises(
        ValueError, match=r"no vector for 'cat', 'sofa'; add them with tools"
    ):
        bank.select(['dog', 'cat', 'sofa'])
    with pytest.raises(ValueError, match=r"'n4' and 2 more; add"):
        bank.select([f'n{i}' for i in range(7)])


def test_texts_behind_a_vector(bank):
    assert bank.texts('dog') == ('dog',)
    assert bank.texts('couch') == ('couch', 'sofa')
    assert bank.texts('Car_(automobile)') == ('car', 'auto')
    plain = TextEmbeddingBank(('car_(automobile)',), np.ones((1, 2)))
    assert plain.texts('car_(automobile)') == ('car',)


def test_round_trip(bank, tmp_path):
    path = tmp_path / 'folder' / 'bank.npz'
    bank.save(path)
    again = TextEmbeddingBank.load(path)
    assert again.names == bank.names
    assert again.synonyms == bank.synonyms
    assert again.meta == bank.meta == {**MADE, 'dim': 2}
    assert again.embeddings.dtype == np.float32
    np.testing.assert_array_equal(again.embeddings, bank.embeddings)


def test_the_file_is_as_documented(bank, tmp_path):
    bank.save(tmp_path / 'bank.npz')
    with np.load(tmp_path / 'bank.npz', allow_pickle=False) as file:
        assert set(file) == {
            *('names', 'embeddings', 'synonyms', 'dim'),
            *('model_id', 'templates_hash', 'normalization'),
        }
        assert file['names'].tolist() == list(bank.names)
        assert str(file['synonyms']) == '[[], ["sofa"], ["car", "auto"]]'
        assert file['dim'] == 2


def test_the_same_bank_gives_the_same_bytes(bank, tmp_path, monkeypatch):
    bank.save(tmp_path / 'a.npz')
    monkeypatch.setattr('time.time', lambda: 2e9)
    monkeypatch.setattr('time.localtime', lambda *_: pytest.fail('a date is written'))
    TextEmbeddingBank.load(tmp_path / 'a.npz').save(tmp_path / 'b.npz')
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()


def test_subset_follows_the_names_given(bank):
    part = bank.subset(['couch', 'dog'])
    assert part.names == ('Couch', 'dog')
    assert part.synonyms == (('sofa',), ())
    np.testing.assert_array_equal(part.embeddings, [[0, 1], [1, 0]])
    assert part.meta == bank.meta


def test_extend_and_merge(bank):
    longer = bank.extend(['cat'], np.array([[-1, 0]], dtype=np.float32))
    assert longer.names == (*bank.names, 'cat')
    assert longer.synonyms == (*bank.synonyms, ())
    np.testing.assert_array_equal(longer.select(['cat', 'dog']), [[-1, 0], [1, 0]])
    assert bank.merge(longer).names == longer.names
    other = TextEmbeddingBank(('bird', 'DOG'), np.array([[0, -1], [1, 0]]), **MADE)
    merged = other.merge(bank)
    assert merged.names == ('bird', 'DOG', 'Couch', 'car_(automobile)')
    assert merged.texts('couch') == ('couch', 'sofa')


def test_banks_that_differ_are_not_merged(bank):
    for change in (
        {'model_id': 'x'},
        {'templates_hash': 'y'},
        {'normalization': 'class'},
    ):
        other = TextEmbeddingBank(('cat',), np.eye(2)[:1], **{**MADE, **change})
        ((key, value),) = change.items()
        with pytest.raises(
            ValueError, match=f"the bank to merge has {key} '{value}' inst"
        ):
            bank.merge(other)
    wider = TextEmbeddingBank(('cat',), np.eye(3)[:1], **MADE)
    with pytest.raises(ValueError, match='has dim 3 instead of 2'):
        bank.merge(wider)
    with pytest.raises(ValueError, match="vector of 'DOG', but not the same one"):
        bank.merge(TextEmbeddingBank(('DOG',), np.array([[0, 1]]), **MADE))
    with pytest.raises(ValueError, match=r'\(of couch \+ sofa, and of couch\)'):
        bank.merge(TextEmbeddingBank(('couch',), np.array([[0, 1]]), **MADE))


def test_meta_may_be_partly_known(bank):
    bank.require({'model_id': 'some/clip', 'step': 3}, 'the weights')
    with pytest.raises(ValueError, match="the weights has model_id 'bert' instead of"):
        bank.require({'model_id': 'bert'}, 'the weights')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            {'names': ('dog',)},
            r'1 names need a matrix .* not an array of shape \(2, 2\)',
        ),
        ({'names': ('dog', 'Dog')}, 'given twice'),
        ({'names': ()}, 'at least one name'),
        ({'synonyms': ((),)}, '1 lists of synonyms for 2 names'),
        ({'embeddings': np.eye(2)[0]}, r'array of shape \(2,\)'),
        ({'embeddings': np.zeros((2, 0))}, 'at least one dimension'),
        ({'embeddings': np.array([[1, 0], [np.nan, 0]])}, "vector of 'cat' holds NaN"),
        (
            {'embeddings': np.eye(2) * 2},
            "is 'both', but the text vector of 'dog' has .* 2",
        ),
        ({'normalization': 'l2'}, 'one of none, template, class, both, not'),
    ],
)
def test_mistakes_are_named(change, message):
    arguments = {'names': ('dog', 'cat'), 'embeddings': np.eye(2), **MADE, **change}
    with pytest.raises(ValueError, match=message):
        TextEmbeddingBank(**arguments)


def test_raw_vectors_may_have_any_length():
    TextEmbeddingBank(('dog',), np.array([[3.0, 4.0]]), normalization='template')


def test_broken_files_are_named(bank, tmp_path):
    path = tmp_path / 'bank.npz'
    with pytest.raises(
        FileNotFoundError, match=r'no such text embedding bank: .*bank\.npz'
    ):
        TextEmbeddingBank.load(path)
    bank.save(path)
    content = path.read_bytes()
    for damaged in (b'', b'no zip', content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r'bank\.npz is not a text embedding bank'):
            TextEmbeddingBank.load(path)
    np.savez(path, names=np.array(['dog']), embeddings=np.eye(1))
    with pytest.raises(
        ValueError, match='it has no synonyms, model_id, templates_hash'
    ):
        TextEmbeddingBank.load(path)


def save_arrays(path, **change):
    arrays = dict(
        names=np.array(['dog']),
        embeddings=np.eye(1, 2, dtype=np.float32),
        synonyms=np.array('[]'),
        dim=np.array(2),
        **{key: np.array(value) for key, value in MADE.items()},
    )
    np.savez(path, **{**arrays, **change})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'dim': np.array(3)}, r'bank\.npz: dim is 3, but the vectors have 2'),
        ({'synonyms': np.array('[')}, r'bank\.npz: '),
        ({'synonyms': np.array('[[1]]')}, r'bank\.npz: 1 is not a name'),
        ({'synonyms': np.array('3')}, r'bank\.npz: '),
        ({'embeddings': np.eye(2)}, r'bank\.npz: 1 names need a matrix'),
    ],
)
def test_broken_arrays_are_named(tmp_path, change, message):
    path = tmp_path / 'bank.npz'
    save_arrays(path)
    TextEmbeddingBank.load(path)
    save_arrays(path, **change)
    with pytest.raises(ValueError, match=message):
        TextEmbeddingBank.load(path)


class _Bomb:
    def __reduce__(self):
        return pytest.fail, ('code of the file was run',)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / 'bank.npz'
    save_arrays(path, names=np.array([_Bomb()], dtype=object))
    with pytest.raises(
        ValueError, match=r'bank\.npz is not a text embedding bank \(Object'
    ):
        TextEmbeddingBank.load(path)
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ValueError, match='is not a text embedding bank'):
        TextEmbeddingBank.load(path)
