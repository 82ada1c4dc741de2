"""Questions in which an expression stands for another, somebody undergoes what he did, or what was to do is done.

A class a block, in each language that has it; beside it what is put otherwise, or only dressed.
"""

from __future__ import annotations

import pytest

from appliance.similar.guards import objections
from appliance.similar.reading import read

# guard that must be among those that object, language, two texts.
DIFFERENT = {
    "one expression in another's place": """
substituted | en | How do we travel in first class to Oslo? | How do we travel in steerage to Oslo?
substituted | en | Which bread suits large dogs? | Which bread suits pregnant rabbits?
substituted | en | How do I open a tin with a screwdriver? | How do I open a tin with an old spoon?
substituted | de | Was kostet ein Zelt für große Familien? | Was kostet ein Zelt für Rentner?
substituted | fr | Combien coûte un billet en première classe ? | Combien coûte un billet en wagon-lit ?
substituted | es | ¿Cuánto cuesta un billete en primera clase? | ¿Cuánto cuesta un billete en litera?
substituted | it | Quanto costa un biglietto in prima classe? | Quanto costa un biglietto in cuccetta?
""",
    "a word that says little, for one that says more": """
substituted | en | How do I find a crack in a pipe? | How do I seal a crack in a pipe?
substituted | en | What does the ferry charge per person? | What does the ferry charge per cabin?
substituted | de | Wie kann man einen Riss am besten finden? | Wie kann man einen Riss am besten abdichten?
substituted | fr | Comment trouver une fissure dans un mur ? | Comment reboucher une fissure dans un mur ?
substituted | es | ¿Cómo encontrar una grieta en la pared? | ¿Cómo tapar una grieta en la pared?
substituted | it | Come trovare una crepa nel muro? | Come riparare una crepa nel muro?
""",
    "a word for one that stands elsewhere, too": """
substituted | en | Is the cable of the printer charged per cable? | Is the cable of the printer charged per printer?
substituted | de | Ist der Tarif pro Drucker oder pro Kabel? | Ist der Tarif pro Kabel oder pro Kabel?
""",
    "who does it, and whom it is done to": """
roles | en | Is it safe to operate at night? | Is it safe to be operated at night?
roles | en | Is it rude to hug guests? | Is it rude for guests to hug?
direction | en | Where do I vote for a mayor? | Where do I vote as a mayor?
roles | en | What are questions to ask at a wake? | What are questions to be asked at a wake?
roles | en | Who do I ring if the mill burns? | Who rings if the mill burns?
direction | en | How do I draw on slate? | How do I draw slate?
tense | en | Which hymns does she sing? | Which hymns has she sung?
roles | en | Who teaches in prison? | Who is taught in prison?
roles | en | Do foxes get hunted in winter? | Do foxes hunt in winter?
roles | en | Is it possible to be insured without a passport? | Is it possible to insure someone without a passport?
tense | de | Wer wird im Gefängnis unterrichtet? | Wer unterrichtet im Gefängnis?
roles | de | Darf er nachts operiert werden? | Darf er nachts operieren?
roles | fr | Est-il normal d'être interrogé à la maison ? | Est-il normal d'interroger à la maison ?
roles | fr | Peut-on être filmé au travail ? | Peut-on filmer quelqu'un au travail ?
roles | es | ¿Es normal ser examinado en casa? | ¿Es normal examinar en casa?
roles | es | ¿Es legal ser grabado en el trabajo? | ¿Es legal grabar a alguien en el trabajo?
roles | it | È normale essere esaminati in casa? | È normale esaminare in casa?
""",
    "what is still to be done, and what is done": """
tense | en | Draw up a list of letters to write by Monday. | Draw up a list of letters written by Monday.
tense | en | Show the chores to do by room. | Show the chores done by room.
tense | en | Show the way to go during the race. | Show the way gone during the race.
tense | fr | Fais une liste des tâches à faire par semaine. | Fais une liste des tâches faites par semaine.
substituted | fr | Fais une liste des lettres à écrire ce soir. | Fais une liste des lettres écrites ce soir.
tense | es | Haz una lista de tareas por hacer cada semana. | Haz una lista de tareas hechas cada semana.
tense | es | Haz una lista de cartas por escribir esta semana. | Haz una lista de cartas escritas esta semana.
tense | it | Fai un elenco dei compiti da fare in settimana. | Fai un elenco dei compiti fatti in settimana.
substituted | it | Fai un elenco delle lettere da scrivere oggi. | Fai un elenco delle lettere scritte oggi.
opposed | en | Which vouchers are remaining? | Which vouchers are spent?
opposed | de | Wie viele Gutscheine sind übrig? | Wie viele Gutscheine sind verbraucht?
opposed | fr | Combien de jours restants ai-je ? | Combien de jours pris ai-je ?
opposed | es | ¿Cuántos días restantes hay? | ¿Cuántos días usados hay?
opposed | it | Quanti giorni restanti ci sono? | Quanti giorni usati ci sono?
""",
    "what is exempt": """
negation | en | Which wines are duty exempt in Norway? | Which wines are dutiable in Norway?
negation | de | Sind Mönche vom Wehrdienst befreit? | Sind Mönche vom Wehrdienst betroffen?
negation | fr | Les moines sont-ils exemptés de la taxe ? | Les moines sont-ils soumis à la taxe ?
negation | es | ¿Están los monjes exentos del impuesto? | ¿Están los monjes sujetos al impuesto?
negation | it | I monaci sono esenti dalla tassa? | I monaci sono soggetti alla tassa?
""",
    "too much and too little": """
opposed | en | Does my tomato get too much sun? | Does my tomato get too little sun?
opposed | de | Woran sieht man, dass eine Rose zu viel Sonne hat? | Woran sieht man, dass eine Rose zu wenig Sonne hat?
opposed | fr | Comment savoir si une tomate a trop de soleil ? | Comment savoir si une tomate a trop peu de soleil ?
opposed | es | ¿Cómo sé si un tomate tiene demasiado sol? | ¿Cómo sé si un tomate tiene muy poco sol?
opposed | it | Come capisco se una rosa prende troppo sole? | Come capisco se una rosa prende troppo poco sole?
""",
    "an adjective that turns its noun": """
degree | en | Sort the names in alphabetical order. | Sort the names in reverse alphabetical order.
degree | en | What is the median age of nurses? | What is the age of nurses?
degree | de | Sortiere die Namen in alphabetischer Folge. | Sortiere die Namen in umgekehrter alphabetischer Folge.
degree | fr | Trie les noms par ordre alphabétique. | Trie les noms par ordre alphabétique inverse.
degree | es | Ordena los nombres por orden alfabético. | Ordena los nombres por orden alfabético inverso.
degree | de | Wie lange hält gekochter Reis? | Wie lange hält Reis?
degree | fr | Combien de temps se garde le riz cuit ? | Combien de temps se garde le riz ?
degree | es | ¿Cuánto dura el arroz cocido? | ¿Cuánto dura el arroz?
degree | it | Quanto dura il riso cotto? | Quanto dura il riso?
degree | it | Ordina i nomi in ordine alfabetico. | Ordina i nomi in ordine alfabetico inverso.
""",
    "what looks like a slip, an inflection or a flourish": """
sign | en | What does it mean to write ??? | What does it mean to write ??
substituted | de | Woran merkt man, dass jemand schlafend ist? | Woran merkt man, dass jemand schlaflos ist?
substituted | it | Quanto pesa un cappello di Anna? | Quanto pesa un capello di Anna?
""",
}

