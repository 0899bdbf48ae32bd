"""Words that captions use for the classes of the common data sets."""

from __future__ import annotations

from collections.abc import Mapping

SAME_THING: tuple[tuple[str, ...], ...] = (
    ('airplane', 'aeroplane', 'plane'),
    ('backpack', 'rucksack', 'knapsack', 'back pack'),
    ('baseball glove', 'baseball mitt', "catcher's mitt"),
    ('bicycle', 'bike'),
    ('car', 'automobile'),
    ('cell phone', 'cellphone', 'cellular phone', 'cellular telephone',
     'mobile phone', 'mobile telephone', 'smartphone', 'smart phone'),
    ('couch', 'sofa'),
    ('dining table', 'dinner table'),
    ('donut', 'doughnut'),
    ('fire hydrant', 'fireplug', 'hydrant'),
    ('frisbee', 'frisbie'),
    ('hair drier', 'hair dryer', 'hairdryer', 'hairdrier', 'blow dryer'),
    ('handbag', 'hand bag', 'purse'),
    ('hot dog', 'hotdog'),
    ('keyboard', 'computer keyboard'),
    ('laptop', 'laptop computer', 'lap top', 'notebook computer'),
    ('microwave', 'microwave oven'),
    ('motorcycle', 'motorbike', 'motor bike', 'motor cycle'),
    ('mouse', 'computer mouse'),
    ('potted plant', 'houseplant', 'house plant'),
    ('refrigerator', 'fridge'),
    ('remote', 'remote control', 'remote controller'),
    ('sink', 'washbasin', 'wash basin'),
    ('skateboard', 'skate board'),
    ('snowboard', 'snow board'),
    ('sports ball', 'ball'),
    ('stop sign', 'stopsign'),
    ('surfboard', 'surf board'),
    ('teddy bear', 'teddy', 'stuffed bear'),
    ('tennis racket', 'tennis racquet', 'racket', 'racquet'),
    ('tie', 'necktie'),
    ('toothbrush', 'tooth brush'),
    ('traffic light', 'traffic signal', 'stoplight', 'stop light'),
    ('trash can', 'garbage can', 'trash bin', 'dustbin'),
    ('tv', 'television', 'television set', 'tv set', 'tv monitor'),
    ('umbrella', 'parasol'),
    ('wine glass', 'wineglass'),
)  # fmt: skip
"""Rows of words for one thing: each may stand for every other of its row."""

KINDS: dict[str, tuple[str, ...]] = {
    'airplane': ('jet', 'airliner', 'jetliner', 'biplane', 'seaplane'),
    'ball': ('baseball', 'basketball', 'football', 'soccer ball', 'tennis ball',
             'volleyball'),
    'bird': ('crow', 'duck', 'eagle', 'flamingo', 'goose', 'gull', 'hawk',
             'hummingbird', 'ostrich', 'owl', 'parrot', 'peacock', 'pelican', 'penguin',
             'pigeon', 'seagull', 'sparrow', 'swan'),
    'boat': ('canoe', 'ferry', 'gondola', 'kayak', 'motorboat', 'rowboat', 'sailboat',
             'ship', 'speedboat', 'yacht'),
    'cake': ('cheesecake', 'cupcake'),
    'car': ('jeep', 'minivan', 'sedan', 'suv', 'taxi'),
    'cat': ('kitten', 'kitty'),
    'chair': ('armchair', 'recliner'),
    'cow': ('bull', 'calf', 'cattle', 'ox'),
    'cup': ('mug', 'teacup'),
    'dog': ('beagle', 'bulldog', 'chihuahua', 'corgi', 'dachshund', 'dalmatian',
            'doggie', 'doggy', 'golden retriever', 'greyhound', 'poodle', 'pug', 'pup',
            'puppy', 'sheepdog', 'terrier'),
    'horse': ('colt', 'foal', 'pony', 'stallion'),
    'person': ('adult', 'baby', 'batter', 'biker', 'boy', 'bride', 'catcher', 'chef',
               'child', 'cyclist', 'girl', 'groom', 'guy', 'human', 'kid', 'lady',
               'man', 'motorcyclist', 'pedestrian', 'skateboarder', 'skater',
               'skier', 'snowboarder', 'surfer', 'toddler', 'umpire', 'woman'),
    'sheep': ('ewe', 'lamb'),
    'suitcase': ('baggage', 'luggage'),
    'truck': ('pickup',),
}  # fmt: skip
"""Words for things that are of a class, but not the other way round."""


SYNONYMS: Mapping[str, tuple[str, ...]] = {
    word: tuple(other for other in row if other != word)
    for row in SAME_THING
    for word in row
}
"""Words for the same thing: no kinds of it."""


def _table() -> dict[str, tuple[str, ...]]:
    """Join both: what may be said for each word."""
    table = {word: list(others) for word, others in SYNONYMS.items()}
    for word, kinds in KINDS.items():
        for name in (word, *table.get(word, ())):
            table.setdefault(name, []).extend(kinds)
    return {word: tuple(dict.fromkeys(others)) for word, others in table.items()}


ALIASES: Mapping[str, tuple[str, ...]] = _table()
"""Words by the surface form of a class: ``ALIASES['sofa']`` holds ``'couch'``.

What the vocabulary holds itself always comes first: where ``puppy`` is a class, it
means no dog.
"""
