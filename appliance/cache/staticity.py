"""How long an answer to a question stays true, by the words of the question.

Rules kept here:
1. The time to live is absolute: it counts from when the answer was made, and no hit renews it.
2. The strictest class that any word asks for holds. Where the language is not one of these five, the words of all five
   count.
3. 'never' is neither looked up by similarity nor stored for it: what depends on the day, on who asks together with the
   state of what is theirs, or on numbers that are computed.
4. Pure; words only, no meaning. A word that is not here lets an answer live too long at most by the host's own limit.

Possession alone ('how do I change my address') is 'fast': its answer is the same for all who may share a partition,
unless the thing that is owned has a state ('where is my order') and no way of doing is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

Staticity = Literal["static", "slow", "fast", "never"]
TTL_S: Final[dict[Staticity, float]] = {"static": 30 * 86_400.0, "slow": 7 * 86_400.0, "fast": 3600.0, "never": 0.0}

# Of the moment itself: another day, another answer.
_MOMENT = {
    "en": "now|nowadays|today|today's|tonight|tomorrow|yesterday|this (?:morning|afternoon|evening|week|weekend|month|"
    "quarter|year|minute)|(?:last|next) (?:night|week|weekend|month|quarter|year)|at the moment|right now|so far|"
    "ago|what time|what day|what date|which day|weather|forecast|final score|score of the (?:game|match|final|derby)|"
    "(?:what is|what's|whats) the score|traffic jam|stock price|share price|"
    "exchange rate|news|headlines|live (?:score|scores|stream|streams|ticker|broadcast|blog|coverage|results?|update|"
    "updates|feed|match|game|tv|now|traffic)|(?:is|are|be|going|went|watch|streaming|broadcast) live|live\\?$",
    "de": "jetzt|heute|heutig\\w*|heutzutage|morgen|übermorgen|gestern|vorgestern|(?:diese|dieser|diesen|dieses|"
    "diesem) (?:morgen|abend|woche|wochenende|monat|quartal|jahr)|(?:letzte\\w?|nächste\\w?|vergangene\\w?|"
    "kommende\\w?) (?:nacht|woche|wochenende|monat|quartal|jahr)|"
    "im moment|momentan|zurzeit|zur zeit|derzeit|bisher|gerade eben|"
    "wie spät|welcher tag|welches datum|wetter|wettervorhersage|spielstand|aktienkurs|wechselkurs|börsenkurs|"
    "nachrichten|schlagzeilen",
    "fr": "maintenant|aujourd'hui|ce soir|cette nuit|demain|hier|avant-hier|après-demain|"
    "(?:ce|cette|cet) (?:matin|après-midi|semaine|week-end|mois|trimestre|année)|"
    "(?:semaine|mois|année|trimestre|week-end) (?:dernière?|prochaine?|passée?)|en ce moment|à l'heure actuelle|"
    "jusqu'ici|il y a \\d+|quelle heure|quel jour|quelle date|météo|quel temps|cours de l'action|taux de change|"
    "actualités|nouvelles",
    "es": "ahora|hoy|esta (?:mañana|tarde|noche|semana)|este (?:fin de semana|mes|trimestre|año)|mañana|ayer|anteayer|"
    "pasado mañana|(?:semana|mes|año|trimestre) (?:pasad[oa]|que viene|próxim[oa])|(?:próxim[oa]|últim[oa]) "
    "(?:semana|mes|año|noche)|en este momento|hasta ahora|hace \\d+|qué hora|qué día|qué fecha|"
    "tiempo (?:hace|hará|va a hacer)|clima (?:hace|hará|va a hacer)|pronóstico|marcador|cotización|tipo de cambio|"
    "noticias",
    "it": "adesso|(?<!')ora|oggi|stamattina|stasera|stanotte|domani|dopodomani|ieri|l'altro ieri|quest[aoe] "
    "(?:mattina|pomeriggio|sera|settimana|mese|trimestre|anno)|questo fine settimana|(?:settimana|mese|anno|trimestre) "
    "(?:scors[oa]|prossim[oa])|(?:scors[oa]|prossim[oa]) (?:settimana|mese|anno)|in questo momento|al momento|finora|"
    "\\d+ (?:giorni|ore|mesi|anni) fa|che ore|che giorno|che ora|che tempo|meteo|previsioni|quotazione|"
    "tasso di cambio|notizie",
}
# Of what somebody would have to look at: the clock, the sky, a service, who is there.
_RUNNING = {
    "en": "what(?:'s| is|s| was) the (?:time|date|day|temperature)(?= (?:in|at|on|here|there|outside|"
    "please)(?!\\w)|[?.!]|$)|"
    "the time in|time is it|(?:is|will|does|did) it (?:be )?(?:raining|rain|snowing|snow|hailing|sunny|cloudy|"
    "windy|dark|freezing)|on[ -]call|"
    "on duty|logged in|signed in|winning|unread|(?<!an )(?<!the )atm|"
    "(?:(?<=[,.:!] )|^)(?:is|are|was|were) (?:[\\w-]+ ){1,5}(?:working|running|down|up|online|offline|reachable|"
    "broken|back|busy|healthy|responding)\\??$|"
    "(?:if|whether) (?:[\\w-]+ ){1,5}(?:is|are) (?:working|running|down|up|online|offline|reachable|responding)",
    "de": "(?:regnet|schneit|hagelt|stürmt|gewittert) es|es (?:regnet|schneit)|wie ?viel uhr|uhrzeit|hat dienst|"
    "bereitschaft|rufbereitschaft|angemeldet|eingeloggt|ungelesene\\w*|"
    "(?:läuft|geht|funktioniert) (?:der|die|das) [\\w-]+\\??$|"
    "ist (?:der|die|das) (?:[\\w-]+ ){1,3}(?:erreichbar|online|offline|kaputt|down|ausgefallen)",
    "fr": "pleut|neige-t-il|l'heure|de garde|d'astreinte|connectée?s?|non lue?s?|"
    "(?:fonctionne|marche) (?:le |la |l')?[\\w-]+ ?\\??$|est(?:-il|-elle)? (?:hors ligne|en ligne|joignable)",
    "es": "llueve|lloviendo|nieva|nevando|la hora en|de guardia|conectad[oa]s?|sin leer|no leíd[oa]s|"
    "funciona (?:el|la) [\\w-]+\\??$|(?:está|están) (?:[\\w-]+ ){0,3}(?:caíd[oa]s?|en línea|fuera de línea)",
    "it": "piove|nevica|piovendo|nevicando|l'ora a|di turno|reperibil[ei]|di guardia|non lett[oiae]|"
    "funziona (?:il |la |lo |l')?[\\w-]+\\??$|è (?:[\\w-]+ ){0,3}(?:offline|online|raggiungibile)",
}
# What changes by the hour or the week.
_PASSING = {
    "en": "latest|newest|current|currently|recent|recently|upcoming|just released|up to date|as of|still|yet|"
    "price|prices|cost|costs|fee|fees|status|available|availability|in stock|outage|down|open|opening hours|delay|"
    "delayed",
    "de": "neueste\\w?|neuste\\w?|aktuell\\w*|letzte\\w?|kürzlich|neulich|jüngst\\w*|demnächst|bevorstehend\\w*|stand|"
    "noch|immer noch|preis|preise|preises|kosten|kostet|gebühr|gebühren|status|verfügbar|verfügbarkeit|lieferbar|"
    "vorrätig|störung|ausfall|geöffnet|öffnungszeiten|verspätung",
    "fr": "derniers?|dernières?|actuel|actuels|actuelle|actuelles|actuellement|récents?|récentes?|récemment|prochains?|"
    "prochaines?|encore|toujours|prix|coût|coûts|coûte|coûtent|tarif|tarifs|frais|statut|état|disponible|disponibles|"
    "disponibilité|en stock|panne|ouvert|ouverte|horaires|retard",
    "es": "últimos?|últimas?|más reciente|más recientes|actual|actuales|actualmente|reciente|recientes|recientemente|"
    "próximos?|próximas?|todavía|aún|precio|precios|cuesta|cuestan|costo|coste|costes|tarifa|tarifas|comisión|"
    "comisiones|estado|disponible|disponibles|disponibilidad|en existencia|avería|abierto|abierta|horario|horarios|"
    "retraso",
    "it": "ultim[oaie]|più recente|più recenti|attuale|attuali|attualmente|recente|recenti|recentemente|prossim[oaie]|"
    "ancora|tuttora|prezzo|prezzi|costo|costi|costa|costano|tariffa|tariffe|commissione|commissioni|stato|"
    "disponibile|disponibili|disponibilità|guasto|aperto|aperta|orario|orari|ritardo",
}
_OWN = {
    "en": "my|mine|myself|our|ours",
    "de": "mein|meine|meinem|meinen|meiner|meines|unser|unsere|unserem|unseren|unserer|unseres",
    "fr": "mon|ma|mes|mien|mienne|miens|miennes|notre|nos|nôtres?",
    "es": "mi|mis|mío|mía|míos|mías|nuestro|nuestra|nuestros|nuestras",
    "it": "mio|mia|miei|mie|nostro|nostra|nostri|nostre",
}
# Asks after whoever asks: what they are, have or belong to. Where a way of doing is asked for it is anybody.
_SELF = {
    "en": "am i|are we|(?:i am|we are) (?:an? )?(?:member|admin|administrator|allowed|logged|registered|part|in)|"
    "do (?:i|we) have(?! to)|have (?:i|we)|which \\w+ (?:i am|we are)|did (?:i|we)|was i|were we",
    "de": "bin ich|habe ich|hab ich|sind wir|haben wir|ich (?:ein )?mitglied|war ich|hatte ich|wurde ich",
    "fr": "suis-je|ai-je|sommes-nous|avons-nous|est-ce que (?:je suis|j'ai|nous sommes|nous avons)|étais-je|"
    "(?:dont|auxquels) je|je suis membre",
    "es": "soy (?:un |una )?(?:miembro|administrador\\w*|admin|parte)|soy yo|(?:grupos?|equipos?) soy|"
    "tengo(?! que)|tenemos(?! que)|estoy|estamos|pertenezco|he recibido",
    "it": "sono io|sono (?:un |una )?(?:membro|amministrat\\w+|admin|parte|iscritt[oa])|ho|abbiamo|appartengo|"
    "ho ricevuto|faccio parte",
}
# What of one's own has a state that nobody else's answer tells.
_STATE = {
    "en": "balance|order|orders|delivery|parcel|package|shipment|flight|appointment|meeting|calendar|schedule|inbox|"
    "status|salary|location|name|birthday|age|bill|invoice|refund|transaction|transactions|transfer|payment|ticket|"
    "score|grade|grades|queue|battery|usage",
    "de": "kontostand|guthaben|saldo|bestellung|bestellungen|lieferung|paket|sendung|flug|termin|termine|kalender|"
    "posteingang|status|gehalt|standort|name|geburtstag|alter|rechnung|erstattung|buchung|buchungen|überweisung|"
    "zahlung|ticket|note|noten|akku|verbrauch",
    "fr": "solde|commande|commandes|livraison|colis|vol|rendez-vous|réunion|calendrier|agenda|messagerie|statut|état|"
    "salaire|position|nom|anniversaire|âge|facture|remboursement|transaction|transactions|virement|paiement|billet|"
    "note|notes|batterie|consommation",
    "es": "saldo|pedido|pedidos|entrega|paquete|envío|vuelo|cita|reunión|calendario|agenda|bandeja|estado|salario|"
    "sueldo|ubicación|nombre|cumpleaños|edad|factura|reembolso|transacción|transacciones|transferencia|pago|nota|"
    "notas|batería|consumo",
    "it": "saldo|ordine|ordini|consegna|pacco|spedizione|volo|appuntamento|riunione|calendario|agenda|stato|stipendio|"
    "posizione|nome|compleanno|età|fattura|rimborso|transazione|transazioni|bonifico|pagamento|biglietto|voto|voti|"
    "batteria|consumo",
}
_COMPUTED = {
    "en": "calculate|compute|solve|add up|plus \\d|minus \\d|times \\d|divided by|multiplied by|square root|"
    "percent of|percentage of|sum of|average of \\d|convert \\d|how much is \\d|what is \\d|what's \\d",
    "de": "berechne|berechnen|rechne|ausrechnen|löse|plus \\d|minus \\d|mal \\d|geteilt durch|quadratwurzel|"
    "wurzel aus|prozent von|summe|durchschnitt von|mittelwert|umrechnen|wie ?viel (?:ist|sind|ergibt) \\d|"
    "was (?:ist|ergibt) \\d",
    "fr": "calcule|calculez|calculer|résous|résoudre|plus \\d|moins \\d|fois \\d|divisé par|multiplié par|"
    "racine carrée|pour cent de|somme|moyenne de|convertis \\d|convertissez \\d|combien (?:font|fait)",
    "es": "calcula|calcule|calcular|resuelve|resolver|más \\d|menos \\d|por \\d|dividido|multiplicado|raíz cuadrada|"
    "por ciento de|suma de|promedio de|convierte \\d|cuánto (?:es|son) \\d",
    "it": "calcola|calcolare|calcolate|risolvi|risolvere|più \\d|meno \\d|per \\d|diviso|moltiplicato|"
    "radice quadrata|per cento di|somma|media di \\d|converti \\d|quanto fa|quanto fanno",
}
# Asks for an amount; with two numbers given it is a problem to be worked out.
_AMOUNT = {
    "en": "how many|how much|how long|how far|how old|what percentage",
    "de": "wie ?viele?|wie lange|wie weit|wie alt|welcher anteil",
    "fr": "combien|quel pourcentage|quel âge",
    "es": "cuánt[oa]s?|qué porcentaje",
    "it": "quant[oaei]|che percentuale",
}
# Asks for a way of doing, which is the same whoever does it.
_PROCEDURE = {
    "en": "how (?:do|can|to|would|should|could)",
    "de": "wie (?:kann|könnte|soll|muss|\\w+e) (?:ich|wir|man)",
    "fr": "comment (?:puis-je|pouvons-nous|dois-je|peut-on|faire|je|on)",
    "es": "cómo (?:puedo|podemos|debo|se|hago|hacer|\\w+o)",
    "it": "come (?:posso|possiamo|devo|si|faccio|fare)",
}
# What a definition or a way of doing asks for changes seldom.
_LASTING = {
    "en": "define|definition|meaning|mean|means|explain|what does|why (?:is|are|do|does)|how (?:do|does) .* work|"
    "who (?:wrote|invented|discovered|painted|composed)|capital of|synonym|translate|spell",
    "de": "definiere|definition|bedeutet|bedeutung|erkläre|erklären|wieso|weshalb|warum|wie funktioniert|"
    "wer (?:schrieb|erfand|entdeckte|malte|komponierte)|hauptstadt von|synonym|übersetze|buchstabiert",
    "fr": "définis|définition|signifie|signification|explique|expliquez|expliquer|pourquoi|comment fonctionne|"
    "qui a (?:écrit|inventé|découvert|peint|composé)|capitale|synonyme|traduis|traduire|épelle",
    "es": "define|definición|significa|significado|explica|explique|explicar|por qué|cómo funciona|"
    "quién (?:escribió|inventó|descubrió|pintó|compuso)|capital de|sinónimo|traduce|traducir|deletrea",
    "it": "definisci|definizione|significa|significato|spiega|spiegare|perché|come funziona|"
    "chi ha (?:scritto|inventato|scoperto|dipinto|composto)|capitale|sinonimo|traduci|tradurre",
}
_APOSTROPHES = str.maketrans("\u2019\u2018\u201b\u02bc\u00b4\u2010\u2011", "'''''--")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SUM = re.compile(r"\d\s*(?:[-+*/^×÷=%]|\*\*)\s*\d|[=√∑∫]|\d\s*%")
# Numbers with a sign between them that are no sum: a day, a span of years, 24/7.
_DAY = re.compile(
    r"(?<![\d/.-])(?:\d{4}([-/.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:\d{4}|\d\d)"
    r"|(?:1[5-9]|20)\d\d[-/](?:1[5-9]|20)?\d\d|24/7)(?![\d/]|[.-]\d)"
)


def staticity(text: str, language: str) -> Staticity:
    """The class of a question. `language` is its ISO 639-1 code, or '' where it is not known."""
    said, days = _DAY.subn(" day ", _plain(text))
    holds = _holding(language if language in _OWN else "")
    if any(holds[name].search(said) for name in ("moment", "running", "computed")) or _SUM.search(said):
        return "never"
    if holds["amount"].search(said) and len(_NUMBER.findall(said)) + days > 1:
        return "never"
    own = holds["own"].search(said) is not None
    if own and holds["state"].search(said) and not holds["procedure"].search(said):
        return "never"
    if holds["self"].search(said) and not holds["procedure"].search(said):
        return "never"
    if own or holds["passing"].search(said):
        return "fast"
    return "static" if holds["lasting"].search(said) else "slow"


def _plain(text: str) -> str:
    """One form for what looks the same: NFKC, no signs without width, one blank for any white space."""
    said = text
    if not text.isascii():
        said = unicodedata.normalize("NFKC", text)
        said = "".join([sign for sign in said if unicodedata.category(sign) not in {"Cf", "Cc"} or sign.isspace()])
        said = said.translate(_APOSTROPHES)
    return " ".join(said.casefold().split())


def ttl_s(of: Staticity, most: float) -> float:
    """Seconds that an answer of this class lives, at most `most`, the host's own limit; 0.0 for 'never'."""
    return min(TTL_S[of], most)


@lru_cache(maxsize=len(_OWN) + 1)
def _holding(language: str) -> dict[str, re.Pattern[str]]:
    """What to look for, by name; for '' in all languages at once."""
    kinds = {
        "moment": _MOMENT,
        "passing": _PASSING,
        "own": _OWN,
        "running": _RUNNING,
        "self": _SELF,
        "state": _STATE,
        "computed": _COMPUTED,
        "amount": _AMOUNT,
        "procedure": _PROCEDURE,
        "lasting": _LASTING,
    }
    return {
        name: re.compile(rf"(?<!\w)(?:{'|'.join([words[language]] if language else words.values())})(?!\w)")
        for name, words in kinds.items()
    }
