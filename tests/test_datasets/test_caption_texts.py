"""Texts about images: true and false ones, and any one."""

from __future__ import annotations

import json
import random

import pytest

from mmdet_ovis.datasets.transforms import ChooseCaption, SampleCaptionTexts

CAPTIONS = {
    'a.jpg': ['Two red dogs near a cat.', 'Rain.'],
    'b.jpg': ['A blue car'],
    'c.jpg': ['Here are a horse and a car.'],
}
WORDS = ['dog', 'cat', 'car', 'horse']


@pytest.fixture
def ann_file(tmp_path):
    entries = [{'image': name, 'caption': texts} for name, texts in CAPTIONS.items()]
    path = tmp_path / 'captions.json'
    path.write_text(json.dumps(entries))
    return str(path)


def sample(ann_file, captions, **options):
    random.seed(0)
    return SampleCaptionTexts(ann_file, WORDS, **options)({'captions': captions})


def test_a_noun_is_replaced_by_one_of_an_absent_class(ann_file):
    found = sample(ann_file, CAPTIONS['a.jpg'], num_pairs=20, short_prob=0)
    assert found['text_labels'] == [1, 0] * 20
    assert found['word_labels'] == [0, 1]
    assert set(found['texts'][::2]) == {'two red dogs near a cat'}
    others = ('a blue car', 'a car', 'a horse')
    expected = {f'{other} near a cat' for other in others}
    expected |= {f'two red dogs near {other}' for other in others}
    assert set(found['texts'][1::2]) == expected


def test_nouns_alone(ann_file):
    found = sample(ann_file, CAPTIONS['b.jpg'], num_pairs=20, short_prob=1)
    assert set(found['texts'][::2]) == {'a blue car'}
    assert set(found['texts'][1::2]) == {'two red dogs', 'a cat', 'a horse'}


def test_images_without_a_pair_are_left_out(ann_file):
    assert sample(ann_file, ['Rain.']) is None
    assert sample(ann_file, ['A dog, a cat, a car, a horse.']) is None


def test_a_vocabulary_file(ann_file, tmp_path):
    (tmp_path / 'words.txt').write_text('dog\ncar\n')
    transform = SampleCaptionTexts(ann_file, str(tmp_path / 'words.txt'))
    found = transform({'captions': ['A dog.']})
    assert found['word_labels'] == [0]
    assert repr(transform) == (
        'SampleCaptionTexts(3 nouns, num_pairs=4, short_prob=0.5)'
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_pairs': 0}, 'num_pairs is 1 or more, not 0'),
        ({'short_prob': 2}, 'short_prob is a probability, not 2'),
    ],
)
def test_messages(ann_file, options, message):
    with pytest.raises(ValueError, match=message):
        SampleCaptionTexts(ann_file, WORDS, **options)


def test_one_class_is_not_enough(ann_file):
    with pytest.raises(ValueError, match='at least two of the 2 classes'):
        SampleCaptionTexts(ann_file, ['cat', 'zebra'])


def test_one_caption_is_drawn():
    random.seed(0)
    drawn = [
        ChooseCaption()({'captions': ['one', 'two', 'three']})['caption']
        for _ in range(40)
    ]
    assert set(drawn) == {'one', 'two', 'three'}
    assert ChooseCaption()({'captions': []}) is None
