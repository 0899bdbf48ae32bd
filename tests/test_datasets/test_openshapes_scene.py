"""OpenShapes: scenes, shapes, textures, pictures and captions."""

from __future__ import annotations

import ast
import socket
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ovis.datasets import openshapes
from mmdet_ovis.datasets.openshapes import (
    CATEGORIES,
    SEEN_CLASSES,
    UNSEEN_CLASSES,
    OpenShapesConfig,
    Pose,
    render_scene,
    sample_scene,
)
from mmdet_ovis.datasets.openshapes.captions import Mention, write_captions
from mmdet_ovis.datasets.openshapes.catalog import (
    BACKGROUND_PHOTOS,
    CATALOG,
    CATEGORY_BY_NAME,
    COLORS,
    FAMILIES,
    SEEN_FAMILIES,
    UNSEEN_FAMILIES,
)
from mmdet_ovis.datasets.openshapes.coverage import sprite_coverage
from mmdet_ovis.datasets.openshapes.layout import outline_area
from mmdet_ovis.datasets.openshapes.photos import load_luminance, load_photo
from mmdet_ovis.datasets.openshapes.shapes import sample_outline
from mmdet_ovis.datasets.openshapes.textures import Texture, texture_field

SIDE = 128


@pytest.fixture(scope='module')
def config():
    return OpenShapesConfig(seed=3, image_size=SIDE)


@pytest.fixture(scope='module')
def scenes(config):
    return [sample_scene(config, 'train', index) for index in range(60)]


def bare(scene):
    """The scene with nothing on its objects but their first colour."""
    sprites = tuple(
        replace(
            sprite,
            surface=replace(sprite.surface, contrast=0.0),
            relief=0.0,
            shading=0.0,
            shadow=0.0,
        )
        for sprite in scene.sprites
    )
    return replace(scene, sprites=sprites, noise=0.0)


def test_halves_are_disjoint_and_complete():
    assert len(SEEN_CLASSES) == len(UNSEEN_CLASSES) == 8
    assert set(SEEN_CLASSES) | set(UNSEEN_CLASSES) == set(CATEGORIES)
    assert len(set(CATEGORIES)) == 16
    assert [category.id for category in CATALOG] == list(range(1, 17))


@pytest.mark.parametrize('half', [SEEN_FAMILIES, UNSEEN_FAMILIES])
def test_each_half_has_strong_and_faint_families(half):
    middles = [sum(family.contrast) / 2 for family in half]
    assert min(middles) < 0.5 < 0.75 < max(middles)


def test_categories_own_families_of_their_half_only():
    seen = {family.name for family in SEEN_FAMILIES}
    assert len(FAMILIES) == len(SEEN_FAMILIES) + len(UNSEEN_FAMILIES)
    for category in CATALOG:
        assert len(set(category.families)) == 3
        assert all((family in seen) == category.seen for family in category.families)


def test_validation_backgrounds_are_held_out():
    assert not set(BACKGROUND_PHOTOS['train']) & set(BACKGROUND_PHOTOS['val'])


def test_appearance_bias_decides_whose_families_are_worn():
    own = {}
    for bias in (0.0, 1.0):
        config = OpenShapesConfig(image_size=64, appearance_bias=bias)
        sprites = [
            sprite
            for index in range(40)
            for sprite in sample_scene(config, 'train', index).sprites
        ]
        own[bias] = np.mean(
            [s.pattern in CATEGORY_BY_NAME[s.category].families for s in sprites]
        )
    assert own[1.0] == 1.0
    assert own[0.0] < 0.4


def test_every_category_and_family_appears(scenes):
    sprites = [sprite for scene in scenes for sprite in scene.sprites]
    assert {sprite.category for sprite in sprites} == set(CATEGORIES)
    assert {sprite.pattern for sprite in sprites} == set(FAMILIES)
    assert {sprite.color for sprite in sprites} == set(COLORS)


def test_number_and_visibility_of_objects(scenes, config):
    for scene in scenes:
        assert config.min_objects <= len(scene.sprites) <= config.max_objects
        owners = render_scene(scene, SIDE, SIDE).owners
        for index, sprite in enumerate(scene.sprites):
            linear = sprite.pose.matrix(SIDE, SIDE)[:, :2]
            whole = abs(np.linalg.det(linear)) * outline_area(sprite.outline)
            visible = (owners == index).sum()
            assert visible >= config.min_visible_area
            assert visible >= config.min_visible_fraction * whole


