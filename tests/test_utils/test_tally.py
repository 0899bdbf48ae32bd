from mmdet_ovis.utils.tally import Tally


def test_counts_and_first_places_by_reason():
    tally = Tally(n_examples=2)
    assert not tally
    tally.extend([('empty', 'a'), ('missing', 'b'), ('empty', 'c'), ('empty', 'd')])
    assert tally
    assert tally.total == 4
    assert tally.counts == {'empty': 3, 'missing': 1}
    assert tally.lines() == [
        '3 x empty, for example a; c',
        '1 x missing, for example b',
    ]
