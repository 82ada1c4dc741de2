"""Which of the guards' languages a question is in, or '' where that is not plain.

Rules kept here:
1. Unknown beats wrong: guards that read a text in the wrong language see neither its negations nor its opposites.
2. Short words decide that every sentence needs; a question is often shorter than what a statistical identifier can
   tell. A word counts the more, the fewer languages have it. Languages that the guards do not know are among them: a
   text that is as near to one of those is unknown.
3. Where the identifier is sure of another language, it has its say; where it agrees, fewer words do.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.features.language import language

SURE = 0.8
SURER = 0.95  # of one of the five, where words speak for a language that the guards do not know
PLAIN, AGREED = (1.5, 0.8), (0.8, 0.3)  # least votes, and least more than the next: by words alone; identified too
BEHIND = 1.0  # votes that the language which the identifier is sure of may be behind
LONGEST = 400  # characters that are read
_WORD = re.compile(r"[^\W\d_]+")
KNOWN: Final = ("en", "de", "fr", "es", "it")
_WORDS: Final[dict[str, str]] = {
    "en": """
        the of to and is are was were be been do does did how what why when where who which can could should
        would will i you he she it we they my your his her its our their this that these those with from for not
        don doesn t isn won has have had an if or but by about into than then there tell explain please give
        show me on at as get use make need want between before after without write describe summarise summarize
        list name find draft whose whom still ever never born through delete explain rename set show apply is
        are must may might every all any some only out over under there's between best way many much long often
        because in a no more most less least first last up down translate compare work mean s hi hello define safe
        good recipe used made year years day days hour hours people
        word words language country city number definition example examples sentence considered allowed common healthy
        dangerous suggest suppose buy keep happens happened wrote invented built live lives born named called
    """,
    "de": """
        der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren sein bin hat
        haben wie was warum wann wo wer welche welcher welches welchen kann können soll sollte muss müssen darf
        dürfen wird werden wurde wurden ich du er sie wir ihr mein meine meinen meinem dein deine unser mit von
        vom für nicht kein keine keinen zu zum zur auf aus bei im am nach über unter zwischen vor ohne man mir
        mich es gibt bitte erkläre wenn dass auch nur als schneller mehr weniger viele viel alle jeder jede nie
        immer schon noch schreibe nenne zeige wieso weshalb gibt's heißt bedeutet in an wem wen gegen durch um
        diese dieser dieses geschah nennt jahr jahre tage stunden woche wochen wort wörter sprache stadt beispiel
        schreib erklär nenn sag gilt gelten dient dienen dürfen liegt lange oft teuer gehört kostet
    """,
    "fr": """
        le la les un une des du de et ou mais est sont était être ai as a avons ont comment que quoi pourquoi
        quand où qui quel quelle quels quelles peut peux puis dois doit faut je tu il elle nous vous ils mon ma
        mes ton ta notre votre avec pour pas ne sur dans par sans ce cette ces au aux qu est l d n s c j se si
        plus entre avant après chez fait faire combien moins tous toutes leur leurs son sa ses y en été on écris
        explique liste donne peut-on jamais très moi à deux trois jour jours heure heures semaine semaines mois mot
        mots ville pays veut signifie trouve écrit cherche dois peut sert donne-moi c'est coûte appelle devient
    """,
    "es": """
        el la los las un una unos unas de del y o pero es son era ser está están cómo qué por quién cuándo dónde
        cuál cuáles cuánto cuánta cuántos cuántas puedo puede pueden debo debe deben hay yo tú él ella nosotros
        mi mis tu su sus nuestro con para no en al sin este esta estos estas que se si más entre antes después
        sobre lo le me hacer tiene tienen como desde hacia hasta menos muy nunca siempre todos todas explica
        escribe dime quiero necesito porque cuando donde fue ha han describe resume planea favor gracias dame da día
        días hora horas semana semanas mes palabra palabras ejemplo
        ciudad busco frase sirve llama cuesta significa dice escribió años propón
    """,
    "it": """
        il lo la i gli le un uno una di del dello della dei degli delle e o ma è sono era essere come che cosa
        perché quando dove chi quale quali quanto quanta quanti quante posso può possono devo deve devono c ci
        io tu lui lei noi mio mia miei mie tuo suo con per non in nel nella al alla ai dal dalla da sul sulla
        senza questo questa se più meno tra fra prima dopo si cos dell all l d fare ha hanno a ogni tutti tutte
        mai sempre anche spiega scrivi serve stato nei nelle dista due giorni giorno ore ora settimana settimane mese
        mesi parola
        parole città cerco dammi significa basta aspetta chiama costa posso frase esempio vuol dire anni
    """,
    "pt": """
        o a os as um uma uns umas do da dos das de e ou mas é são era ser está estão como que quem quando onde
        qual quais quanto quantos por para com não em no na nos nas ao à pelo pela se sem mais menos entre meu
        minha seu sua você eu ele ela isso este esta posso pode fazer tem têm há já também muito até foi sobre
    """,
    "nl": """
        de het een en of maar is zijn was waren wat hoe waarom wanneer waar wie welke kan kunnen moet mag ik je
        jij hij zij we wij mijn met van voor niet geen op te in naar uit bij over onder tussen zonder er dat die
        dit deze als ook wordt worden heeft hebben aan door om veel meer
    """,
    "ca": """
        el la els les un una uns unes de del dels i o però és són era ser està com què qui quan on quin quina
        quins per amb sense no en al als a més menys entre meu meva seu seva jo ell ella puc pot fer té tenen hi
        ha aquest aquesta perquè també molt quant quants es s sobre va vaig tots totes cada
    """,
    "ro": """
        și sau dar este sunt era fi cum ce care cine când unde de la din în pe cu fără un o nu mai să se că pot
        poate am ai are au el ea eu noi meu mea lui ei pentru prin după cât câte câți foarte acest această al
        ale
    """,
    "sv": """
        och att det är en ett som på för inte hur vad varför när var vem jag du han hon vi de med av till från
        om kan ska har den eller men utan
    """,
    "da": """
        og at det er en et som på for ikke hvordan hvad hvorfor hvornår hvor hvem jeg du han hun vi de med af
        til fra om kan skal har den eller men uden
    """,
    "gl": """
        o a os as un unha do da dos das de e ou pero é son era como que quen cando onde cal por para con non en
        no na ao sen máis menos meu miña teu seu eu el ela pode facer ten hai sobre
    """,
    "pl": """
        i w na z do nie jest są co jak dlaczego kiedy gdzie kto czy się to ja ty on ona my od po dla przez
    """,
}
_SIGNS: Final[dict[str, str]] = {"de": "ß", "es": "¿¡", "pt": "ãõ", "ro": "ășțţş", "sv": "å", "da": "åø", "it": "ìò"}


def _weights() -> dict[str, list[tuple[str, float]]]:
    """Word -> languages that have it, each with what it counts: 1.5 for the only one, down to 0.3."""
    owners: dict[str, list[str]] = {}
    for code, words in _WORDS.items():
        for word in dict.fromkeys(words.split()):
            owners.setdefault(word, []).append(code)
    worth = {1: 1.5, 2: 0.8, 3: 0.5}
    return {word: [(code, worth.get(len(of), 0.3)) for code in of] for word, of in owners.items()}


_OF: Final = _weights()


def question_language(text: str) -> str:
    """ISO 639-1 code of one of the five languages, or ''."""
    said = text[:LONGEST].casefold().replace("\u2019", "'")
    votes = dict.fromkeys(_WORDS, 0.0)
    for word in _WORD.findall(said):
        for code, worth in _OF.get(word, ()):
            votes[code] += worth
    for code, signs in _SIGNS.items():
        votes[code] += 1.5 * any(sign in said for sign in signs)
    best = max(votes, key=lambda code: votes[code])
    if not votes[best]:
        return ""
    found, certainty = language(text)
    if certainty >= (SURE if best in KNOWN else SURER):
        return found if found in KNOWN and votes[found] > max(0.0, votes[best] - BEHIND) else ""
    if best not in KNOWN:
        return ""
    second = max(votes[code] for code in votes if code != best)
    least, more = AGREED if found == best else PLAIN
    return best if votes[best] >= least and votes[best] - second >= more else ""
