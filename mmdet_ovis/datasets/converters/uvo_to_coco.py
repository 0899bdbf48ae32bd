"""UVO annotations (Wang et al., ICCV 2021) as a class-agnostic COCO file.

UVO comes in two forms: ``FrameSet``, which is close to COCO, and ``VideoDenseSet`` and
``VideoSparseSet`` in the form of YouTube-VIS, where an annotation follows an object
through a video and holds one mask a frame, or null. File names are those of UVO's own
script, which writes frame n of a video to ``<YouTube id>/<n>.png``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...utils.io import read_json
from ...utils.tally import Tally
from .masks import annotate_segmentation
from .output import OBJECT_CATEGORY, ConversionSummary, check_output, write_coco

_Entries = Iterator[tuple[str, dict[str, Any]]]
"""Pairs of place in the file, for messages, and image or annotation."""


def convert_uvo(
    ann_file: str | Path,
    out: str | Path,
    image_dir: str | Path | None = None,
    every: int = 1,
) -> ConversionSummary:
    """Convert a frame file or a video file, whichever it is.

    Boxes and areas are those of the masks. Annotations keep the name of their class
    (``name``) if the file has one, and in videos the ``track_id``.

    Args:
        ann_file (str | Path): ``UVO_frame_*.json``, ``UVO_video_*_dense.json`` or
            ``UVO_sparse_*_video.json``.
        out (str | Path): COCO file to write.
        image_dir (str | Path, optional): Folder of the frames: leave out frames that
            it does not have (videos vanish from YouTube). Defaults to None: keep all.
        every (int): Keep every how many-th frame of a video. Defaults to 1.

    Returns:
        ConversionSummary: What was written and what was left out.

    Raises:
        FileNotFoundError: If the file or ``image_dir`` is missing.
        ValueError: If the file is of another form, broken, or no frame is left; the
            message names file, index and key.
    """
    out = check_output(out, [ann_file])
    if every < 1:
        raise ValueError(f'every n-th frame is kept, with n of at least 1, not {every}')
    if image_dir is not None and not Path(image_dir).is_dir():
        raise FileNotFoundError(f'no such folder: {image_dir}')
    all_images, all_annotations = _read(read_json(ann_file), str(ann_file), every)
    left_out = Tally()
    images, absent = [], set()
    for _, image in all_images:
        if image_dir is None or Path(image_dir, image['file_name']).is_file():
            images.append(image)
        else:
            absent.add(image['id'])
            left_out.add('frame without image file', image['file_name'])
    sizes = {image['id']: (image['height'], image['width']) for image in images}
    annotations: list[dict[str, Any]] = []
    for where, ann in all_annotations:
        image_id = ann['image_id']
        if image_id in absent:
            left_out.add('annotation of a frame without image file', where)
            continue
        if image_id not in sizes:
            raise ValueError(f"{where}: key 'image_id' is {image_id}, no such image")
        try:
            shape = annotate_segmentation(ann['segmentation'], sizes[image_id])
        except ValueError as fault:
            left_out.add(str(fault), where)
            continue
        crowd = {'iscrowd': ann.get('iscrowd', 0)}
        number = {'id': len(annotations) + 1, 'category_id': OBJECT_CATEGORY['id']}
        annotations.append({**ann, **shape, **crowd, **number})
    return write_coco(
        out, images, annotations, [OBJECT_CATEGORY], 'UVO, class-agnostic', left_out
    )


def _read(content: Any, path: str, every: int) -> tuple[_Entries, _Entries]:
    """Return images and annotations of either form."""
    lists = {
        key
        for key in ('images', 'videos', 'annotations')
        if isinstance(content, Mapping) and isinstance(content.get(key), list)
    }
    if {'videos', 'annotations'} <= lists:
        names = _category_names(content)
        first_ids = _first_image_ids(content['videos'], path)
        return (
            _video_images(content['videos'], first_ids, path, every),
            _video_annotations(content, first_ids, path, every, names),
        )
    if {'images', 'annotations'} <= lists:
        if every != 1:
            raise ValueError(f'{path} holds frames, every n-th can be kept of videos')
        return _frame_images(content, path), _frame_annotations(content, path)
    raise ValueError(
        f"{path} is not a file of UVO: it has no lists 'images' (FrameSet) or 'videos' "
        "(VideoDenseSet, VideoSparseSet), and 'annotations'"
    )


def _frame_images(content: Mapping[str, Any], path: str) -> _Entries:
    for i, image in enumerate(content['images']):
        where = f'{path}: images[{i}]'
        _need(image, ('id', 'file_name', 'height', 'width'), where)
        yield where, dict(image)


def _frame_annotations(content: Mapping[str, Any], path: str) -> _Entries:
    names = _category_names(content)
    for i, ann in enumerate(content['annotations']):
        where = f'{path}: annotations[{i}]'
        _need(ann, ('image_id', 'segmentation'), where)
        yield where, {**ann, **_name(ann, names)}


def _first_image_ids(videos: list[Any], path: str) -> dict[int, int]:
    """Number the frames of all videos through; return the id before each video's."""
    first_ids, number = {}, 0
    for i, video in enumerate(videos):
        where = f'{path}: videos[{i}]'
        _need(video, ('id', 'file_names', 'height', 'width'), where)
        first_ids[video['id']] = number
        number += len(video['file_names'])
    return first_ids


