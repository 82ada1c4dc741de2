"""Questions that are put again in another guise of the same words, and the look-alikes of each that are not."""

from __future__ import annotations

import pytest

from appliance.cache.staticity import staticity
from appliance.similar.guards import objections
from appliance.similar.question_language import question_language
from appliance.similar.reading import read
from appliance.similar.tasks import certified_task
from appliance.similar.wording import undecorated, worded

SAME = {
    "items of a list change places": """
en | What can I bake with oats, brown sugar and dates? | What can I bake with dates, oats and brown sugar?
en | Where is it driest: in Bergen, Porto or Cork? | Where is it driest: in Cork, Bergen or Porto?
en | Do pole beans and leeks get along? | Do leeks and pole beans get along?
de | Was kann ich aus Linsen, Quark und Mangold kochen? | Was kann ich aus Mangold, Linsen und Quark kochen?
fr | Que cuisiner avec thon, riz et poivrons ? | Que cuisiner avec riz, poivrons et thon ?
es | ¿Qué puedo cocinar con arroz, atún y garbanzos? | ¿Qué puedo cocinar con garbanzos, arroz y atún?
it | Che cosa posso cucinare con riso, tonno e ceci? | Che cosa posso cucinare con ceci, riso e tonno?
""",
    "who gets it stands before it or after it": """
en | May I lend a neighbour my library card? | May I lend my library card to a neighbour?
en | Can the club send the mayor two free tickets? | Can the club send two free tickets to the mayor?
en | How long does it take to plug in the heater? | How long does it take to plug the heater in?
""",
    "a statement with a tag": """
en | You need a permit for a bonfire in Malta, don't you? | Do you need a permit for a bonfire in Malta?
en | The Elbe flows through Dresden, right? | Does the Elbe flow through Dresden?
de | Norvik liefert auch nach Malta, oder? | Liefert Norvik auch nach Malta?
fr | On peut congeler les figues, n'est-ce pas ? | On peut congeler les figues ?
es | Se pueden congelar los higos, ¿no? | ¿Se pueden congelar los higos?
it | Si possono congelare i fichi, vero? | Si possono congelare i fichi?
""",
    "a face at the end": """
en | What should I wear to a funeral? 🙏 | What should I wear to a funeral?
en | What should I wear to a funeral 🤔🤔 | What should I wear to a funeral? :-)
de | Wie reinige ich einen Teppich? 😊 | Wie reinige ich einen Teppich?
fr | Comment nettoyer un tapis ? 😅 | Comment nettoyer un tapis ?
es | ¿Cómo limpio una alfombra? 🙏 | ¿Cómo limpio una alfombra?
it | Come pulisco un tappeto? ;) | Come pulisco un tappeto?
""",
    "a date, a temperature, a time": """
en | What happened in Turin on 21 June 2016? | What happened in Turin on 2016-06-21?
en | What happened in Turin on the 5th of May 2010? | What happened in Turin on May 5, 2010?
en | What becomes of milk at 65 degrees Celsius? | What becomes of milk at 65 °C?
en | How do I set an alarm for 10 p.m. on a radio? | How do I set an alarm for 10 o'clock in the evening on a radio?
de | Was geschah am 24. Oktober 1914 in Wien? | Was geschah am 24.10.1914 in Wien?
fr | Que s'est-il passé le 1er mai 1990 à Lyon ? | Que s'est-il passé le 01/05/1990 à Lyon ?
es | ¿Qué pasó el 5 de mayo de 2010 en Lima? | ¿Qué pasó el 05/05/2010 en Lima?
it | Che cosa è successo il 5 maggio 2010 a Roma? | Che cosa è successo il 05/05/2010 a Roma?
""",
    "longer words for to, and both genders": """
en | What do I need in order to dry herbs? | What do I need to dry herbs?
en | What should a student travelling to Oman pack? | What should a student who is travelling to Oman pack?
en | What is it that makes dough rise? | What makes dough rise?
de | Welche Rechte haben Rentner*innen in Wien? | Welche Rechte haben Rentner in Wien?
fr | Que faut-il afin de sécher des herbes ? | Que faut-il pour sécher des herbes ?
fr | Quels sont les droits des étudiant·e·s ? | Quels sont les droits des étudiants ?
es | ¿Qué necesito con el fin de secar hierbas? | ¿Qué necesito para secar hierbas?
es | ¿Qué normas hay para los alumnos y las alumnas? | ¿Qué normas hay para los alumnos?
it | Che cosa serve al fine di seccare le erbe? | Che cosa serve per seccare le erbe?
""",
    "who asks for it asks what it is": """
en | Give me the highest peaks of Peru. | What are the highest peaks of Peru?
de | Liste die Häfen von Peru. | Was sind die Häfen von Peru?
de | Nenne die Hauptstadt von Peru. | Was ist die Hauptstadt von Peru?
fr | Cite la capitale du Pérou. | Quelle est la capitale du Pérou ?
es | Indica la capital de Perú. | ¿Cuál es la capital de Perú?
it | Indica la capitale del Perù. | Qual è la capitale del Perù?
""",
    "a slip in a small word": """
en | Whcih stadiums are in Lyon? | Which stadiums are in Lyon?
en | I've searched everywhere. What darns a sock? | What darns a sock?
""",
    "a slip of the keys": """
en | Becuase of frost, which pipes burst? | Which pipes burst because of frost?
en | How do I clean a transfromer? | How do I clean a transformer?
en | How in Porto can I find a dentist? | How can I find a dentist in Porto?
de | Weiß jemand, wer die Brücke entworfen hat? | Wer hat die Brücke entworfen?
""",
    "said in one sentence, or in two": """
en | I am in Ghent with a dog. Which parks are open? | Which parks are open? I am in Ghent with a dog
""",
}

