"""Images, folders, patterns, videos, and names of outputs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmdet_ovis.apis.inference.media import Video, list_media, open_video, output_stems


@pytest.fixture
def folder(tmp_path):
    for name in ('b.png', 'a.JPG', 'c.mp4', 'notes.txt', 'deep/d.jpeg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_what_is_found(folder):
    assert names(list_media([folder])) == ['a.JPG', 'b.png', 'c.mp4']
    assert names(list_media([folder], videos=False)) == ['a.JPG', 'b.png']
    assert names(list_media([f'{folder}/*'])) == ['a.JPG', 'b.png', 'c.mp4']
    assert names(list_media([f'{folder}/**/*.jp*g'])) == ['d.jpeg']
    # What is named outright is taken, once.
    twice = [folder / 'notes.txt', folder / 'b.png', folder / 'b.png']
    assert names(list_media(twice)) == ['notes.txt', 'b.png']


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    (tmp_path / 'a[1].png').write_bytes(b'x')
    assert names(list_media([tmp_path / 'a[1].png'])) == ['a[1].png']


def test_what_is_not_found(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such image or folder: nowhere'):
        list_media(['nowhere'])
    with pytest.raises(FileNotFoundError, match=r'nothing matches .*\*\.gif'):
        list_media([f'{folder}/*.gif'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'no image in .*empty'):
        list_media([tmp_path / 'empty'])


def test_names_of_outputs(tmp_path):
    paths = ['x/a.png', 'y/a.png', 'z/a.jpg', 'x/a_2.png']
    stems = names(output_stems(paths, tmp_path))
    assert stems[0] == 'a'
    assert stems[3] == 'a_2'
    assert len(set(stems)) == 4


@pytest.mark.parametrize('output', ['a.png', 'a_explain.png'])
def test_inputs_are_safe(tmp_path, output):
    (tmp_path / 'a.jpg').write_bytes(b'x')
    (tmp_path / output).write_bytes(b'x')
    inputs = [tmp_path / 'a.jpg', tmp_path / output]
    with pytest.raises(ValueError, match='is an input and would be overwritten'):
        output_stems(inputs, tmp_path)
    assert len(output_stems([tmp_path / 'a.jpg'], tmp_path)) == 1


def test_videos(tmp_path):
    path = tmp_path / 'new' / 'a.mp4'
    with open_video(path, 5) as writer:
        for i in range(4):
            writer.write(np.full((33, 48, 3), 60 * i, np.uint8))
        assert not path.exists()
    video = Video(path)
    assert (len(video), video.fps) == (4, 5)
    frames = list(video)
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 4
    assert [round(frame.mean() / 60) for frame in frames] == [0, 1, 2, 3]
    assert names(path.parent.iterdir()) == ['a.mp4']


def test_a_video_that_breaks_off_leaves_nothing(tmp_path):
    def break_off():
        with open_video(tmp_path / 'a.mp4', 5) as writer:
            writer.write(np.zeros((32, 32, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_no_video(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    with pytest.raises(ValueError, match=r'a\.mp4 is not a video that can be decoded'):
        Video(tmp_path / 'a.mp4')
