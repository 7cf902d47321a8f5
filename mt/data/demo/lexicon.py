"""The words of the embedded corpus: tables that a linguist can read and extend. The rules are beside this file.

Kinds of nouns, by one letter: P person, A animal, T thing, R something to read, O something to open, F food, D drink,
L place, E event. Verbs and adjectives say by the same letters what they go with, so that sentences make some sense.
"""

from __future__ import annotations

# singular plural | German singular, gender, plural | kind and notes: weak (-n in accusative and dative), mass (no plural,
# no article needed), and for places the German preposition.
NOUNS = """
man men | Mann m Männer | P
woman women | Frau f Frauen | P
boy boys | Junge m Jungen | P weak
girl girls | Mädchen n Mädchen | P
child children | Kind n Kinder | P
teacher teachers | Lehrer m Lehrer | P
doctor doctors | Arzt m Ärzte | P
friend friends | Freund m Freunde | P
neighbour neighbours | Nachbar m Nachbarn | P weak
student students | Student m Studenten | P weak
mother mothers | Mutter f Mütter | P
father fathers | Vater m Väter | P
sister sisters | Schwester f Schwestern | P
brother brothers | Bruder m Brüder | P
daughter daughters | Tochter f Töchter | P
son sons | Sohn m Söhne | P
king kings | König m Könige | P
queen queens | Königin f Königinnen | P
guest guests | Gast m Gäste | P
aunt aunts | Tante f Tanten | P
dog dogs | Hund m Hunde | A
cat cats | Katze f Katzen | A
horse horses | Pferd n Pferde | A
bird birds | Vogel m Vögel | A
mouse mice | Maus f Mäuse | A
cow cows | Kuh f Kühe | A
pig pigs | Schwein n Schweine | A
lion lions | Löwe m Löwen | A weak
car cars | Auto n Autos | T
bicycle bicycles | Fahrrad n Fahrräder | T
table tables | Tisch m Tische | T
chair chairs | Stuhl m Stühle | T
lamp lamps | Lampe f Lampen | T
clock clocks | Uhr f Uhren | T
key keys | Schlüssel m Schlüssel | T
picture pictures | Bild n Bilder | T
coat coats | Mantel m Mäntel | T
shirt shirts | Hemd n Hemden | T
flower flowers | Blume f Blumen | T
knife knives | Messer n Messer | T
book books | Buch n Bücher | R
letter letters | Brief m Briefe | R
newspaper newspapers | Zeitung f Zeitungen | R
door doors | Tür f Türen | O
window windows | Fenster n Fenster | O
bag bags | Tasche f Taschen | O
suitcase suitcases | Koffer m Koffer | O
apple apples | Apfel m Äpfel | F
pear pears | Birne f Birnen | F
egg eggs | Ei n Eier | F
bread - | Brot n - | F mass
cheese - | Käse m - | F mass
soup - | Suppe f - | F mass
water - | Wasser n - | D mass
milk - | Milch f - | D mass
coffee - | Kaffee m - | D mass
garden gardens | Garten m Gärten | L in
house houses | Haus n Häuser | L in
kitchen kitchens | Küche f Küchen | L in
school schools | Schule f Schulen | L in
forest forests | Wald m Wälder | L in
church churches | Kirche f Kirchen | L in
room rooms | Zimmer n Zimmer | L in
bridge bridges | Brücke f Brücken | L auf
balcony balconies | Balkon m Balkone | L auf
street streets | Straße f Straßen | L auf
beach beaches | Strand m Strände | L an
meal meals | Essen n Essen | E
concert concerts | Konzert n Konzerte | E
film films | Film m Filme | E
party parties | Feier f Feiern | E
trip trips | Reise f Reisen | E
"""

# English | German | kinds it goes with
ADJECTIVES = """
old | alt | PATROL
young | jung | PA
big | groß | ATOL
small | klein | PATROL
beautiful | schön | PATL
new | neu | TROL
red | rot | TO
white | weiß | ATO
black | schwarz | ATO
heavy | schwer | TO
cheap | billig | TROFD
tired | müde | PA
hungry | hungrig | PA
happy | glücklich | P
ill | krank | PA
rich | reich | P
friendly | freundlich | PA
famous | berühmt | PRL
strong | stark | PA
quiet | ruhig | PAL
good | gut | PRFD
cold | kalt | FD
warm | warm | FD
fresh | frisch | FD
long | lang | RE
short | kurz | RE
"""

