"""Singular and plural of English nouns, by rule and table.

Written for the names of things in pictures. Words that it does not know follow the
rules of spelling, so a verb or an adjective gets a "plural" as well; callers only hand
it nouns.
"""

from __future__ import annotations

_IRREGULAR = {
    'axis': 'axes', 'bison': 'bison', 'cactus': 'cacti', 'calf': 'calves',
    'child': 'children', 'deer': 'deer', 'die': 'dice', 'dwarf': 'dwarves',
    'elf': 'elves', 'foot': 'feet', 'fungus': 'fungi', 'goose': 'geese',
    'half': 'halves', 'hoof': 'hooves', 'knife': 'knives', 'leaf': 'leaves',
    'lens': 'lenses', 'life': 'lives', 'loaf': 'loaves', 'louse': 'lice',
    'man': 'men', 'mouse': 'mice', 'ox': 'oxen', 'person': 'people', 'quiz': 'quizzes',
    'scarf': 'scarves', 'shelf': 'shelves', 'thief': 'thieves', 'tooth': 'teeth',
    'wife': 'wives', 'wolf': 'wolves', 'woman': 'women',
}  # fmt: skip
_COMPOUNDING = (  # bookshelf, snowman, penknife, stepchild, dormouse
    'child', 'calf', 'foot', 'knife', 'leaf', 'loaf', 'man', 'mouse', 'shelf', 'tooth',
    'wife', 'wolf',
)  # fmt: skip
_REGULAR_MAN = ('human', 'german', 'roman', 'shaman', 'talisman', 'ottoman', 'caiman')
_UNINFLECTED = frozenset((
    'aircraft', 'binoculars', 'bison', 'broccoli', 'clippers', 'clothes', 'deer',
    'eyeglasses', 'fish', 'furniture', 'glasses', 'goggles', 'luggage', 'moose', 'news',
    'pajamas', 'pants', 'pliers', 'rhinoceros', 'salmon', 'scissors', 'series',
    'shears', 'sheep', 'shorts', 'shrimp', 'spacecraft', 'species', 'spectacles',
    'sunglasses', 'suspenders', 'tights', 'tongs', 'trousers', 'tweezers', 'underwear',
    'watercraft',
))  # fmt: skip
_OES = ('buffalo', 'domino', 'echo', 'hero', 'mango', 'mosquito', 'potato', 'tomato',
        'tornado', 'volcano')  # fmt: skip
_WITH_E = (  # which their plurals keep: ties, quiches, mousses
    'ache', 'avalanche', 'beanie', 'birdie', 'brioche', 'brownie', 'budgie', 'cache',
    'calorie', 'collie', 'cookie', 'crevasse', 'doggie', 'genie', 'goalie', 'headache',
    'hippie', 'hoodie', 'magpie', 'mousse', 'moustache', 'movie', 'mustache', 'necktie',
    'niche', 'pie', 'pixie', 'porsche', 'posse', 'prairie', 'quiche', 'selfie',
    'sharpie', 'smoothie', 'tie', 'veggie', 'walkie', 'zombie',
)  # fmt: skip
_HARD_CH = ('stomach', 'monarch', 'loch', 'tech')
_SIBILANT = ('s', 'x', 'z', 'ch', 'sh')
_SINGULAR_IN_S = frozenset((
    'analysis', 'basis', 'chassis', 'christmas', 'clematis', 'debris', 'iris', 'mantis',
    'oasis', 'pelvis', 'tennis', 'trellis',
))  # fmt: skip
_US = ('emu', 'gnu', 'menu', 'tofu', 'tutu')
_LINKS = (' of ', ' in ', ' for ', ' with ')

