import numpy as np
import pytest

from mmdet_ovis.utils.image import read_image, write_image


def test_round_trip_keeps_rgb(tmp_path):
    image = np.zeros((4, 5, 3), dtype=np.uint8)
    image[..., 0] = 200
    write_image(tmp_path / 'sub' / 'x.png', image)
    assert (read_image(tmp_path / 'sub' / 'x.png') == image).all()


def test_missing_broken_and_empty_images_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.png'):
        read_image(tmp_path / 'none.png')
    for name, content in (('broken.jpg', b'\xff\xd8\xff\xe0 no'), ('empty.png', b'')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name.replace('.', r'\.')):
            read_image(tmp_path / name)


def test_unknown_format_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"unknown format '\.xyz'"):
        write_image(tmp_path / 'x.xyz', np.zeros((2, 2, 3), dtype=np.uint8))
