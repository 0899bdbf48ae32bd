"""What a teacher extracts pseudo labels from: seven images with words, a tiny network.

The weights are random, so what it finds is no object; it is always the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import torch
from cmpl_case import BASE, CAPTION, DIM, HEIGHT, WIDTH, detector_config
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from ov_case import picture, write_bank

CHUNK_SIZE = 3
WORDS = {
    100: {'man': 'person', 'puppy': 'dog', 'cat': 'cat'},
    99: {'dog': 'dog'},
    98: {},
    97: {'cat': 'cat', 'bus': 'bus', 'aerosol can': 'aerosol can'},
    96: {'bus': 'bus', 'dog': 'dog', 'cat': 'cat'},
    95: {'person': 'person'},
    94: {'cat': 'cat', 'kitty': 'cat'},
}
"""Names by word and image, in the order of the images."""
PEOPLE = {image_id: (10 + 5 * i, 8, 50, 42) for i, image_id in enumerate(WORDS)}
"""x, y, width, height of the person of each image; all images have a dog, too."""
DOG = (80, 50, 40, 40)
META_KEYS = (
    *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    *('caption_words', 'caption_labels', 'has_gt'),
)


def write_dataset(folder: Path) -> None:
    """Images, annotations, words, and text vectors of all names and words."""
    folder.mkdir()
    images, annotations = [], []
    for i, image_id in enumerate(WORDS):
        size = (HEIGHT, WIDTH) if i % 2 else (HEIGHT // 2, WIDTH // 2)
        cv2.imwrite(str(folder / f'{i}.png'), picture(*size, seed=i))
        images.append(
            dict(id=image_id, file_name=f'{i}.png', height=size[0], width=size[1])
        )
        scale = size[0] / HEIGHT
        for category, box in ((1, PEOPLE[image_id]), (3, DOG)):
            x, y, w, h = (side * scale for side in box)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=category,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                )
            )
    categories = [
        dict(id=1, name='person', split='base'),
        dict(id=2, name='car', split='base'),
        dict(id=3, name='dog', split='novel'),
        dict(id=4, name='cat', split='novel'),
    ]
    truth = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'gt.json').write_text(json.dumps(truth))
    write_words(folder / 'words.json', WORDS)
    others = {word for words in WORDS.values() for word in words} - {*BASE, *CAPTION}
    write_bank(folder / 'bank.npz', dict.fromkeys((*BASE, *CAPTION, *sorted(others))))


def write_words(path: Path, words: dict[int, dict[str, str]]) -> None:
    """What tools/cmpl/parse_captions.py writes."""
    entries = [
        dict(image_id=image_id, word=word, name=name)
        for image_id, of_image in words.items()
        for word, name in of_image.items()
    ]
    path.write_text(json.dumps(dict(vocabulary=CAPTION, words=entries)))


def make_config(folder: Path) -> Config:
    """Extract from what :func:`write_dataset` has written."""
    detector = detector_config()
    detector.roi_head.bbox_head.embeddings = str(folder / 'bank.npz')
    dataset = dict(
        type='CaptionedOVCocoDataset',
        data_root=str(folder),
        ann_file='gt.json',
        data_prefix=dict(img=''),
        words_file='words.json',
        split='base',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(WIDTH, HEIGHT), keep_ratio=True),
            dict(type='PackDetInputs', meta_keys=META_KEYS),
        ],
    )
    return Config(
        dict(
            default_scope='mmdet',
            custom_imports=dict(imports=['mmdet_ovis'], allow_failed_imports=False),
            model=dict(type='CrossModalPseudoLabel', detector=detector),
            test_dataloader=dict(dataset=dataset),
        )
    )


def make_state(cfg: Config) -> dict[str, torch.Tensor]:
    """Random weights of a student and its teacher, which are the same."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        model.init_weights()
    model.student.roi_head.bbox_head.fc_emb.weight.data.normal_(std=0.5)
    model.student.roi_head.mask_head.conv_logits.bias.data.fill_(0.5)
    # Far from ties, which rounding would decide.
    for layer in (model.student.rpn_head.rpn_cls, model.student.rpn_head.rpn_conv):
        layer.weight.data.normal_(std=0.2)
    model.teacher.roi_head.load_state_dict(model.student.roi_head.state_dict())
    return model.state_dict()


def plain_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same as weights of a teacher alone, which knows no noise."""
    return {
        key.removeprefix('student.'): value
        for key, value in state.items()
        if key.startswith('student.') and 'conv_noise' not in key
    }


def write_checkpoint(path: Path, state: dict[str, torch.Tensor], **meta) -> Path:
    """Weights as the runner writes them."""
    space = dict(dim=DIM, model_id=f'hash-{DIM}', normalization='both')
    meta = dict(text_space={'roi_head.bbox_head': space | meta})
    torch.save(dict(meta=meta, state_dict=state), path)
    return path
