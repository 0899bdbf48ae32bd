"""Reading the words of captions."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from mmdet_ovis.datasets.captions import iter_captioned_images
from mmdet_ovis.datasets.word_files import (
    ImageList,
    read_caption_vocabulary,
    read_caption_words,
)


@pytest.fixture
def write(tmp_path):
    def write(content, name='words.json'):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write


WORDS = {
    'vocabulary': ['couch', 'dog'],
    'words': [
        {'image_id': 4, 'word': 'sofa', 'name': 'couch', 'more': 1},
        {'image_id': 4, 'word': 'puppy', 'name': 'dog'},
        {'image_id': 4, 'word': 'sofa', 'name': 'couch'},
    ],
}


def test_words_by_image_each_once(write):
    words = read_caption_words(write(WORDS))
    assert words.vocabulary == ('couch', 'dog')
    assert words.by_image == {4: {'sofa': 0, 'puppy': 1}}
    assert words.images is None


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'words': None}, "no list 'words'"),
        ({'vocabulary': 'dog'}, "no list 'vocabulary'"),
        ({'vocabulary': ['dog', 7]}, '7 is not a name'),
        ({'vocabulary': ['dog', 'cat', 'dog']}, 'given twice: dog'),
        ({'words': [7]}, r'words\[0\] is not an object'),
        (
            {'words': [{'image_id': '4', 'word': 'a', 'name': 'dog'}]},
            r"words\[0\]: key 'image_id' is '4'; it must be an integer",
        ),
        (
            {'words': [{'image_id': 4, 'word': 'a', 'name': 'ufo'}]},
            r"words\[0\]: 'ufo' is not in the vocabulary",
        ),
        (
            {'words': [{'image_id': 4, 'word': ' ', 'name': 'dog'}]},
            r"words\[0\]: key 'word' is blank",
        ),
        (
            {'info': {'images': {'number': 2, 'sha256': 'ab', 'ids_are_places': 1}}},
            r"info\.images: key 'ids_are_places' is 1; it must be true or false",
        ),
    ],
)
def test_broken_words_are_named(write, changes, message):
    with pytest.raises(ValueError, match=rf'words\.json.*{message}'):
        read_caption_words(write({**WORDS, **changes}))
    with pytest.raises(ValueError, match="no list 'vocabulary'"):
        read_caption_words(write([], 'list.json'))


@pytest.mark.parametrize('names', [[], ['Dog', 'dog'], ['dog', ' ']])
def test_names_that_are_no_vocabulary_are_named_with_their_file(write, names):
    path = write({'vocabulary': names, 'words': []})
    for read in (read_caption_words, read_caption_vocabulary):
        with pytest.raises(ValueError, match=r"words\.json: 'vocabulary': "):
            read(path)


# ---------------------------------------------------------------- which images


def images_of(write, *entries):
    return ImageList.of(iter_captioned_images(write(list(entries), 'captions.json')))


CAT, DOG, OWL = ({'image': f'{name}.jpg'} for name in ('cat', 'dog', 'owl'))


def test_a_list_is_known_by_number_and_names(write):
    images = images_of(write, DOG, CAT)
    assert (images.number, images.ids_are_places) == (2, True)
    assert images == images_of(write, CAT, DOG)  # ids are places in the sorted list
    assert images.sha256 != images_of(write, CAT, OWL).sha256
    assert not images_of(write, {'image': '7.jpg'}).ids_are_places
    assert not images_of(write, CAT | {'image_id': 1}).ids_are_places


def test_words_of_a_list_go_with_that_list_alone(write):
    mine = images_of(write, CAT, DOG)
    info = {'images': asdict(mine)}
    words = read_caption_words(write({**WORDS, 'info': info}))
    assert words.images == mine
    words.check_images(mine, 'w.json', 'c.json')
    numbered = [{**entry, 'image_id': i} for i, entry in enumerate((CAT, DOG), 1)]
    for other in ([CAT, DOG, OWL], [CAT, OWL], numbered):
        with pytest.raises(ValueError, match=r'w\.json: .* c\.json, .*parse its capt'):
            words.check_images(images_of(write, *other), 'w.json', 'c.json')


def test_ids_of_their_own_need_no_list(write):
    places, own = images_of(write, CAT, DOG), images_of(write, {'image': '7.jpg'})
    other = images_of(write, {'image': '7.jpg'}, {'image': '8.jpg'})
    unknown = read_caption_words(write(WORDS))
    unknown.check_images(own, 'w.json', 'c.json')
    with pytest.raises(ValueError, match='an unknown one'):
        unknown.check_images(places, 'w.json', 'c.json')
    words = read_caption_words(write({**WORDS, 'info': {'images': asdict(own)}}))
    words.check_images(other, 'w.json', 'c.json')
