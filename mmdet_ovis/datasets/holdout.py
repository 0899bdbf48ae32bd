"""Cutting one COCO file into a training and a validation part."""

from __future__ import annotations


def split_by_image(dataset: dict, every: int = 5) -> tuple[dict, dict]:
    """Hold out every n-th image of a COCO dataset.

    The images are sorted by id first, so the result depends on nothing else.

    Args:
        dataset (dict): A COCO dataset with ``images`` and ``annotations``.
        every (int): Every how many-th image is held out, at least 2. Defaults to 5,
            that is 80 % for training.

    Returns:
        tuple[dict, dict]: Training and validation part, with everything else
        (``categories``, ``info``, ...) as it was.

    Raises:
        ValueError: If ``every`` is below 2 or there are fewer images than that.

    Examples:
        >>> images = [{'id': i} for i in range(10)]
        >>> train, val = split_by_image({'images': images, 'annotations': []})
        >>> [image['id'] for image in val['images']]
        [4, 9]
    """
    if every < 2:
        raise ValueError(
            f'every n-th image is held out with n of at least 2, got {every}'
        )
    images = sorted(dataset['images'], key=lambda image: image['id'])
    if len(images) < every:
        raise ValueError(f'cannot hold out every {every}th of {len(images)} images')
    held_out = {image['id'] for image in images[every - 1 :: every]}

    def part(is_val: bool) -> dict:
        return {
            **dataset,
            'images': [i for i in images if (i['id'] in held_out) == is_val],
            'annotations': [
                ann
                for ann in dataset['annotations']
                if (ann['image_id'] in held_out) == is_val
            ],
        }

    return part(False), part(True)
