import numpy as np
import pytest

from mmdet_ovis.language.bank_builder import (
    average_templates,
    build_text_embedding_bank,
    count_missing,
)
from mmdet_ovis.language.prompts import TEMPLATES, templates_hash
from mmdet_ovis.language.text_encoders import (
    EncoderChoice,
    HashTextEncoder,
    TextEncoder,
)
from mmdet_ovis.structures.vocabulary import Vocabulary


class TableEncoder(TextEncoder):
    """Vectors of a table; remembers what was asked for."""

    def __init__(self, table, batch_size=64):
        self.table = table
        self.model_id = 'table'
        self.dim = len(next(iter(table.values())))
        self.batch_size = batch_size
        self.batches = []

    def encode_batch(self, texts):
        self.batches.append(texts)
        return np.array([self.table[text] for text in texts], dtype=np.float32)


class LoadedChoice(EncoderChoice):
    """A choice of which a test can tell whether it was loaded."""

    def __call__(self):
        pytest.fail('the text encoder was loaded')


@pytest.mark.parametrize(
    ('normalization', 'expected'),
    [
        ('none', (1.5, 0.5)),
        ('template', (0.5, 0.5)),
        ('class', (0.9487, 0.3162)),
        ('both', (0.7071, 0.7071)),
    ],
)
def test_case_15_normalization(normalization, expected):
    vectors = np.array([[3, 0], [0, 1]], dtype=np.float32)
    np.testing.assert_allclose(
        average_templates(vectors, normalization), expected, atol=5e-5
    )
    encoder = TableEncoder({'a dog': (3, 0), 'the dog': (0, 1)})
    bank = build_text_embedding_bank(
        Vocabulary(('dog',)), encoder, ('a {}', 'the {}'), normalization
    )
    np.testing.assert_allclose(bank.embeddings, [expected], atol=5e-5)
    assert bank.meta == {
        'model_id': 'table',
        'templates_hash': templates_hash(('a {}', 'the {}')),
        'normalization': normalization,
        'dim': 2,
    }


def test_texts_of_data_set_names_are_encoded():
    encoder = TableEncoder(
        {'car': (1, 0), 'tv': (0, 1), 'fish': (1, 1), 'fish (food)': (2, 1)}
    )
    vocabulary = Vocabulary(('car_(automobile)', 'TV', 'fish', 'fish_(food)'))
    bank = build_text_embedding_bank(vocabulary, encoder, ('{}',), 'none')
    assert bank.names == vocabulary.names
    np.testing.assert_array_equal(bank.embeddings, [(1, 0), (0, 1), (1, 1), (2, 1)])
    assert [bank.texts(name) for name in bank.names] == [
        ('car',),
        ('tv',),
        ('fish',),
        ('fish (food)',),
    ]


COUCH = Vocabulary(('dog', 'couch'), ((), ('sofa', 'Couch')))
TABLE = {'dog': (5, 0), 'couch': (3, 4), 'sofa': (0, 2)}


@pytest.mark.parametrize(
    ('normalization', 'couch'),
    [('none', (1.5, 3)), ('both', (0.3162, 0.9487))],
)
def test_synonyms_are_averaged(normalization, couch):
    """Unit vectors are averaged, and the mean is made one; raw ones just averaged."""
    bank = build_text_embedding_bank(COUCH, TableEncoder(TABLE), ('{}',), normalization)
    np.testing.assert_allclose(bank.select(['couch']), [couch], atol=5e-5)
    assert bank.names == ('dog', 'couch')
    assert bank.synonyms == ((), ('sofa',))


def test_synonyms_are_kept_apart():
    bank = build_text_embedding_bank(
        COUCH, TableEncoder(TABLE), ('{}',), 'none', synonyms='separate'
    )
    assert bank.names == ('dog', 'couch', 'sofa')
    assert bank.synonyms == ()
    np.testing.assert_array_equal(bank.embeddings, [(5, 0), (3, 4), (0, 2)])
    names_win = Vocabulary(('couch', 'sofa'), (('sofa', 'settee'), ()))
    encoder = TableEncoder({**TABLE, 'settee': (1, 1)})
    bank = build_text_embedding_bank(names_win, encoder, ('{}',), 'none', 'separate')
    assert bank.names == ('couch', 'sofa', 'settee')


