import os

import pytest

from mmdet_ovis.utils.parallel import map_in_processes


def _square(x):
    return x * x, os.getpid()


def _die(x):
    os._exit(1)


def _refuse(x):
    raise ValueError(f'no {x}')


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    results = list(map_in_processes(_square, range(40), workers, chunksize=3))
    assert [value for value, _ in results] == [x * x for x in range(40)]
    here = {process for _, process in results} == {os.getpid()}
    assert here == (workers < 2)


def test_errors_of_a_worker_arrive():
    with pytest.raises(ValueError, match='no 1'):
        list(map_in_processes(_refuse, [1, 2], 2))


def test_a_worker_that_dies_is_one_clear_error():
    with pytest.raises(ChildProcessError, match='fewer --workers'):
        list(map_in_processes(_die, [1, 2], 2))


def test_a_negative_number_of_workers_is_refused():
    with pytest.raises(ValueError, match='not -1'):
        list(map_in_processes(_square, [1], -1))