def test_objects_occlude_each_other(scenes):
    hidden = 0
    for scene in scenes[:20]:
        owners = render_scene(scene, SIDE, SIDE).owners
        for index, sprite in enumerate(scene.sprites):
            covered = sprite_coverage(sprite, SIDE, SIDE).mask.sum()
            hidden += (owners == index).sum() < 0.95 * covered
    assert hidden > 10


def test_owner_is_the_topmost_sprite_of_the_picture(scenes):
    """Owned pixels have exactly their sprite's colour, but at soft edges."""
    for scene in scenes[:12]:
        rendering = render_scene(bare(scene), SIDE, SIDE)
        for index, sprite in enumerate(scene.sprites):
            mask = (rendering.owners == index).astype(np.uint8)
            inside = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1) > 0
            color = np.rint(sprite.surface.primary)
            same = (np.abs(rendering.image[inside] - color) <= 1).all(axis=1)
            assert same.size == 0 or same.mean() > 0.98


def test_rendering_is_a_pure_function(scenes):
    first, second = (render_scene(scenes[0], SIDE, SIDE) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.owners, second.owners)


def test_scene_keeps_its_look_at_another_size(scenes):
    small = render_scene(scenes[1], SIDE, SIDE).owners
    large = render_scene(scenes[1], 2 * SIDE, 2 * SIDE).owners
    assert (small == large[::2, ::2]).mean() > 0.97


def test_moved_sprite_takes_its_surface_along(scenes):
    """The basis of clips: only poses change from frame to frame."""
    scene = replace(scenes[0], sprites=scenes[0].sprites[-1:], noise=0.0)
    sprite = scene.sprites[0]
    pose = replace(sprite.pose, x=0.4, y=0.5, radius=0.15)
    here = render_scene(scene.posed([pose]), SIDE, SIDE)
    there = render_scene(scene.posed([replace(pose, x=0.4 + 16 / SIDE)]), SIDE, SIDE)
    np.testing.assert_array_equal(here.owners[:, :-16], there.owners[:, 16:])
    mask = (here.owners == 0).astype(np.uint8)
    rows, columns = np.nonzero(cv2.erode(mask, np.ones((3, 3), np.uint8)))
    moved = there.image[rows, columns + 16].astype(int)
    assert np.abs(here.image[rows, columns] - moved).mean() < 0.5


def test_posed_wants_one_pose_a_sprite(scenes):
    with pytest.raises(ValueError, match='1 poses for'):
        scenes[0].posed([Pose(0.5, 0.5, 0.1)])


def test_sprite_outside_the_picture_is_not_painted(scenes):
    scene = replace(scenes[0], sprites=scenes[0].sprites[:1])
    gone = scene.posed([Pose(x=3.0, y=0.5, radius=0.1)])
    assert (render_scene(gone, SIDE, SIDE).owners == -1).all()


@pytest.mark.parametrize('category', CATEGORIES)
def test_outlines_are_normalised_and_never_equal(category):
    rng = np.random.default_rng(0)
    first, second = sample_outline(category, rng), sample_outline(category, rng)
    points = np.concatenate(first)
    extent = points.max(axis=0) - points.min(axis=0)
    assert extent.max() == pytest.approx(2.0)
    assert np.abs(points).max() <= 1.0 + 1e-9
    assert 0.3 < outline_area(first) < 4.0
    assert outline_area(first) != pytest.approx(outline_area(second), rel=1e-6)


def test_rings_and_gears_have_holes():
    for category in CATEGORIES:
        contours = sample_outline(category, np.random.default_rng(0))
        assert len(contours) == (2 if category in ('ring', 'gear') else 1)


def test_unknown_category():
    with pytest.raises(KeyError, match='blob'):
        sample_outline('blob', np.random.default_rng(0))


def test_coverage_has_the_area_of_the_outline(scenes):
    sprite = scenes[0].sprites[0]
    for category in CATEGORIES:
        outline = sample_outline(category, np.random.default_rng(1))
        pose = Pose(x=0.5, y=0.5, radius=0.3, angle=0.7, aspect=1.2, shear=0.1)
        coverage = sprite_coverage(
            replace(sprite, outline=outline, pose=pose), 200, 300
        )
        assert coverage.alpha.sum() == pytest.approx(
            outline_area(outline) * (0.3 * 200) ** 2, rel=0.02
        )


@pytest.mark.parametrize('family', FAMILIES)
def test_textures_are_deterministic_weights(family):
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-2, 2, 30))
    texture = Texture(family, period=0.3, angle=0.4, offset=(0.2, 0.7), seed=11)
    field = texture_field(texture, x, y)
    assert field.shape == x.shape
    assert field.dtype == np.float32
    assert field.min() >= -1e-5
    assert field.max() <= 1.0 + 1e-5
    assert (field.std() > 0.05) == (family != 'plain')
    np.testing.assert_array_equal(field, texture_field(texture, x, y))