SAME = """
en | How can I earn money on the internet? | How do I make money on the internet?
en | When was the lock replaced? | When did they replace the lock?
en | How is goat cheese made? | How do you make goat cheese?
en | Which languages do they speak in Chad? | Which languages are spoken in Chad?
en | How do people get married in Fiji? | How do people marry in Fiji?
en | What can be done about moles? | What can I do about moles?
en | What to wear at a wake? | What is worn at a wake?
en | Who owns the mills located near Ghent? | Who owns the mills that are located near Ghent?
en | Who was it that invented the zipper? | Who invented the zipper?
en | Which fuse is right for 12 V? | Which fuse is right for 12 volts?
en | Why is the sky blue ?? | Why is the sky blue?
en | How do nationalism and patriotism differ? | How do nationalists and patriots differ?
en | How is lentil curry prepared? | How is lentil currry prepred?
en | What mystery is hidden in the lost mill? | What is the truth behind the lost mill?
de | Was passiert bei 40 Grad? | Was passiert bei 40°?
de | Wie wird Brot gebacken? | Wie wird das Brot gebacken?
de | Von wem wurde die Orgel entworfen? | Wer hat die Orgel entworfen?
fr | Comment est préparé le nougat ? | Comment préparer le nougat ?
es | ¿Cómo se cocina la langosta? | ¿Cómo es cocinada la langosta?
it | Come viene preparato il torrone? | Come preparare il torrone?
"""

