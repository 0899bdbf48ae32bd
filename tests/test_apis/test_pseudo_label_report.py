"""The report on pseudo labels: its numbers, its pictures, its mistakes."""

from __future__ import annotations

import json
import runpy
import sys

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_ovis.apis.pseudo_label_report import make_report
from mmdet_ovis.apis.pseudo_label_report.pages import Block, render
from mmdet_ovis.apis.pseudo_label_report.pictures import COLORS
from mmdet_ovis.utils.image import read_image, write_image

HEIGHT, WIDTH = 40, 60


def box(x: int, y: int, w: int, h: int) -> dict:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    rle = mask_api.encode(mask)
    return {'size': [HEIGHT, WIDTH], 'counts': rle['counts'].decode()}


SEEN, UNSEEN = (0, 0, 20, 20), (30, 10, 20, 20)


@pytest.fixture
def files(tmp_path):
    """Three images, the last without a picture; one object of each class on 1 and 2.

    On image 1 both objects are found exactly, one of them twice; on image 2 a mask
    covers half of the unseen object, another one nothing.
    """
    for i in (1, 2):
        write_image(
            tmp_path / 'images' / f'{i}.png', np.full((40, 60, 3), 90, np.uint8)
        )
    categories = [{'id': 1, 'name': 'person'}, {'id': 2, 'name': 'kite'}]
    objects = [
        {
            'id': 2 * image_id + category,
            'image_id': image_id,
            'category_id': category,
            'segmentation': box(*shape),
            'bbox': list(shape),
            'area': 400,
            'iscrowd': 0,
        }
        for image_id in (1, 2)
        for category, shape in ((1, SEEN), (2, UNSEEN))
    ]
    images = [
        {'id': i, 'file_name': f'{i}.png', 'height': HEIGHT, 'width': WIDTH}
        for i in (1, 2, 3)
    ]
    gt = {'images': images, 'categories': categories, 'annotations': objects}
    found = [
        (1, SEEN, 0.9, 1.0),
        (1, UNSEEN, 0.8, 0.0),
        (1, (0, 0, 20, 18), 0.7, 0.9),
        (2, (30, 10, 20, 10), 0.6, 0.0),
        (2, (5, 30, 10, 5), 0.2, 0.0),
    ]
    results = [
        {'image_id': i, 'segmentation': box(*shape), 'score': score}
        for i, shape, score, _ in found
    ]
    masks = [
        {
            **result,
            'category_id': 1,
            'bbox': list(shape),
            'area': shape[2] * shape[3],
            'rank': i if i < 3 else i - 3,
            'gt_iou': gt_iou,
            'source': 'pa' if i % 2 == 0 else 'gradcam',
        }
        for i, (result, (_, shape, _, gt_iou)) in enumerate(
            zip(results, found, strict=True)
        )
    ]
    for name, content in (
        ('gt.json', gt),
        ('results.json', results),
        ('masks.json', [masks[:3], masks[3:], []]),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def report(files, masks='masks.json', **options):
    return make_report(files / masks, files / 'images', files / 'out', **options)


def test_counts_and_distributions(files):
    numbers = report(files)
    assert numbers['images'] == 3
    assert numbers['images_without_masks'] == 1
    assert numbers['masks'] == 5
    assert numbers['masks_per_image'] == pytest.approx(5 / 3)
    assert numbers['sources'] == {'pa': 3, 'gradcam': 2}
    assert numbers['distributions']['score']['mean'] == pytest.approx(0.64)
    assert numbers['distributions']['area_share']['max'] == pytest.approx(400 / 2400)
    assert numbers['distributions']['masks_per_image']['min'] == 0
    assert 'quality' not in numbers
    assert 'best_iou' not in numbers['distributions']
    assert numbers == json.loads((files / 'out' / 'report.json').read_text())


def test_recall_and_precision(files):
    numbers = report(files, gt=files / 'gt.json', seen_class='person')
    unseen, seen, everything = (
        numbers['quality'][split] for split in ('unseen', 'seen', 'all')
    )
    # One of two unseen objects at all thresholds, the other one at IoU 0.5 alone.
    assert unseen['AR@1'] == pytest.approx(0.55)
    assert unseen['AR50@100'] == 1
    assert unseen['best_iou'] == pytest.approx(0.75)
    # Two masks show an unseen object, one repeats a seen one, one shows nothing.
    assert unseen['precision'] == pytest.approx(2 / 4)
    assert seen['AR@100'] == pytest.approx(0.5)
    assert seen['best_iou'] == pytest.approx(0.5)
    assert seen['precision'] == pytest.approx(1 / 3)
    assert everything['AR@1'] == pytest.approx((1 + 0.1) / 4)
    assert everything['precision'] == pytest.approx(3 / 5)
    assert numbers['outcomes'] == {
        'seen': 1,
        'unseen': 2,
        'object': 0,
        'repeat': 1,
        'crowd': 0,
        'nothing': 1,
    }


def test_each_source_is_measured_alone(files):
    numbers = report(files, gt=files / 'gt.json', seen_class='person')
    alone = numbers['quality_by_source']
    assert alone['pa']['seen']['AR@1'] == pytest.approx(0.5)
    assert alone['gradcam']['seen']['AR@1'] == 0
    assert alone['gradcam']['unseen']['precision'] == 1
    page = (files / 'out' / 'report.md').read_text()
    assert 'gradcam unseen' in page


def test_without_seen_classes_all_objects_are_alike(files):
    numbers = report(files, gt=files / 'gt.json')
    assert list(numbers['quality']) == ['all']
    assert numbers['outcomes']['object'] == 3


def test_a_crowd_is_no_object(files):
    gt = json.loads((files / 'gt.json').read_text())
    gt['annotations'][0]['iscrowd'] = 1  # the person of image 1
    (files / 'gt.json').write_text(json.dumps(gt))
    numbers = report(files, gt=files / 'gt.json', seen_class='person')
    assert numbers['outcomes']['crowd'] == 2
    assert numbers['outcomes']['seen'] == 0
    assert numbers['quality']['seen']['precision'] == 0


def test_results_of_another_tool_are_compared_with_the_seen_classes(files):
    plain = report(files, 'results.json')
    assert plain['masks_without_gt_iou'] == 5
    assert 'gt_iou' not in plain['distributions']
    assert plain['sources'] == {'file': 5}
    assert plain['images'] == 2  # such a file does not tell of others
    compared = report(files, 'results.json', gt=files / 'gt.json', seen_class='person')
    assert compared['masks_without_gt_iou'] == 0
    assert compared['distributions']['gt_iou']['mean'] == pytest.approx(1.9 / 5)
    assert compared['images'] == 3


def test_a_merged_file_brings_names_and_images(files):
    gt = json.loads((files / 'gt.json').read_text())
    masks = json.loads((files / 'masks.json').read_text())
    gt['images'][0]['file_name'] = '2.png'
    gt['annotations'] += [ann for anns in masks for ann in anns]
    (files / 'merged.json').write_text(json.dumps(gt))
    numbers = report(files, 'merged.json')
    assert (numbers['images'], numbers['masks']) == (3, 5)
    assert numbers['images_not_found'] == 0


def test_missing_images_are_counted_and_gray(files):
    (files / 'images' / '2.png').unlink()
    numbers = report(files)
    assert numbers['images_not_found'] == 1
    assert numbers['images_drawn_gray'] == [2]
    page = (files / 'out' / 'report.md').read_text()
    assert '1 of the 2 images with masks are not in' in page
    assert 'they are gray' in page


def test_a_broken_image_is_gray(files):
    (files / 'images' / '2.png').write_bytes(b'nothing')
    numbers = report(files)
    assert (numbers['images_not_found'], numbers['images_drawn_gray']) == (0, [2])


def test_mosaics_show_what_the_masks_show(files):
    numbers = report(files, gt=files / 'gt.json', seen_class='person', num_pictures=1)
    assert numbers['pictures'] == {
        'best': {'1': pytest.approx(1.0)},
        'median': {'1': pytest.approx(1.0)},
        'worst': {'2': pytest.approx(0.25)},
    }
    best = read_image(files / 'out' / 'best.png')
    colors = {tuple(color) for color in best.reshape(-1, 3)}
    for outcome in ('seen', 'unseen'):
        half = tuple(int(0.5 * 90 + 0.5 * c) for c in COLORS[outcome])
        assert half in colors
    worst = read_image(files / 'out' / 'worst.png')
    pale = tuple(int(0.8 * 90 + 0.2 * c) for c in COLORS['nothing'])
    assert pale in {tuple(color) for color in worst.reshape(-1, 3)}
    assert read_image(files / 'out' / 'histograms.png').shape[0] > 300


def test_markdown_and_html_say_the_same(files):
    report(files, gt=files / 'gt.json', form='html')
    report(files, gt=files / 'gt.json', form='md')
    html = (files / 'out' / 'report.html').read_text()
    markdown = (files / 'out' / 'report.md').read_text()
    for text in ('Pseudo labels: masks.json', 'AR@100', 'masks an image', 'worst.png'):
        assert text in html
        assert text in markdown


def test_pages_escape_what_they_show():
    blocks = [Block('title', '<a>'), Block('table', rows=[['a|b', 'c'], ['<', '&']])]
    html = render(blocks, 'html')
    assert '<h1>&lt;a&gt;</h1>' in html
    assert '<td>&lt;</td><td>&amp;</td>' in html
    assert 'a\\|b' in render(blocks, 'md')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'seen_class': 'person'}, '--seen-class says which classes of --gt'),
        ({'form': 'pdf'}, "format is one of .*, not 'pdf'"),
        ({'num_pictures': 0}, 'at least one picture'),
    ],
)
def test_arguments_that_do_not_fit(files, options, message):
    with pytest.raises(ValueError, match=message):
        report(files, **options)


def test_files_that_do_not_fit(files):
    gt = files / 'gt.json'
    with pytest.raises(ValueError, match=r"gt\.json: unknown class split 'cats'"):
        report(files, gt=gt, seen_class='cats')
    (files / 'empty.json').write_text('[[], []]')
    with pytest.raises(ValueError, match=r'empty\.json holds no mask'):
        report(files, 'empty.json')
    with pytest.raises(FileNotFoundError, match='no such folder of images'):
        make_report(files / 'masks.json', files / 'nowhere', files / 'out')
    content = json.loads(gt.read_text())
    content['images'] = content['images'][1:]
    content['annotations'] = content['annotations'][2:]
    gt.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"masks\.json: 'image_id' 1 is not an image"):
        report(files, gt=gt)


def test_command_line(files, root, monkeypatch, capsys):
    tool = str(root / 'tools' / 'analysis_tools' / 'pseudo_label_report.py')
    arguments = [files / 'masks.json', '--images', files / 'images', '--gt']
    arguments += [files / 'gt.json', '--seen-class', 'person', '--out', files / 'out']
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments), '--format', 'html'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    assert '5 masks on 3 images, 1 without one' in capsys.readouterr().out
    assert (files / 'out' / 'report.html').exists()