_PLURAL_OF = {
    **{name: f'{name}s' for name in (*_REGULAR_MAN, *_HARD_CH, *_WITH_E, *_US)},
    **{name: f'{name}es' for name in _OES},
    'axe': 'axes',
    'bus': 'buses',
    'gas': 'gases',
    **_IRREGULAR,
}
_SINGULAR_OF = {
    'axes': 'axe',
    'cactuses': 'cactus',
    'mangos': 'mango',
    'persons': 'person',
    'scarfs': 'scarf',
    'hoofs': 'hoof',
    **{p: s for s, p in _PLURAL_OF.items() if s != 'axis'},
}


def pluralize(noun: str) -> str:
    """Return the plural of a noun, or of the head of a name of several words.

    Args:
        noun (str): In lower case, singular.

    Returns:
        str: Plural; the word itself where it has none.

    Examples:
        >>> [pluralize(word) for word in ('knife', 'traffic light', 'box', 'sheep')]
        ['knives', 'traffic lights', 'boxes', 'sheep']
        >>> pluralize('chest of drawers')
        'chests of drawers'
    """
    before, head, behind = _split_head(noun)
    return f'{before}{_pluralize_word(head)}{behind}'


def singularize(noun: str) -> str:
    """Return the singular of a noun, or of the head of a name of several words.

    Args:
        noun (str): In lower case, plural or not.

    Returns:
        str: Singular; the word itself where it is one, or has none.

    Examples:
        >>> [singularize(word) for word in ('buses', 'ties', 'berries', 'scissors')]
        ['bus', 'tie', 'berry', 'scissors']
        >>> singularize('wine glasses'), singularize('tennis')
        ('wine glass', 'tennis')
    """
    before, head, behind = _split_head(noun)
    # A pair of glasses has no singular, a wine glass does.
    if head == 'glasses' and before.endswith((' ', '-')):
        return f'{before}glass{behind}'
    return f'{before}{_singularize_word(head)}{behind}'


def number_variants(noun: str) -> tuple[str, ...]:
    """Return the plural of a singular noun, or the singular of a plural one.

    Args:
        noun (str): In lower case, one word or several.

    Returns:
        tuple[str, ...]: The other number; empty where both are the same.

    Examples:
        >>> number_variants('dog'), number_variants('skis'), number_variants('sheep')
        (('dogs',), ('ski',), ())
    """
    other = singularize(noun)
    if other == noun:
        other = pluralize(noun)
    return () if other == noun else (other,)


def _split_head(noun: str) -> tuple[str, str, str]:
    """Cut out the word that changes: the last one, or the one before 'of'."""
    ends = [noun.find(link) for link in _LINKS if noun.find(link) > 0]
    end = min(ends, default=len(noun))
    start = max(noun.rfind(' ', 0, end), noun.rfind('-', 0, end)) + 1
    return noun[:start], noun[start:end], noun[end:]


def _pluralize_word(word: str) -> str:
    if word in _UNINFLECTED or len(word) < 2:
        return word
    if word in _PLURAL_OF:
        return _PLURAL_OF[word]
    for part in _COMPOUNDING:
        if word.endswith(part):
            return word[: -len(part)] + _IRREGULAR[part]
    if word.endswith('y') and word[-2] not in 'aeiou':
        return f'{word[:-1]}ies'
    return f'{word}es' if word.endswith(_SIBILANT) else f'{word}s'


def _singularize_word(word: str) -> str:
    if word in _UNINFLECTED or word in _PLURAL_OF or word in _SINGULAR_IN_S:
        return word
    if word in _SINGULAR_OF:
        return _SINGULAR_OF[word]
    for part in _COMPOUNDING:
        plural = _IRREGULAR[part]
        if word.endswith(plural) and word != plural:
            return word[: -len(plural)] + part
    if word.endswith('ies') and len(word) > 4:
        return f'{word[:-3]}y'
    if word.endswith(('ches', 'shes', 'sses', 'xes', 'zzes')):
        return word[:-2]
    if word.endswith('uses') and not word.endswith('ouses') and len(word) > 5:
        return word[:-2]  # octopuses, walruses
    if word.endswith('s') and not word.endswith(('ss', 'us')) and len(word) > 2:
        return word[:-1]
    return word