def test_synonyms_are_ignored():
    bank = build_text_embedding_bank(
        COUCH, TableEncoder(TABLE), ('{}',), 'none', synonyms='ignore'
    )
    np.testing.assert_array_equal(bank.embeddings, [(5, 0), (3, 4)])
    assert bank.synonyms == ()


def test_each_text_is_encoded_once_in_batches():
    vocabulary = Vocabulary(('a', 'b', 'c'), ((), ('a', 'c'), ()))
    encoder = TableEncoder(dict.fromkeys(('x a', 'x b', 'x c'), (1, 2)), batch_size=2)
    done = []
    build_text_embedding_bank(
        vocabulary, encoder, ('x {}',), 'none', advance=lambda: done.append(1)
    )
    assert encoder.batches == [['x a', 'x b'], ['x c']]
    assert len(done) == 3


def test_results_do_not_depend_on_order_and_batches():
    names = ('dog', 'cat', 'bird', 'couch')
    one = build_text_embedding_bank(Vocabulary(names), HashTextEncoder(16))
    encoder = HashTextEncoder(16)
    encoder.batch_size = 5
    other = build_text_embedding_bank(Vocabulary(names[::-1]), encoder)
    np.testing.assert_array_equal(one.embeddings, other.embeddings[::-1])


def test_a_cache_hit_does_not_load_the_encoder():
    first = build_text_embedding_bank(COUCH, EncoderChoice('hash', '8'))
    choice = LoadedChoice('hash', '8')
    again = build_text_embedding_bank(COUCH, choice, cache=first)
    np.testing.assert_array_equal(again.embeddings, first.embeddings)
    reordered = Vocabulary(('COUCH', 'DOG'), (('sofa',), ()))
    bank = build_text_embedding_bank(reordered, choice, cache=first)
    assert bank.names == ('COUCH', 'DOG')
    np.testing.assert_array_equal(bank.embeddings, first.embeddings[::-1])
    with pytest.raises(pytest.fail.Exception, match='was loaded'):
        build_text_embedding_bank(Vocabulary(('cat',)), choice, cache=first)


def test_only_what_the_cache_lacks_is_encoded():
    cache = build_text_embedding_bank(
        Vocabulary(('dog', 'sofa')), TableEncoder(TABLE), ('{}',), 'both'
    )
    encoder = TableEncoder(TABLE)
    bank = build_text_embedding_bank(COUCH, encoder, ('{}',), 'both', cache=cache)
    assert encoder.batches == [['couch']]
    whole = build_text_embedding_bank(COUCH, TableEncoder(TABLE), ('{}',), 'both')
    np.testing.assert_allclose(bank.embeddings, whole.embeddings, rtol=1e-6)
    # The mean over synonyms is not the vector of the name alone.
    assert count_missing(Vocabulary(('couch',)), 'average', whole) == 1
    assert count_missing(COUCH, 'average', whole) == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'encoder': HashTextEncoder(4)}, "model_id 'hash-4' instead of 'hash-8'"),
        ({'templates': TEMPLATES['none']}, "templates_hash '44136fa355b3678a' instead"),
        ({'normalization': 'none'}, "normalization 'none' instead of 'both'"),
    ],
)
def test_a_cache_that_was_made_differently_is_refused(change, message):
    arguments = {'encoder': HashTextEncoder(8), 'templates': TEMPLATES['single']}
    cache = build_text_embedding_bank(COUCH, **arguments)
    with pytest.raises(ValueError, match=message):
        build_text_embedding_bank(COUCH, **{**arguments, **change}, cache=cache)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'normalization': 'l2'}, "normalization is one of none, .*, not 'l2'"),
        (
            {'synonyms': 'max'},
            "synonyms is one of average, separate, ignore, not 'max'",
        ),
        ({'templates': ()}, 'there is no template'),
        ({'templates': ('a photo',)}, 'exactly once'),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build_text_embedding_bank(COUCH, HashTextEncoder(8), **options)


def test_a_zero_vector_has_no_direction():
    encoder = TableEncoder({'dog': (0, 0)})
    vocabulary = Vocabulary(('dog',))
    with pytest.raises(ValueError, match='a text vector is zero and has no direction'):
        build_text_embedding_bank(vocabulary, encoder, ('{}',))
    build_text_embedding_bank(vocabulary, encoder, ('{}',), 'none')