READ_ALIKE = (
    "a statement with a tag",
    "who asks for it asks what it is",
    "longer words for to, and both genders",
    "a slip in a small word",
)

# guard that must be among those that object, language, two texts.
DIFFERENT = {
    "an order that is asked about": """
order | en | Write a plan: fold, wait 5 minutes and iron. | Write a plan: iron, wait 5 minutes and fold.
order | en | Who ran in the order Ada, Ben Young and Cleo? | Who ran in the order Cleo, Ada and Ben Young?
order | en | Which rule has the series 2, 4 and 8? | Which rule has the series 8, 2 and 4?
order | en | Who likes red wine, beer or tea and cake? | Who likes tea, red wine or beer and cake?
""",
    "items that are others": """
substituted | en | What can I bake with oats, brown sugar and dates? | What can I bake with oats, brown sugar and figs?
order | en | Did the fox and the dog chase the cat and the hen? | Did the cat and the dog chase the fox and the hen?
order | de | Jagt der Fuchs und der Hund die Katze? | Jagt die Katze und der Fuchs den Hund?
""",
    "who gets whom": """
order | en | Can the club send the mayor the envoy? | Can the club send the envoy the mayor?
direction | en | Can I send a letter from my aunt? | Can I send a letter to my aunt?
roles | en | What is glass made from? | What is made from glass?
""",
    "a tag turns nothing": """
negation | en | You don't need a permit in Malta, do you? | Do you need a permit in Malta?
negation | de | Norvik liefert nicht nach Malta, oder? | Liefert Norvik nach Malta?
negation | fr | On ne peut pas congeler les figues, non ? | On peut congeler les figues ?
negation | es | No se pueden congelar los higos, ¿verdad? | ¿Se pueden congelar los higos?
negation | it | Non si possono congelare i fichi, vero? | Si possono congelare i fichi?
""",
    "a sign that is asked about, or a flag": """
sign | en | What does this emoji mean? 🙏 | What does this emoji mean? 🤔
sign | en | When do shops open? 🇩🇪 | When do shops open? 🇫🇷
sign | de | Was bedeutet das Zeichen 🙏 | Was bedeutet das Zeichen 🤔
sign | en | Reply kindly to: see you soon 😉 | Reply kindly to: see you soon 😡
""",
    "another date": """
number | en | What happened in Turin on 21 June 2016? | What happened in Turin on 2016-07-21?
number | en | How do I set an alarm for 10 p.m.? | How do I set an alarm for 10 o'clock in the morning?
number | de | Was geschah am 24. Oktober 1914? | Was geschah am 25. Oktober 1914?
number | fr | Que s'est-il passé le 1er mai 1990 ? | Que s'est-il passé le 1er mai 1991 ?
number | es | ¿Qué pasó el 5 de mayo de 2010? | ¿Qué pasó el 6 de mayo de 2010?
number | it | Che cosa è successo il 5 maggio 2010? | Che cosa è successo il 5 giugno 2010?
""",
    "a word whose form says which it is": """
sibling | it | Che massa ha il nitrato di sodio? | Che massa ha il nitrito di sodio?
sibling | it | A che cosa serve il solfato? | A che cosa serve il solfito?
""",
    "somebody else": """
person | en | Tell us about the trip to Oman. | Tell them about the trip to Oman.
sibling | de | Was erbt ein Witwer? | Was erbt eine Witwe?
""",
    "how many, and how many others": """
quantifier | en | How many different vowels are in "banana"? | How many vowels are in "banana"?
quantifier | de | Wie viele verschiedene Vokale hat "Ananas"? | Wie viele Vokale hat "Ananas"?
quantifier | fr | Combien de voyelles différentes a "banane" ? | Combien de voyelles a "banane" ?
quantifier | es | ¿Cuántas vocales distintas tiene "banana"? | ¿Cuántas vocales tiene "banana"?
quantifier | it | Quante vocali diverse ha "banana"? | Quante vocali ha "banana"?
""",
    "what is asked of a word": """
substituted | es | Necesito un antónimo de «terco». | Necesito una definición de «terco».
substituted | fr | Je cherche une définition de « clair ». | Je cherche un synonyme de « clair ».
substituted | es | Busco una definición de «cauto». | Busco la traducción inglesa de «cauto».
substituted | fr | Donne une définition de « clair ». | Donne la traduction anglaise de « clair ».
substituted | it | Mi serve una definizione di «cauto». | Mi serve un sinonimo di «cauto».
""",
    "a noun that looks like a verb, and a no": """
substituted | de | Auf wen geht Musik zurück? | auf wen geht buchdruck zurück?
substituted | de | Schreib ihm: Wie viel Speicher ist frei? | Schreib ihm: Wie viel Speicher ist kaputt?
negation | es | ¿No se pueden congelar los higos? | ¿Se pueden congelar los higos?
""",
    "what a letter does": """
sibling | en | Write a note in which I ask for a refund. | Write a note in which I offer a refund.
sibling | en | Write a note in which I accept the job. | Write a note in which I ask for time to weigh the job.
sibling | fr | Rédige une lettre où j'accepte le poste. | Rédige une lettre où je demande un délai pour le poste.
sibling | es | Redacta una carta en la que acepto el puesto. | Redacta una carta en la que pido tiempo para el puesto.
sibling | it | Prepara una lettera in cui accetto il posto. | Prepara una lettera in cui chiedo tempo per il posto.
sibling | de | Formuliere einen Brief: ich annehme die Stelle. | Formuliere einen Brief: ich ablehne die Stelle.
""",
}