# An excuse, or how urgent it is, before the question.
DRESSED = """
en | Forgive my ignorance. How does a lathe work? | How does a lathe work?
en | Sorry if this is a dumb question, but how do I oil a hinge? | How do I oil a hinge?
en | Help! How do I oil a hinge? | How do I oil a hinge?
en | This is really urgent: how do I oil a hinge? | How do I oil a hinge?
en | Need to know asap: how do I oil a hinge? | How do I oil a hinge?
en | Thanks in advance! How do I oil a hinge? | How do I oil a hinge?
en | I always forget: what is the capital of Chad? | What is the capital of Chad?
de | Hilfe! Wie öle ich ein Scharnier? | Wie öle ich ein Scharnier?
de | Das ist mir peinlich, aber wie öle ich ein Scharnier? | Wie öle ich ein Scharnier?
de | Sorry, falls das eine blöde Frage ist, aber wie öle ich ein Scharnier? | Wie öle ich ein Scharnier?
fr | Au secours ! Comment huiler une charnière ? | Comment huiler une charnière ?
fr | Désolé si la question est bête, mais comment huiler une charnière ? | Comment huiler une charnière ?
es | ¡Socorro! ¿Cómo engraso una bisagra? | ¿Cómo engraso una bisagra?
es | Perdón si es una pregunta tonta, pero ¿cómo engraso una bisagra? | ¿Cómo engraso una bisagra?
it | Aiuto! Come si olia un cardine? | Come si olia un cardine?
it | Scusate se è una domanda stupida, ma come si olia un cardine? | Come si olia un cardine?
"""


def rows(*tables: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for table in tables for line in table.split("\n") if line]


@pytest.mark.parametrize(("guard", "language", "one", "other"), rows(*DIFFERENT.values()))
def test_a_guard_objects_whichever_was_stored(guard: str, language: str, one: str, other: str) -> None:
    first, second = read(one, language), read(other, language)
    assert guard in objections(first, second)
    assert objections(first, second) == objections(second, first)


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_nothing_objects_to_the_same_question(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()


@pytest.mark.parametrize(("language", "one", "other"), rows(DRESSED))
def test_an_excuse_or_an_urgent_call_comes_off(language: str, one: str, other: str) -> None:
    dressed, bare = read(one, language), read(other, language)
    assert objections(dressed, bare) == ()
    assert dressed.keys == bare.keys


@pytest.mark.parametrize("text", ["Where is the help desk?", "Is help urgent?", "What does this urgent letter say?"])
def test_a_word_of_urgency_that_is_asked_about_is_no_dress(text: str) -> None:
    assert {"help", "urgent"} & read(text, "en").content
