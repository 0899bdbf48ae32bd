import sys

import pytest

from mmdet_ovis.utils.packages import MissingPackageError, import_optional


def test_a_package_that_is_there_is_returned():
    assert import_optional('json', 'json', 'reading').loads('3') == 3


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    message = (
        r'drawing needs sketchpad, which is not installed: pip install "sketchpad>=2"'
    )
    with pytest.raises(MissingPackageError, match=message):
        import_optional('sketchpad', 'sketchpad>=2', 'drawing')
    monkeypatch.setitem(sys.modules, 'json', None)
    with pytest.raises(ValueError, match='reading needs json'):
        import_optional('json', 'json', 'reading')
    assert issubclass(MissingPackageError, ImportError)


def test_a_package_that_is_broken_itself_says_so(tmp_path, monkeypatch):
    (tmp_path / 'halfthere.py').write_text('import what_it_needs')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match='what_it_needs') as caught:
        import_optional('halfthere', 'halfthere', 'x')
    assert not isinstance(caught.value, MissingPackageError)
