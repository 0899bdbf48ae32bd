import pytest

from mmdet_ovis.language.captions import clean_caption, run_ends, split_words


def test_case_1_cleaning():
    caption = 'A black and brown dog laying on a grass-covered ground...'
    cleaned = clean_caption(caption)
    assert cleaned == 'a black and brown dog laying on a grass covered ground'


def test_case_1_thirty_words():
    words = [f'word{i}' for i in range(31)]
    assert clean_caption(' '.join(words)) == ' '.join(words[:30])
    assert clean_caption(' '.join(words[:30])) == ' '.join(words[:30])


@pytest.mark.parametrize(
    ('caption', 'cleaned'),
    [
        ('It\'s "so" (very) nice!?', 'its so very nice'),
        ('a, b. c: d; e# f* g~ h', 'a b c d e f g h'),
        ('salt/pepper-mill', 'salt pepper mill'),
        ('<PERSON> and dog', 'person and dog'),
        ('two  \t spaces', 'two spaces'),
        ('one\ttab stays', 'one\ttab stays'),  # only runs become a space
        ('  around \n', 'around'),
        ('a - b', 'a b'),
        ('', ''),
    ],
)
def test_each_rule(caption, cleaned):
    assert clean_caption(caption) == cleaned


def test_number_of_words():
    assert clean_caption('one two three', max_words=2) == 'one two'
    with pytest.raises(ValueError, match='max_words is at least 1, not 0'):
        clean_caption('one', max_words=0)


def test_words_keep_their_offsets():
    text = "A cat's fire-hydrant_7 \xc4pfel"
    words = split_words(text)
    assert [w.text for w in words] == ['a', 'cat', 's', 'fire', 'hydrant', '7', 'äpfel']
    assert all(text[w.start : w.end].lower() == w.text for w in words)


def test_punctuation_ends_a_run_of_words():
    text = "hot, dog's fire-hydrant. red/blue (bus)"
    assert run_ends(text, split_words(text)) == [1, 5, 5, 5, 5, 7, 7, 8]
    assert run_ends('', []) == []
