"""Small lists of English words by what they do in the sentences of captions."""

from __future__ import annotations

from .plurals import pluralize


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    'a an the this that these those my your his her its our their another any both '
    'each either every few many more most much neither no other several some such '
    'various what which whose one two three four five six seven eight nine ten eleven '
    'twelve dozen'
)
OBJECT_PRONOUNS = _words('me you him her it us them himself herself itself themselves')
PREPOSITIONS = _words(
    'about above across after against along amid among around as at atop before behind '
    'below beneath beside besides between beyond by down during except for from in '
    'inside into like near of off on onto out outside over past per since through '
    'throughout toward towards under underneath until up upon via with within without'
)
CONJUNCTIONS = _words('and or but nor so yet while when where if because than then')
AUXILIARIES = _words(
    'am is are was were be been being has have had do does did can could may might '
    'must shall should will would cannot'
)
ADVERBS = _words(
    'again ahead all almost alone along also apart away back closely closeup directly '
    'downhill else even ever far forward here high how just low next not now only '
    'outdoors indoors overhead really still there together too uphill upside very well '
    'why'
)
FUNCTION_WORDS = (
    DETERMINERS
    | OBJECT_PRONOUNS
    | PREPOSITIONS
    | CONJUNCTIONS
    | AUXILIARIES
    | ADVERBS
    | _words('i he she they we who whom there to s t')
)

MODALS = _words(
    'can could may might must shall should will would cannot cant dont do does did not '
    'to i you he she they we who let lets'
)
"""Words after which a verb stands."""

PEOPLE = _words(
    'adult adults anyone batter boy boys child children couple crowd everyone family '
    'girl girls group guy guys human kid kids lady man men people person persons '
    'player players rider skier skiers snowboarder somebody someone surfer team '
    'teenager toddler woman women'
)
"""Words that do something in a caption, more often than they modify a noun."""

VERB_HOMOGRAPHS = _words(
    'bat brush can clip comb dress drill duck face fan file fish fly fork hammer hook '
    'hose iron ladle light lock mail mask mop nail paddle paint park pin plant plow '
    'plug pump rake ram ring rope sail saw scale screen seal ship shovel skate ski '
    'slide spoon spray stamp stick strap surf swing tape tap tie train trap watch whip'
)
"""Names of things that captions use as verbs, too."""

ADJECTIVE_HOMOGRAPHS = _words(
    'china coral cream glass gold lemon lime olive orange peach plastic pumpkin remote '
    'rose salmon turquoise violet'
)
"""Names of things that captions use as adjectives, too."""

COLORS = _words(
    'black blue brown gold golden gray green grey orange pink purple red silver tan '
    'teal white yellow'
)
PARTS = _words(
    'chunk chunks half halves piece pieces segment segments slice slices wedge wedges'
)
"""Nouns that leave the one before them what it is: a slice of an orange."""

CONTAINERS = _words(
    'aluminum beer coke garbage juice metal milk oil paint pop recycling rubbish soda '
    'soup spray tin trash waste watering'
)
"""Words after which "can" is a thing."""

NEXT_TO = _words('adjacent attached close connected next opposite tied')
"""Words whose "to" is a preposition."""

CAPTION_VERBS = _words(
    'appear approach become begin carry cast chase climb come compete consist contain '
    'cover cross cut dig display drink drive eat enjoy enter fall feature feed fill '
    'float fly follow gather get give go graze grow hang hit hold include jump keep '
    'kick lay lead lean leave let lick lie line look make mount move overlook pass '
    'perch perform play pose prepare pull push put race reach read rest ride run seem '
    'sell serve set share show sit skate ski sleep smile sniff sort speed spread stand '
    'stare stop surround swim swing take talk throw touch travel try turn use wait '
    'walk watch wave wind wear work'
)
VERB_FORMS = frozenset(
    form for verb in CAPTION_VERBS for form in (verb, pluralize(verb))
) | _words(
    'ate came cut drove fell flew got grew held hung laid lay led left made put ran '
    'rode sat saw seen set shot shown stood taken took thrown went wore worn'
)
"""Present and past of the verbs of captions; -ing and -ed are told by spelling."""

ADJECTIVES = (COLORS - ADJECTIVE_HOMOGRAPHS) | _words(
    'able adult baby bad bare beautiful big blurry bright busy calm casual ceramic '
    'clean clear close cloudy cold colorful complete cool covered cute dark deep '
    'different dirty double dry electric elderly empty entire fancy female few first '
    'flat fresh front full fun funny good grassy great half happy hard healthy heavy '
    'high hot huge identical large last late leather left light little live lone long '
    'low main major male many messy metal middle miniature modern multiple muddy '
    'narrow nearby new nice old older open ornate outdoor pale pretty professional '
    'public ready real red right rocky round rural sandy second several shallow shiny '
    'short single skinny small smart snowy soft stainless steep stone strange striped '
    'sunny tall tan thick thin third tiny top traditional ugly unique unusual urban '
    'used vintage warm wet white whole wide wild wooden young younger'
)
NOUNS_LIKE_VERBS = _words(
    'awning bed belly building butterfly ceiling clothing crossing dressing drawing '
    'earring evening family filling fly jelly lily frosting icing king landing '
    'lighting meeting morning opening packing painting parking paving piping railing '
    'ring seasoning seed setting shed siding sled speed sting string stuffing swing '
    'thing topping wedding weed wing wiring'
)
NOT_THINGS = _words(
    'area assortment back background body bunch camera couple day edge end fleet '
    'foreground front group image kind line lap lot middle none number other pair part '
    'photo picture piece place row scene set setting shot side something sort stack '
    'thing time top type variety view way'
)
"""Nouns of captions that are not in the picture."""

FORMS_OF_VERBS = {
    form: word for word in VERB_HOMOGRAPHS for form in (word, pluralize(word))
}
"""The homograph behind each form: 'watches' is a form of 'watch'."""
