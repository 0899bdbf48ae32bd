import pytest

from mmdet_ovis.datasets.holdout import split_by_image


def _dataset(n):
    return {
        'info': {'year': 1},
        'images': [{'id': i} for i in reversed(range(n))],
        'annotations': [{'id': i, 'image_id': i % n} for i in range(3 * n)],
        'categories': [{'id': 1, 'name': 'x'}],
    }


def test_every_image_and_annotation_goes_to_one_part():
    dataset = _dataset(11)
    train, val = split_by_image(dataset)
    assert [i['id'] for i in val['images']] == [4, 9]
    assert len(train['images']) == 9
    assert len(train['annotations']) + len(val['annotations']) == 33
    assert {a['image_id'] for a in val['annotations']} == {4, 9}
    assert train['categories'] == val['categories'] == dataset['categories']


@pytest.mark.parametrize(('n', 'every'), [(3, 5), (10, 1)])
def test_impossible_splits_are_refused(n, every):
    with pytest.raises(ValueError, match=r'held out|hold out'):
        split_by_image(_dataset(n), every)
