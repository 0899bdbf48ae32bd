import pytest

from mmdet_ovis.structures.phrase import Phrase


def test_phrase_is_what_stands_between_its_offsets():
    caption = 'a red sofa'
    phrase = Phrase('couch', caption[6:10], 6, 10)
    assert (phrase.name, phrase.text) == ('couch', 'sofa')
    assert phrase == Phrase('couch', 'sofa', 6, 10)


@pytest.mark.parametrize(('start', 'end'), [(-1, 3), (4, 4), (5, 3), (0, 5)])
def test_offsets_that_cannot_be_are_refused(start, end):
    with pytest.raises(
        ValueError, match=f"characters {start} to {end} cannot be 'sofa"
    ):
        Phrase('couch', 'sofa', start, end)
