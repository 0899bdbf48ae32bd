import pytest

from mmdet_ovis.utils.cli import run_tool


def _fail(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize('error', [ValueError('bad value'), OSError('no space')])
def test_mistakes_end_in_one_line(error, capsys, monkeypatch):
    monkeypatch.delenv('MMDET_OVIS_TRACEBACK', raising=False)
    with pytest.raises(SystemExit) as caught:
        run_tool(_fail(error))
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f'error: {error}\n')


def test_traceback_on_request(monkeypatch):
    monkeypatch.setenv('MMDET_OVIS_TRACEBACK', '1')
    with pytest.raises(ValueError, match='bad'):
        run_tool(_fail(ValueError('bad')))


def test_bugs_keep_their_traceback():
    with pytest.raises(KeyError):
        run_tool(_fail(KeyError('bug')))


@pytest.mark.parametrize(('returned', 'code'), [(None, 0), (75, 75)])
def test_exit_code(returned, code):
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: returned)
    assert caught.value.code == code
