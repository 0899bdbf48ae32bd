import pytest

from mmdet_ovis.language.prompts import (
    TEMPLATES,
    check_templates,
    fill_templates,
    load_templates,
    templates_hash,
)


def test_case_15_sixty_three_distinct_templates_with_the_name_once():
    templates = load_templates('vild63')
    assert len(templates) == len(set(templates)) == 63
    assert all(
        prompt.count('zebra') == 1 for prompt in fill_templates(templates, 'zebra')
    )


def test_case_15_families():
    templates = load_templates('vild63')
    for text in (
        'There is the {} in the scene.',
        'a photo of one {} in the scene.',
        'itap of my {}.',
        'a photo of many {}.',
        'a bad photo of the {}.',
        'a photo of a weird {}.',
        'a photo of the hard to see {}.',
        'a jpeg corrupted photo of a {}.',
        'a black and white photo of a {}',
        'a black and white photo of the {}.',
        'the plushie {}.',
        'an embroidered {}.',
        'a painting of a {}.',
    ):
        assert text in templates
    assert [t for t in templates if not t.endswith('.')] == [
        'a black and white photo of a {}'
    ]
    starts = {'a painting': 2, 'itap': 3, 'There is': 2}
    assert {s: sum(t.startswith(s) for t in templates) for s in starts} == starts


def test_other_sets():
    assert load_templates('single') == ('a photo of a {}.',)
    assert fill_templates(load_templates('none'), 'dog') == ['dog']


def test_hash_depends_on_every_letter():
    hashes = {templates_hash(templates) for templates in TEMPLATES.values()}
    assert len(hashes) == len(TEMPLATES)
    assert templates_hash(['a {}', 'the {}']) != templates_hash(['a {}', 'the {}.'])
    # Part of the format: banks that exist hold it.
    assert templates_hash(load_templates('vild63')) == '625634488aa6d4d1'


def test_templates_of_a_file(tmp_path):
    path = tmp_path / 'mine.txt'
    path.write_text('# mine\n\nein Bild von {}\n{}, gemalt\n')
    assert load_templates(path) == ('ein Bild von {}', '{}, gemalt')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'there is no template'),
        ('a photo', r"template 0 has to hold {} exactly once, for the name: 'a photo'"),
        ('a {}\n{} and {}', 'template 1 has to hold {} exactly once'),
        ('a {}\na {}', "a template is given twice: 'a {}'"),
    ],
)
def test_broken_files_are_named(tmp_path, text, message):
    path = tmp_path / 'mine.txt'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'mine\.txt: {message}'):
        load_templates(path)
    with pytest.raises(ValueError, match=message):
        check_templates([line for line in text.split('\n') if line])


def test_missing_and_binary_files_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match='no such templates: vild80; name a text'
    ):
        load_templates('vild80')
    (tmp_path / 'mine.txt').write_bytes(b'\xff\x00')
    with pytest.raises(ValueError, match=r'mine\.txt is not a text file'):
        load_templates(tmp_path / 'mine.txt')
