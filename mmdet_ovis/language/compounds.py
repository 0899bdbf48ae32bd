"""Pairs of nouns that do not show what one of the two names."""

from __future__ import annotations

from .plurals import pluralize

_HEADS = {
    'airplane': 'hangar ticket',
    'apple': 'cider juice orchard pie sauce',
    'adult': 'bear bird cow elephant giraffe horse sheep zebra',
    'baby': 'bear bird bottle calf carriage carrot carrier cow crib deer doll duck '
    'elephant food giraffe goat horse lamb monkey panda pig seat sheep stroller zebra',
    'banana': 'bread pudding split',
    'baseball': 'bat cap diamond field game glove hat match mitt park pitcher '
                       'player stadium team uniform',
    'basketball': 'court game hoop net player shorts',
    'bed': 'frame room sheet side spread',
    'bicycle': 'helmet lane lock path rack shop stand',
    'bike': 'helmet lane lock path rack shop stand trail',
    'bird': 'bath cage feeder house nest seed',
    'boat': 'dock house launch ramp slip',
    'book': 'bag case shelf store',
    'bottle': 'cap opener',
    'bus': 'bench depot driver lane route shelter station stop terminal',
    'car': 'dealership key park port wash',
    'carrot': 'cake soup',
    'cat': 'bed carrier food litter toy tree',
    'computer': 'desk mouse keyboard screen',
    'cow': 'bell boy pasture',
    'cup': 'board cake holder',
    'dog': 'bed bone bowl collar dish food house kennel leash park show toy '
                  'treat',
    'football': 'field game helmet player stadium',
    'horse': 'barn farm fly racing shoe stable trailer track',
    'kite': 'board festival show',
    'keyboard': 'drawer tray',
    'knife': 'block holder rack',
    'laptop': 'bag case stand',
    'motorcycle': 'club event gear helmet jacket race rally show track',
    'mouse': 'mat pad trap',
    'orange': 'juice peel',
    'oven': 'mitt',
    'pizza': 'box cutter oven pan parlor place restaurant sauce shop stone',
    'plane': 'hangar ticket',
    'refrigerator': 'magnet',
    'sheep': 'dog farm skin',
    'skateboard': 'park ramp',
    'ski': 'area boot course gear goggles hat hill jacket jump lift lodge mask '
                  'mountain pants resort run slope suit trail',
    'soccer': 'ball field game goal net player team uniform',
    'surfboard': 'rack shop',
    'tennis': 'ball court game match player racket racquet',
    'toilet': 'brush paper roll tissue',
    'train': 'bridge crossing depot platform station stop terminal track yard',
    'tv': 'cabinet channel commercial program series show stand table tray',
    'umbrella': 'stand',
    'wine': 'bottle glass rack',
}  # fmt: skip
COMPOUNDS = frozenset(
    (word, form)
    for word, heads in _HEADS.items()
    for head in heads.split()
    for form in (head, pluralize(head))
)
"""Pairs of words of which the first only says what kind the second is.

A bus stop shows a stop, and no bus for sure.
"""

MISNOMERS = frozenset(
    (word, other)
    for word, others in {
        'corn': 'dog',
        'gummy': 'bear bears',
        'guinea': 'pig pigs',
        'hot': 'dog dogs',
        'prairie': 'dog dogs',
        'sea': 'horse horses lion lions',
        'stuffed': 'animal animals bear bears bunny cat cats cow dog dogs elephant '
        'giraffe lion monkey panda pig rabbit sheep',
        'teddy': 'bear bears',
        'tv': 'dinner dinners',
    }.items()
    for other in others.split()
)
"""Pairs of words that together are another thing than the second alone."""
