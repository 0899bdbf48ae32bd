"""From captions to words.json: what is written, counted and refused."""

import json
from dataclasses import asdict

import pytest

from mmdet_ovis.apis.caption_parsing import caption_word_vocabulary, parse_captions
from mmdet_ovis.datasets.captions import iter_captioned_images
from mmdet_ovis.datasets.word_files import ImageList, read_caption_words
from mmdet_ovis.language.vocabularies import read_vocabulary
from mmdet_ovis.structures.vocabulary import Vocabulary

CAPTIONS = [
    {'image': 'a/8.jpg', 'caption': ['A plane over two dogs.', 'a dog']},
    {'image': 'a/9.jpg', 'caption': 'A can can fly'},
    {'image': 'a/10.jpg', 'caption': 'Nothing at all'},
    {'image': 'a/11.jpg', 'caption': []},
]
VOCABULARY = Vocabulary(('dog', 'airplane', 'sofa', 'can'))


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / 'captions.json'
    path.write_text(json.dumps(CAPTIONS))
    return path


def test_words_are_written_and_counted(captions, tmp_path):
    out = tmp_path / 'out' / 'words.json'
    report = parse_captions(captions, VOCABULARY, out, classes=['couch'])
    words = read_caption_words(out)
    assert words.vocabulary == ('dog', 'airplane', 'couch', 'can')
    assert words.by_image == {8: {'airplane': 1, 'dog': 0}, 9: {'can': 3}}
    content = json.loads(out.read_text())
    assert content['info'] == {
        'mode': 'fixed',
        'backend': 'simple',
        'source_names': list(VOCABULARY.names),
        'images': asdict(ImageList.of(iter_captioned_images(captions))),
    }
    assert (report.n_images, report.n_with_words) == (3, 2)
    assert report.words == {'airplane': 1, 'dog': 1, 'can': 1}
    assert report.never == ('couch',)
    text = str(report)
    assert '2 of 3 images with words, 3 different ones' in text
    assert f'({3 / report.seconds:.0f} images/s)' in text
    assert 'most frequent: airplane 1, dog 1, can 1' in text
    assert 'never seen: 1 names (couch)' in text


def test_the_published_algorithm(captions, tmp_path):
    report = parse_captions(captions, VOCABULARY, tmp_path / 'w.json', mode='parity')
    assert read_caption_words(tmp_path / 'w.json').by_image == {
        8: {'dog': 0},
        9: {'can': 3},
    }
    assert report.never == ('airplane', 'sofa')


def test_processes_change_nothing(openshapes, tmp_path, monkeypatch):
    monkeypatch.setattr('mmdet_ovis.apis.caption_parsing._BATCH', 4)
    captions = openshapes / 'annotations/captions_train.json'
    vocabulary = read_vocabulary(openshapes / 'annotations/instances_train.json')
    files = []
    for workers in (0, 2):
        files.append(tmp_path / f'{workers}.json')
        report = parse_captions(captions, vocabulary, files[-1], workers=workers)
        assert report.n_with_words == report.n_images == 12
    assert files[0].read_bytes() == files[1].read_bytes()
    words = read_caption_words(files[0])
    assert words.vocabulary == vocabulary.names
    # Its captions are written from the objects, so all words are right.
    truth = json.loads((openshapes / 'annotations/instances_train.json').read_text())
    labels = {cat['id']: i for i, cat in enumerate(truth['categories'])}
    shown = {(a['image_id'], labels[a['category_id']]) for a in truth['annotations']}
    found = {(i, label) for i, w in words.by_image.items() for label in w.values()}
    assert found
    assert found <= shown


def test_names_and_words_for_a_bank(captions, tmp_path):
    out = tmp_path / 'words.json'
    vocabulary = Vocabulary(('Dog', 'plane trip', 'metal'), ((), (), ('can',)))
    parse_captions(captions, vocabulary, out)
    assert read_vocabulary(out).names == ('dog', 'plane trip', 'metal')
    assert caption_word_vocabulary(out).names == ('dog', 'plane trip', 'metal', 'can')


def test_mistakes_are_named(captions, tmp_path):
    out = tmp_path / 'words.json'
    with pytest.raises(ValueError, match='captions of its 3 images hold no word'):
        parse_captions(captions, Vocabulary(('zebra',)), out)
    with pytest.raises(FileNotFoundError, match=r'no such file: .*nowhere\.json'):
        parse_captions(tmp_path / 'nowhere.json', VOCABULARY, out)
    with pytest.raises(ValueError, match=r'captions\.json is read by this job'):
        parse_captions(captions, VOCABULARY, captions)
    with pytest.raises(ValueError, match='workers is a number of processes'):
        parse_captions(captions, VOCABULARY, out, workers=-1)
    assert not out.exists()
    assert json.loads(captions.read_text()) == CAPTIONS


def test_the_list_of_images_is_recorded_whole(captions, tmp_path):
    """Those without a caption or word take a place as well."""
    parse_captions(captions, VOCABULARY, tmp_path / 'w.json')
    images = read_caption_words(tmp_path / 'w.json').images
    assert (images.number, images.ids_are_places) == (4, False)


def test_nothing_that_is_read_is_overwritten(tmp_path):
    index, text = tmp_path / 'train_index.json', tmp_path / 'train_caption.json'
    index.write_text('["a.jpg"]')
    text.write_text('["A dog."]')
    names = tmp_path / 'names.json'
    names.write_text('["dog"]')
    for out in (index, text, names):
        before = out.read_bytes()
        with pytest.raises(ValueError, match=rf'{out.name} is read by this job'):
            parse_captions(index, VOCABULARY, out, sources=[names])
        assert out.read_bytes() == before
    with pytest.raises(ValueError, match='is a folder; name the file'):
        parse_captions(index, VOCABULARY, tmp_path)
