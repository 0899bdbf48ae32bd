"""What OpenShapes is made of: categories, surface families and colours.

The two halves of the categories own disjoint surface families, as real classes look
different from each other: seen objects wear patterns, unseen ones irregular surfaces
that resemble the photographs behind them. A detector that sees unlabelled objects of
the unseen half as background can learn to ignore them. Colours are drawn without
regard to the category, so they tell nothing about it, unless ``color_bias`` of the
configuration asks for typical ones, which small networks learn to name in minutes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A way in which a surface can look.

    Attributes:
        name (str): The adjective that captions use.
        contrast (tuple[float, float]): Range of the weight of the second colour,
            inside [0, 1].
    """

    name: str
    contrast: tuple[float, float]


@dataclass(frozen=True)
class Category:
    """One class of objects.

    Attributes:
        id (int): COCO category id, from 1.
        name (str): Singular noun.
        plural (str): Plural noun.
        seen (bool): Whether it belongs to the seen half.
        families (tuple[str, str, str]): Its own surface families, most likely first.
    """

    id: int
    name: str
    plural: str
    seen: bool
    families: tuple[str, str, str]

    @property
    def supercategory(self) -> str:
        """``'seen'`` or ``'unseen'``."""
        return 'seen' if self.seen else 'unseen'


FAMILY_WEIGHTS = (0.5, 0.3, 0.2)
"""Probability of a category's first, second and third own family."""

SEEN_FAMILIES = (
    Family('plain', (0.0, 0.0)),
    Family('striped', (0.6, 1.0)),
    Family('checkered', (0.6, 1.0)),
    Family('dotted', (0.6, 1.0)),
    Family('wavy', (0.6, 1.0)),
    Family('zigzag', (0.6, 1.0)),
    Family('hatched', (0.25, 0.5)),
)
"""Patterns, as they are printed or woven."""
UNSEEN_FAMILIES = (
    Family('marbled', (0.3, 0.7)),
    Family('brick', (0.35, 0.7)),
    Family('pebbled', (0.6, 1.0)),
    Family('faded', (0.4, 0.8)),
    Family('grassy', (0.4, 0.8)),
    Family('starry', (0.6, 1.0)),
    Family('scribbled', (0.3, 0.6)),
)
"""Irregular surfaces, most of them photographed, as the backgrounds are."""
FAMILIES = {family.name: family for family in SEEN_FAMILIES + UNSEEN_FAMILIES}

CATALOG = (
    Category(1, 'disc', 'discs', True, ('plain', 'striped', 'dotted')),
    Category(2, 'square', 'squares', True, ('checkered', 'wavy', 'hatched')),
    Category(3, 'triangle', 'triangles', True, ('striped', 'zigzag', 'plain')),
    Category(4, 'star', 'stars', True, ('wavy', 'plain', 'checkered')),
    Category(5, 'ring', 'rings', True, ('hatched', 'striped', 'zigzag')),
    Category(6, 'heart', 'hearts', True, ('dotted', 'plain', 'wavy')),
    Category(7, 'hexagon', 'hexagons', True, ('zigzag', 'hatched', 'checkered')),
    Category(8, 'pill', 'pills', True, ('plain', 'checkered', 'dotted')),
    Category(9, 'cross', 'crosses', False, ('faded', 'pebbled', 'grassy')),
    Category(10, 'crescent', 'crescents', False, ('marbled', 'scribbled', 'starry')),
    Category(11, 'arrow', 'arrows', False, ('pebbled', 'brick', 'faded')),
    Category(12, 'gear', 'gears', False, ('scribbled', 'faded', 'marbled')),
    Category(13, 'flower', 'flowers', False, ('starry', 'pebbled', 'brick')),
    Category(14, 'leaf', 'leaves', False, ('grassy', 'marbled', 'scribbled')),
    Category(15, 'wedge', 'wedges', False, ('brick', 'grassy', 'faded')),
    Category(16, 'bolt', 'bolts', False, ('marbled', 'starry', 'pebbled')),
)
CATEGORY_BY_NAME = {category.name: category for category in CATALOG}

CATEGORIES = tuple(category.name for category in CATALOG)
SEEN_CLASSES = tuple(category.name for category in CATALOG if category.seen)
UNSEEN_CLASSES = tuple(category.name for category in CATALOG if not category.seen)

COLORS = {
    'red': (205, 40, 40),
    'orange': (235, 130, 30),
    'yellow': (232, 210, 55),
    'green': (60, 150, 60),
    'teal': (40, 160, 160),
    'blue': (45, 80, 200),
    'purple': (125, 60, 170),
    'pink': (238, 130, 175),
    'brown': (120, 75, 40),
    'white': (235, 235, 230),
    'gray': (130, 130, 130),
    'black': (35, 35, 38),
}
"""Colour names that captions use, as RGB."""

TYPICAL_COLORS = {
    'disc': 'red',
    'square': 'orange',
    'triangle': 'yellow',
    'star': 'green',
    'ring': 'teal',
    'heart': 'blue',
    'hexagon': 'purple',
    'pill': 'pink',
    'cross': 'yellow',
    'crescent': 'red',
    'arrow': 'teal',
    'gear': 'pink',
    'flower': 'orange',
    'leaf': 'green',
    'wedge': 'purple',
    'bolt': 'blue',
}
"""Colour by category, for datasets where categories have one (``color_bias``).

A seen and an unseen category share each; brown, gray, black and white, in which
photographs abound, are nobody's.
"""

BACKGROUND_PHOTOS = {
    'train': (
        'astronaut.png',
        'camera.png',
        'motorcycle_left.png',
        'rocket.jpg',
        'ihc.png',
        'moon.png',
    ),
    'val': ('chelsea.png', 'coffee.png', 'retina.jpg'),
}
"""Photographs behind the objects; the two splits share none."""