# base, third person, past, participle | infinitive (prefix+verb if separable), third person, preterite, participle, s if
# the perfect takes sein | kinds of subjects | complement. `_` joins an English particle, `~` a preposition.
# Complements: CASE:KINDS (two for giver verbs), PREPOSITION+CASE:KINDS, place (where), goal (whither), that, whether, inf,
# or none. The same English verb in two rows is one that its subject or complement disambiguates. Verbs like `read`, whose
# past looks like their present, would have two translations and stay out.
VERBS = """
sleep sleeps slept slept | schlafen schläft schlief geschlafen | PA |
work works worked worked | arbeiten arbeitet arbeitete gearbeitet | P |
dance dances danced danced | tanzen tanzt tanzte getanzt | P |
laugh laughs laughed laughed | lachen lacht lachte gelacht | P |
play plays played played | spielen spielt spielte gespielt | PA |
sing sings sang sung | singen singt sang gesungen | P |
sit sits sat sat | sitzen sitzt saß gesessen | PA |
get_up gets_up got_up got_up | auf+stehen steht stand aufgestanden s | PA |
arrive arrives arrived arrived | an+kommen kommt kam angekommen s | P |
lie lies lay lain | liegen liegt lag gelegen | ATR | place
stand stands stood stood | stehen steht stand gestanden | PATO | place
see sees saw seen | sehen sieht sah gesehen | PA | acc:PATROL
hear hears heard heard | hören hört hörte gehört | PA | acc:PA
look~for looks~for looked~for looked~for | suchen sucht suchte gesucht | PA | acc:PATROF
find finds found found | finden findet fand gefunden | PA | acc:PATROF
buy buys bought bought | kaufen kauft kaufte gekauft | P | acc:ATROFD
sell sells sold sold | verkaufen verkauft verkaufte verkauft | P | acc:ATROFD
translate translates translated translated | übersetzen übersetzt übersetzte übersetzt | P | acc:R
write writes wrote written | schreiben schreibt schrieb geschrieben | P | acc:R
eat eats ate eaten | essen isst aß gegessen | P | acc:F
eat eats ate eaten | fressen frisst fraß gefressen | A | acc:F
drink drinks drank drunk | trinken trinkt trank getrunken | PA | acc:D
open opens opened opened | auf+machen macht machte aufgemacht | P | acc:O
close closes closed closed | schließen schließt schloss geschlossen | P | acc:O
love loves loved loved | lieben liebt liebte geliebt | P | acc:PALR
know knows knew known | kennen kennt kannte gekannt | P | acc:PAL
visit visits visited visited | besuchen besucht besuchte besucht | P | acc:P
meet meets met met | treffen trifft traf getroffen | P | acc:P
invite invites invited invited | ein+laden lädt lud eingeladen | P | acc:P
call calls called called | an+rufen ruft rief angerufen | P | acc:P
pick_up picks_up picked_up picked_up | ab+holen holt holte abgeholt | P | acc:P
pick_up picks_up picked_up picked_up | auf+heben hebt hob aufgehoben | P | acc:TO
carry carries carried carried | tragen trägt trug getragen | P | acc:TRO
repair repairs repaired repaired | reparieren repariert reparierte repariert | P | acc:TO
need needs needed needed | brauchen braucht brauchte gebraucht | P | acc:TROFD
have has had had | haben hat hatte gehabt | P | acc:ATRO
leave leaves left left | verlassen verlässt verließ verlassen | P | acc:PL
bite bites bit bitten | beißen beißt biss gebissen | A | acc:PA
help helps helped helped | helfen hilft half geholfen | P | dat:PA
thank thanks thanked thanked | danken dankt dankte gedankt | P | dat:P
trust trusts trusted trusted | vertrauen vertraut vertraute vertraut | P | dat:P
answer answers answered answered | antworten antwortet antwortete geantwortet | P | dat:P
follow follows followed followed | folgen folgt folgte gefolgt s | PA | dat:PA
listen~to listens~to listened~to listened~to | zu+hören hört hörte zugehört | P | dat:P
belong~to belongs~to belonged~to belonged~to | gehören gehört gehörte gehört | TRO | dat:P
give gives gave given | geben gibt gab gegeben | P | dat:P acc:TROFD
show shows showed shown | zeigen zeigt zeigte gezeigt | P | dat:P acc:ATRO
bring brings brought brought | bringen bringt brachte gebracht | P | dat:P acc:TROFD
send sends sent sent | schicken schickt schickte geschickt | P | dat:P acc:TR
wait~for waits~for waited~for waited~for | warten wartet wartete gewartet | PA | auf+acc:PA
think~of thinks~of thought~of thought~of | denken denkt dachte gedacht | P | an+acc:PATL
talk~about talks~about talked~about talked~about | sprechen spricht sprach gesprochen | P | über+acc:PARE
talk~to talks~to talked~to talked~to | sprechen spricht sprach gesprochen | P | mit+dat:P
dream~of dreams~of dreamed~of dreamed~of | träumen träumt träumte geträumt | PA | von+dat:PATFL
go goes went gone | gehen geht ging gegangen s | PA | goal
run runs ran run | laufen läuft lief gelaufen s | PA | goal
drive drives drove driven | fahren fährt fuhr gefahren s | P | goal
come comes came come | kommen kommt kam gekommen s | PA | goal
say says said said | sagen sagt sagte gesagt | P | that
believe believes believed believed | glauben glaubt glaubte geglaubt | P | that
think thinks thought thought | denken denkt dachte gedacht | P | that
hope hopes hoped hoped | hoffen hofft hoffte gehofft | P | that
know knows knew known | wissen weiß wusste gewusst | P | that
know knows knew known | wissen weiß wusste gewusst | P | whether
ask asks asked asked | fragen fragt fragte gefragt | P | whether
try tries tried tried | versuchen versucht versuchte versucht | P | inf
forget forgets forgot forgotten | vergessen vergisst vergaß vergessen | P | inf
promise promises promised promised | versprechen verspricht versprach versprochen | P | inf
hope hopes hoped hoped | hoffen hofft hoffte gehofft | P | inf
decide decides decided decided | beschließen beschließt beschloss beschlossen | P | inf
be - - been | sein ist war gewesen s | PATROFDL | adjective
"""

