"""Abbreviations whose full stop does not end a sentence, and words that begin one, by language.

The idea is that of Koehn's nonbreaking prefixes (Moses). The last full stop of an abbreviation is
left out. Single letters and abbreviations with inner full stops (U.S.) count as MAY_BE_LAST unless
they are in another table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mt.data.language_codes import language_code


@dataclass(frozen=True)
class Abbreviations:
    """Abbreviations of one language, or of several. All words are in lower case."""

    never_last: frozenset[str]  # what they belong to follows: titles, "e.g."
    before_number: frozenset[str]  # words of their own unless a number follows: "No. 5"
    may_be_last: frozenset[str]  # end a sentence if one of `openers` follows: "etc."
    openers: frozenset[str]  # function words: if capitalised, they begin a sentence
    has_ordinals: bool  # a full stop after a number makes it an ordinal: "1. Mai"


def abbreviations_of(language: str) -> Abbreviations:
    """Return the abbreviations of a language, given as a code such as de, deu, de-AT or deu_Latn.

    English ones are in all languages. For "" or a language without a table, those of all languages
    are taken together. Many are ordinary words elsewhere ("on."), so that only those of three
    languages or more keep their rule; the others may be last.
    """
    code = language_code(language)
    code = "no" if code in ("nb", "nn") else code  # the written forms of Norwegian
    if any(code in table for table in TABLES):
        return Abbreviations(
            frozenset(_words(NEVER_LAST, [code, "en"])),
            frozenset(_words(BEFORE_NUMBER, [code])),
            frozenset(_words(MAY_BE_LAST, [code, "en"])),
            frozenset(_words(OPENERS, [code])),
            code in ORDINALS,
        )
    count = _words(NEVER_LAST, NEVER_LAST)
    never = {word for word in count if count[word] >= 3} | {*_words(NEVER_LAST, ["en"])}
    return Abbreviations(
        frozenset(never),
        frozenset(_words(BEFORE_NUMBER, BEFORE_NUMBER)),
        frozenset((count.keys() | _words(MAY_BE_LAST, MAY_BE_LAST).keys()) - never),
        frozenset(_words(OPENERS, OPENERS)),
        True,
    )


def _words(table: dict[str, str], codes: Iterable[str]) -> Counter[str]:
    """Return the words of some languages, with the number of languages that have each."""
    return Counter(word for code in codes for word in {*table.get(code, "").split()})


# Languages in which a full stop marks ordinal numbers.
ORDINALS = frozenset("cs da de et fi hr hu lv no pl sk sl tr".split())

NEVER_LAST = {
    "bg": "акад вж г-жа г-н гр д-р доц инж напр проф св т.е ул",
    "ca": "av cf dr dra exm il·lm p.ex pl prof sr sra srta st",
    "cs": (
        "č čl dr doc gen ing kap mgr mj mudr např nám odst p pí plk prof resp s sv tj tzn tzv ul vs"
    ),
    "da": "bl adr ca dr eks f.eks frk fx hr ing jf kap kl mfl prof skt tlf vedr vs",
    "de": (
        "abs bspw bzgl bzw ca dipl dr evtl fr frl geb gem gen ggf gest hr hrn ing insb insbes "
        "kath lt ltd mind mr mrs nachm o.g prof prim rd rel resp sog sr st str u.u ugs urspr "
        "v.a vgl vorm vs z.b zb z.t z.zt zit zzgl zzt d.h dh i.d.r"
    ),
    "el": "βλ δηλ δρ κ κα κος κ.λπ καθ λ.χ π.χ πρβλ σελ αγ",
    "en": (
        "adj adm approx asst bros brig capt cf cmdr col comdr cpl dr drs eg e.g esp gen gov hon "
        "i.e ie insp lt maj messrs mlle mme mr mrs ms msgr mx op.cit pfc ph prof pvt reps res rev "
        "rep sen sens sfc sgt smt supt surg viz v vs"
    ),
    "es": (
        "afma afmo aprox arq cap cf dña dr dra dras dres d ee excma excmo ff fr gral ing jj lic "
        "mons núm p.ej pbro pdte prof profa ref rr sr sra sras sres srta sta sto ud uds vd vds ej"
    ),
    "et": "dr hr jms nn nr pr prof s.t st",
    "fi": "esim fil huom ks mm n nk ns nro nyk prof puh tri toim tms vrt yliop ym",
    "fr": (
        "adj av boul c.-à-d cf chap dr éd env gal ing mgr mlle mlles mm mme mmes p.ex prof resp "
        "st ste vs m"
    ),
    "hr": "dr dipl gosp gđa god inž itd mr npr odn prof sc st str sv tj tzv ul vs",
    "hu": "dr ifj id kb ker kft krt nyrt okl özv pl prof st stb szt u ui ún vö",
    "it": (
        "arch avv cap cav cfr comm dott dott.ssa dr ecc.mo geom gent ing mons on p.es prof "
        "profssa sen sig sigg signa sigra spett ss st"
    ),
    "lt": "a dr doc g gen gerb kun mok pvz prof tel tūkst vad vyr žr",
    "lv": "bij dr ing inž izgl kpt piem plkv prof sk t.i t.s tā",
    "nl": (
        "afb a.d bijv bijz blz bv ca d.w.z dhr dr drs ds enz.o excl gen hr incl ing ir jhr jkvr "
        "lic m.b.t mej mevr min mr mw nl o.a ong prof resp sr st t.a.v tel vgl vs zgn"
    ),
    "no": "adm bl.a ca dr eks f.eks fr frk fru hr ing kap kl mr mrs nr off prof st tlf vs",
    "pl": (
        "al bp dr gen godz hab inż itp.d kpt ks lic mec mgr mjr m.in np nb o os p plk pn por pl "
        "prof płk red św tj tzn tzw ul ur vs zob zw"
    ),
    "pt": (
        "adv arq av cap cel dr dra dras drs eng enga exma exmo fr gen ilma ilmo ph prof profa "
        "p.ex r sr sra sras srs srta sta sto vs"
    ),
    "ro": "cf col d-l d-na dl dna dr dra gen ing lt mr pr prof sf str șt ș.a vs",
    "ru": "акад гр г-жа г-н д-р доц инж напр оз проф пл просп св ср ст т.е т.н тов ул",
    "sk": "č čl dr doc gen ing kap mgr mj mudr napr nám odst p pí plk prof resp sv tj tzn tzv ul",
    "sl": "dr dipl ga gdč gen inž itd mag npr oz prof sv t.i tj ul",
    "sv": (
        "bl.a ca dr d.v.s e.d ev exkl f.d fr frk hr inkl ing jfr kap kl mag med.dr nr prof resp "
        "s.k st t.ex tel t.o.m vs"
    ),
    "tr": "alb av bkz bnb doç dr gen hz mah müh no öğr örn prof sn sok st tuğg uzm vb vs yay yrd",
    "uk": "акад вул гр д-р доц ім інж напр п пл пор проф просп р св см ст т.зв",
}
BEFORE_NUMBER = {
    "cs": "č obr odd str sv tab",
    "da": "nr s stk",
    "de": "abb abschn anm art bd bde bl fig kap nr nrn rn s tab tel ziff",
    "el": "αρ αριθ σελ",
    "en": (
        "art arts ch eq eqs ex fig figs jan feb mar apr aug sept sep oct nov dec nos no par pp p "
        "para pt sec secs sect vol vols"
    ),
    "es": "art arts cap fig figs núm núms pág págs p pp tel tomo vol",
    "fr": "art chap fig n no nos numéro p pp tél tome vol éd",
    "hr": "br čl str",
    "hu": "bek o",
    "it": "art artt cap fig n nn nr p pag pagg pp tel vol",
    "nl": "afb art bl blz hfst nr nrs p pag par tel",
    "no": "nr s",
    "pl": "art nr par poz rozdz rys s str tab tel tom ust",
    "pt": "art arts cap fig n nº núm p pág págs pp tel vol",
    "ro": "alin art nr p pag pct tel vol",
    "ru": "гл илл п пп рис с стр табл тел ч",
    "sk": "č obr str tab",
    "sv": "kap nr s sid",
    "uk": "гл мал рис с стор табл ч",
}
MAY_BE_LAST = {
    "bg": "в г гг др лв мин млн млрд стр т.н тел хил",
    "ca": "etc núm pàg",
    "cs": "apod atd aj kč mil min mld n.l př.n.l r roč stol str tis",
    "da": "a.m.m bl.a etc mio mia osv o.l pct st",
    "de": (
        "ag co etc ff ggfs inkl exkl jh jhd jhdt jr kg mia mill mio mrd min n.chr od sek std "
        "tsd u.a u.ä usf usw v.chr verh mag max"
    ),
    "el": "κτλ κλπ χιλ εκ δισ μ.χ",
    "en": (
        "al assn ave blvd bldg co corp ct dept dist esq est etc ft inc int intl jr ltd mfg min "
        "misc mo mt natl oz plc pty rd rt sq sr st univ yr yrs ext hr hrs"
    ),
    "es": "aa avda cía dpto ee.uu etc hh hnos ltda oo pza s.a tel uu",
    "et": "a jne jm lk mln mld",
    "fi": "jne jms klo kpl min mrd milj v",
    "fr": "bd etc hab max min janv févr juil sept oct nov déc vol ex",
    "hr": "br ing mil mlrd sl",
    "hu": "sz szd ill",
    "it": "ca ecc etc min max sec tel s.p.a",
    "lt": "kt mln mlrd pan t.t m",
    "lv": "g gs u.c utt u.tml milj",
    "nl": "aug b.v dec e.a e.d enz etc feb jan jr mln mld n.chr n.v nov okt sept v.chr max",
    "no": "etc mill mrd m.m osv",
    "pl": "in itd itp mld mln o.o r s.a sp tys w zł im lek pan",
    "pt": "cia etc ltda s.a",
    "ro": "etc mil mld nr ș.a.m.d",
    "ru": "вв гг др долл до н.э коп лат мин млн млрд обл пр руб сек т.д т.п тел тыс чел экз им см",
    "sk": "apod atď mil mld min r stor str tis",
    "sl": "ipd mio mrd stol str",
    "sv": "etc m.fl m.m mdr milj mån o.d osv",
    "tr": "cad vd",
    "uk": "гг грн ін коп млн млрд обл рр руб стор т.д т.п тис",
}
OPENERS = {
    "de": (
        "aber alle als am an auch auf aus bei beim bis da dabei daher damit danach dann darauf "
        "das dass dem den denn der des deshalb die dies diese dieser dieses doch dort du durch "
        "ein eine einem einen einer er es für hier ich ihr ihre im in ist ja jetzt kein keine man "
        "mit nach nein nicht noch nun nur ob obwohl oder ohne seine seit sie sind so später um "
        "und unter viele vom von vor wann warum was weil wenn wer wie wir wo zu zum zur zwischen"
    ),
    "en": (
        "a after all also although an and another as at because before both but by did do does "
        "during each every everyone for from had has have he her here his how however i if in is "
        "it its later many most my no none nobody now on one only or our she since so some soon "
        "that the their then there these they this those though thus to today under until was we "
        "were what when where which while who why with yes yet you your"
    ),
    "es": (
        "a al ahora algunos aquí así aunque como con cuando cuándo de del desde después dónde el "
        "él ella ellas ellos en entonces es esa ese eso esta está estas este esto estos fue ha "
        "hay hoy la las le les lo los luego más mi mientras muchos no nos nosotros para pero por "
        "porque pues qué quién se según si sí sin sobre su sus también tras tu un una unos usted "
        "y ya yo"
    ),
    "fr": (
        "à afin ainsi alors après au aucun aujourd'hui aussi avant avec bien c ce cela ces cet "
        "cette chaque comme comment dans de des depuis deux du elle elles en ensuite enfin et il "
        "ils je l la le les leur leurs lors mais même mon ne non nos notre nous on or ou où oui "
        "par parce pendant personne plusieurs pour pourquoi puis quand que quel quelle qui sa "
        "sans selon ses si son sous sur ton toutefois tous tout très tu un une voici voilà vos "
        "votre vous"
    ),
    "it": (
        "a ad ai al alcuni alla anche ancora c che chi ci come con così cosa da dal del della di "
        "dopo dove e è ecco ed egli era essi gli ha ho i il in infine io l la le lei lo loro lui "
        "ma mentre mia mio molti nel nella noi non nonostante o oggi ora per perché però poi "
        "prima quale quando quasi quella quello questa queste questi questo qui se senza si sì "
        "sono su sua suo tra tu tutti tutto un una uno voi"
    ),
    "nl": (
        "alle als bij daar daarna daarom dan dat de deze die dit dus een en er haar heeft hem het "
        "hier hij hoe ik in is ja je jij maar met mijn na naar nee niet nog nu of om omdat onder "
        "ons ook op over toen tot u uit van veel voor waar waarom wanneer want wat we wie wij zal "
        "ze zij zijn zo zonder"
    ),
    "pt": (
        "a agora ainda ao após aqui as assim até com como da das de depois do dos e é ela elas "
        "ele eles em embora então era essa esse esta este eu foi há hoje já mais mas muitos na "
        "nas não nem no nos nós o onde os ou para pela pelo pois por porque porém quando que quem "
        "se sem seu seus sim sob sobre sua suas também todos tu um uma você"
    ),
    "cs": (
        "a ale ani aby co do i já jak jako je jeho když kde kdo který na nebo ne od on ona po pod "
        "podle pro proč proto protože před s se si ta tak také tam ten tento to tu ty v ve však z "
        "za že"
    ),
    "pl": (
        "a ale bo by co czy dla do gdy gdzie i ich ja jak jako jednak jego jej jest kiedy kto na "
        "nie o od oni on ona ono po pod potem przed przez są się ta tak także te tego ten to tu "
        "tylko w we z za że"
    ),
    "ru": (
        "а без были было был в вот все всё во вы где да для до его если есть её же за здесь и из "
        "или их к как какой когда кто мне мы на над не нет но о об однако он она они оно от очень "
        "по под после потом потому при с сейчас так также там то тогда только ты у уже что чтобы "
        "эта эти это этот я"
    ),
    "sv": (
        "alla att de den det detta då efter en ett från för han hon hur här i inte ja jag kan man "
        "med men mot många ni nej nu när och också om på sedan som så till under vad var varför "
        "vem vi vid är"
    ),
}
TABLES = (NEVER_LAST, BEFORE_NUMBER, MAY_BE_LAST, OPENERS)