def test_photos_come_from_the_wheel_without_network(monkeypatch):
    """Never through pooch, which downloads what is missing."""

    def refuse(*args, **kwargs):
        raise AssertionError('network access')

    monkeypatch.setattr(socket, 'socket', refuse)
    monkeypatch.setitem(sys.modules, 'pooch', None)
    load_photo.cache_clear()
    load_luminance.cache_clear()
    for name in (name for names in BACKGROUND_PHOTOS.values() for name in names):
        assert load_photo(name).shape[2] == 3
    for name in ('brick.png', 'gravel.png', 'grass.png', 'text.png'):
        assert 0.1 < load_luminance(name).std() < 0.5


def test_missing_photo_is_named():
    with pytest.raises(FileNotFoundError, match=r'no_such\.png is missing'):
        load_photo('no_such.png')


def test_unreadable_photo_is_named():
    with pytest.raises(ValueError, match=r'README\.txt cannot be read'):
        load_photo('README.txt')


def test_captions_count_agree_and_relate():
    disc = Mention(('red', 'striped', 'disc'), (0.2, 0.5))
    leaves = [Mention(('orange', 'plain', 'leaf'), (0.8, y)) for y in (0.4, 0.6)]
    arrow = Mention(('blue', 'dotted', 'arrow'), (0.5, 0.5))
    rng = np.random.default_rng(0)
    captions = write_captions([disc, *leaves], rng)
    assert len(captions) == 2
    assert 'a disc and two leaves' in captions[0].lower()
    assert captions[1] in (
        'A red striped disc left of two orange plain leaves.',
        'Two orange plain leaves right of a red striped disc.',
    )
    assert len(write_captions([disc, *leaves, arrow], rng)) == 3
    assert 'an arrow' in write_captions([arrow], rng)[0].lower()


def test_caption_of_nothing_and_of_many():
    rng = np.random.default_rng(0)
    assert write_captions([], rng) == ['An empty picture.']
    crowd = [Mention(('red', 'plain', 'disc'), (0.5, 0.5))] * 15
    assert write_captions(crowd, rng)[1] == '15 red plain discs.'


def test_relation_is_only_said_of_whole_groups():
    discs = [Mention(('red', 'plain', 'disc'), (x, 0.5)) for x in (0.2, 0.8)]
    gear = Mention(('blue', 'plain', 'gear'), (0.5, 0.5))
    assert ' near ' in write_captions([*discs, gear], np.random.default_rng(0))[1]


def test_smallest_pictures_still_hold_objects():
    config = OpenShapesConfig(image_size=64, min_objects=1, max_objects=2)
    counts = [len(sample_scene(config, 'val', i).sprites) for i in range(30)]
    assert min(counts) >= 1


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'seed': -1}, 'must not be negative'),
        ({'image_size': 10}, 'image_size'),
        ({'image_size': (64, 64, 64)}, 'image_size'),
        ({'min_objects': 5, 'max_objects': 4}, 'min_objects <= max_objects'),
        ({'min_scale': 0.7}, 'min_scale <= max_scale'),
        ({'appearance_bias': 1.5}, 'appearance_bias'),
        ({'jpeg_quality': 0}, 'jpeg_quality'),
    ],
)
def test_config_names_what_is_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        OpenShapesConfig(**parameters)


def test_signature_covers_every_parameter():
    base = OpenShapesConfig()
    assert base.signature() == OpenShapesConfig(image_size=(256, 256)).signature()
    changes = {
        'seed': 1,
        'image_size': 128,
        'num_train': 7,
        'num_val': 7,
        'min_objects': 2,
        'max_objects': 9,
        'min_scale': 0.2,
        'max_scale': 0.4,
        'min_visible_fraction': 0.4,
        'min_visible_area': 70,
        'appearance_bias': 0.5,
        'repeat_prob': 0.5,
        'jpeg_quality': 90,
    }
    assert set(changes) == set(base.to_dict())
    signatures = {replace(base, **{k: v}).signature() for k, v in changes.items()}
    assert len(signatures | {base.signature()}) == len(changes) + 1


def test_package_needs_neither_torch_nor_mmdet():
    allowed = {'cv2', 'mmdet_ovis', 'numpy', 'pycocotools', 'skimage'}
    for path in Path(openshapes.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            roots = {name.split('.')[0] for name in names}
            assert roots <= allowed | sys.stdlib_module_names, path