WEATHER = """
rain rains rained rained | regnen regnet regnete geregnet | |
snow snows snowed snowed | schneien schneit schneite geschneit | |
"""

NAMES = ("Anna", "Maria", "Peter", "Thomas")

# subject, object | nominative, accusative, dative | agreement. `it` has its own rule: by the gender of what it stands for.
PRONOUNS = """
I me | ich mich mir | 1
he him | er ihn ihm | 3
she her | sie sie ihr | 3
we us | wir uns uns | p
they them | sie sie ihnen | p
"""

POSSESSIVES = {"my": "mein", "our": "unser", "his": "sein", "her": "ihr", "their": "ihr"}

# Tense -> when that can be said with it.
TIMES = {
    "present": (("today", "heute"), ("now", "jetzt"), ("this week", "diese Woche"), ("in the evening", "am Abend")),
    "perfect": (("today", "heute"), ("recently", "kürzlich")),
    "future": (("tomorrow", "morgen"), ("soon", "bald"), ("next week", "nächste Woche")),
    "modal": (("today", "heute"), ("tomorrow", "morgen")),
    "past": (("yesterday", "gestern"), ("last year", "letztes Jahr"), ("in the evening", "am Abend")),
    "modal past": (("yesterday", "gestern"), ("last year", "letztes Jahr")),
    "pluperfect": (("once", "einmal"),),
}
SENTENCE_ADVERBS = (("perhaps", "vielleicht"), ("unfortunately", "leider"), ("of course", "natürlich"))
WH_WORDS = (("where", "wo", "place"), ("when", "wann", "time"), ("why", "warum", "other"))
COMPANIONS = (("with", "mit", "dat"), ("without", "ohne", "acc"))
BENEFIT = ("for", "für", "acc")
EVENT_PREPOSITIONS = (("before", "vor"), ("after", "nach"))
TWO_WAY = (("behind", "hinter"), ("in front of", "vor"))
# Modal: English | German singular, plural; `must` has another German verb under negation.
MODALS = {"can": ("kann", "können"), "must": ("muss", "müssen"), "should": ("soll", "sollen"), "want": ("will", "wollen")}
MUST_NOT = ("darf", "dürfen")
PAST_MODALS = {"could": ("konnte", "konnten"), "want": ("wollte", "wollten")}

# English | German (about the present), German (about the past)
CONJUNCTIONS = (
    ("because", "weil", "weil"),
    ("although", "obwohl", "obwohl"),
    ("while", "während", "während"),
    ("when", "wenn", "als"),
    ("before", "bevor", "bevor"),
    ("after", "nachdem", "nachdem"),
    ("until", "bis", "bis"),
)
COORDINATORS = (("and", "und"), ("but", "aber"))