def rows(blocks: dict[str, str]) -> list[tuple[str, ...]]:
    return [tuple(line.split(" | ")) for block in blocks.values() for line in block.strip().splitlines()]


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_nothing_objects_to_what_is_put_otherwise(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()
    assert objections(read(other, language), read(one, language)) == ()


@pytest.mark.parametrize(("language", "one", "other"), rows({name: SAME[name] for name in READ_ALIKE}))
def test_nothing_is_left_over_of_what_is_put_otherwise(language: str, one: str, other: str) -> None:
    ours, theirs = read(one, language), read(other, language)
    assert sorted(ours.keys) == sorted(theirs.keys)
    assert len({ours.kind, theirs.kind} - {""}) < 2


@pytest.mark.parametrize(("guard", "language", "one", "other"), rows(DIFFERENT))
def test_a_guard_objects_to_what_only_looks_alike(guard: str, language: str, one: str, other: str) -> None:
    found = objections(read(one, language), read(other, language))
    assert guard in found
    assert objections(read(other, language), read(one, language)) == found


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", 'Is "5 May 2010" right?'),  # quoted
        ("en", "In which format is 5 May 2010?"),
        ("en", "What happened on 45 May 2010?"),
        ("es", "¿Qué diferencias hay entre los alumnos y las alumnas?"),
        ("de", "Wie unterscheiden sich Schüler und Schülerinnen?"),
        ("en", "Why is it not so?"),
    ],
)
def test_a_text_stays_as_it_is_where_its_form_may_matter(language: str, text: str) -> None:
    assert worded(text, language) == text


def test_a_tag_comes_off() -> None:
    assert worded("Norvik liefert auch nach Malta, oder?", "de") == "Norvik liefert auch nach Malta?"


def test_an_hour_in_italian_is_not_now() -> None:
    assert staticity("Che cosa si vede a Lecce in mezz'ora?", "it") != "never"
    assert staticity("Che cosa si vede a Lecce ora?", "it") == "never"


@pytest.mark.parametrize("text", ["🙏", "What does 🙏 mean?", "Is this rude? 🙂", "Answer him: yes 🙂", "Ship it 🇩🇪"])
def test_a_face_stays_where_it_may_be_meant(text: str) -> None:
    assert undecorated(text) == text


@pytest.mark.parametrize(
    ("task", "text", "found"),
    [
        ("translate", "Wo kann ich in Linz ein Zelt leihen?", "other"),
        ("translate", "¿Qué verduras crecen a la sombra?", "other"),
        ("passage_qa", "Which club in Bergen offers archery?", "other"),
        ("translate", "What is the Swedish word for ladder?", "translate"),
        ("translate", "Translate the ladder leans into Czech?", "translate"),
        ("translate", "¿Cómo se dice escalera en checo?", "translate"),
        ("translate", "What is Czech: the ladder leans?", "translate"),
        ("translate", 'What is "ladder" in Czech?', "translate"),
        ("translate", "The ladder leans. And in Czech?", "translate"),
        ("translate", "The ladder leans against the wall", "translate"),
        ("passage_qa", "Who won?\nAda beat Ben.", "passage_qa"),
        ("passage_qa", "Who wins according to the text?", "passage_qa"),
        ("math", "How many legs do six ants have?", "math"),
        ("creative", "Will you sing of the sea?", "creative"),
    ],
)
def test_a_plain_question_that_brings_no_text_is_of_the_mixed_task(task: str, text: str, found: str) -> None:
    assert certified_task(task, text) == found


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Define osmosis."),
        ("en", "Hi! How do I calibrate a printer?"),
        ("fr", "Que voir à Lyon en deux jours ?"),
        ("de", "Was geschah am 24. Oktober 1914?"),
        ("es", "Dame una definición de «claro»."),
        ("it", "Quanto dista Lecce da Bari?"),
        ("", "Como se faz o pão?"),
    ],
)
def test_the_language_of_a_few_words(language: str, text: str) -> None:
    assert question_language(text) == language