def _video_images(
    videos: list[Mapping[str, Any]], first_ids: Mapping[int, int], path: str, every: int
) -> _Entries:
    for i, video in enumerate(videos):
        for frame in range(0, len(video['file_names']), every):
            yield (
                f'{path}: videos[{i}]',
                {
                    'id': first_ids[video['id']] + frame + 1,
                    'file_name': video['file_names'][frame],
                    'height': video['height'],
                    'width': video['width'],
                    'video_id': video['id'],
                    'frame_id': frame,
                },
            )


def _video_annotations(
    content: Mapping[str, Any],
    first_ids: Mapping[int, int],
    path: str,
    every: int,
    names: Mapping[int, str],
) -> _Entries:
    lengths = {video['id']: len(video['file_names']) for video in content['videos']}
    for i, track in enumerate(content['annotations']):
        where = f'{path}: annotations[{i}]'
        _need(track, ('id', 'video_id', 'segmentations'), where)
        if track['video_id'] not in lengths:
            raise ValueError(
                f"{where}: key 'video_id' is {track['video_id']}, no such video"
            )
        masks, length = track['segmentations'], lengths[track['video_id']]
        if not isinstance(masks, list) or len(masks) != length:
            raise ValueError(
                f"{where}: key 'segmentations' must be a list of {length} masks, one "
                'a frame of its video'
            )
        for frame in range(0, length, every):
            if masks[frame] is not None:
                yield (
                    f'{where}.segmentations[{frame}]',
                    {
                        'image_id': first_ids[track['video_id']] + frame + 1,
                        'segmentation': masks[frame],
                        'iscrowd': track.get('iscrowd', 0),
                        'track_id': track['id'],
                        **_name(track, names),
                    },
                )


def _category_names(content: Mapping[str, Any]) -> dict[int, str]:
    """Names by id; the class-agnostic files have one category, or none."""
    categories = content.get('categories') or []
    return {
        category['id']: category['name']
        for category in categories
        if isinstance(category, Mapping) and {'id', 'name'} <= category.keys()
    }


def _name(ann: Mapping[str, Any], names: Mapping[int, str]) -> dict[str, str]:
    name = names.get(ann.get('category_id'))
    return {} if name is None else {'name': name}


def _need(entry: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise ValueError(f'{where} is not an object')
    for key in keys:
        if key not in entry:
            raise ValueError(f"{where}: key '{key}' is missing")
