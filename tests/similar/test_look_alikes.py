"""Questions that differ in a word that looks like none: who it is, how often, which others, who has it done.

A class of words a block, in each language that has it, and beside it what is put otherwise and must not be objected to.
"""

from __future__ import annotations

import pytest

from appliance.similar.guards import objections
from appliance.similar.reading import read

# guard that must be among those that object ("": any), language, two texts.
DIFFERENT = {
    "whoever it may be, and somebody known": """
person | en | Who told one to wait in the yard? | Who told him to wait in the yard?
person | en | What do people bring to a wake? | What do they bring to a wake?
person | en | Why did she sell the barn? | Why was the barn sold?
person | de | Warum hat man den Zaun versetzt? | Warum hat er den Zaun versetzt?
person | de | Wie kann jemand das Dach decken? | Wie kann sie das Dach decken?
person | fr | Quand peut-on semer des fèves ? | Quand peut-il semer des fèves ?
person | fr | Pourquoi a-t-on scié la branche ? | Pourquoi a-t-elle scié la branche ?
person | es | ¿Qué puede plantar uno en mayo? | ¿Qué puede plantar él en mayo?
person | es | ¿Qué se puede plantar en mayo? | ¿Qué puede plantar ella en mayo?
person | it | Cosa può piantare uno a maggio? | Cosa può piantare lui a maggio?
""",
    "one and many, where a pronoun or a verb alone says it": """
person | de | Bring ihm einen Korb Birnen. | Bring ihnen einen Korb Birnen.
person | de | Wann backt sie Brot? | Wann backen sie Brot?
person | es | ¿Qué le contó Marta? | ¿Qué les contó Marta?
person | es | Cómprale un sombrero. | Cómprales un sombrero.
person | es | ¿Cuándo puedo abrir la tienda? | ¿Cuándo pueden abrir la tienda?
  | it | Compragli un cappello. | Compraci un cappello.
person | it | Quando posso aprire il negozio? | Quando può aprire il negozio?
""",
    "how often, and how long": """
quantifier | en | Does the choir sing every other week? | Does the choir sing every week?
quantifier | en | Does the choir sing on alternate Mondays? | Does the choir sing on Mondays?
quantifier | en | What does a koala do all day? | What does a koala do every day?
quantifier | de | Was macht ein Koala den ganzen Tag? | Was macht ein Koala jeden Tag?
quantifier | es | ¿Qué hace un koala todo el día? | ¿Qué hace un koala todos los días?
time | en | What is the hourly rate of a mason in Ghent? | What is the rate of a mason in Ghent?
time | en | Is the pass temporarily closed? | Is the pass closed?
direction | en | Will it be ready in two days? | Will it be ready within two days?
direction | de | Darf ich eine Woche bleiben? | Darf ich in einer Woche bleiben?
direction | fr | Puis-je dormir une heure ? | Puis-je dormir dans une heure ?
direction | fr | Peut-on y aller en deux heures ? | Peut-on y aller dans deux heures ?
""",
    "these, and others": """
quantifier | en | Which other rivers cross Basel? | Which rivers cross Basel?
quantifier | en | Who else saw the comet? | Who saw the comet?
quantifier | de | Welche anderen Flüsse queren Basel? | Welche Flüsse queren Basel?
quantifier | fr | Quels autres fleuves traversent Bâle ? | Quels fleuves traversent Bâle ?
quantifier | es | ¿Qué otros ríos cruzan Basilea? | ¿Qué ríos cruzan Basilea?
quantifier | it | Quali altri fiumi attraversano Basilea? | Quali fiumi attraversano Basilea?
sibling | en | Who lives in this cottage? | Who lives in that cottage?
sibling | de | Wer wohnt in diesem Haus? | Wer wohnt in jenem Haus?
""",
    "how much of it": """
quantifier | en | Is the dam partly finished? | Is the dam finished?
quantifier | de | Hilft ein wenig Zucker? | Hilft wenig Zucker?
quantifier | fr | Un peu de sucre suffit-il ? | Peu de sucre suffit-il ?
quantifier | it | Serve un po' di zucchero? | Serve poco zucchero?
quantifier | de | Ist der Tank fast leer? | Ist der Tank leer?
degree | es | ¿Qué comen los perros pequeños de Ana? | ¿Qué comen los perros de Ana?
degree | de | Was kostet ein kleines Zelt? | Was kostet ein Zelt?
degree | en | How do I carry small puppies in a basket? | How do I carry puppies in a basket?
""",
    "what is done, and what is only begun, tried, wanted or said": """
modality | en | Why did the baker plan to close the shop? | Why did the baker close the shop?
modality | en | Why does the pump seem to leak? | Why does the pump leak?
modality | en | Is the duke reportedly ill? | Is the duke ill?
modality | de | Warum versuchte der Koch, das Lokal zu schließen? | Warum schließt der Koch das Lokal?
modality | fr | Pourquoi la pompe semble-t-elle fuir ? | Pourquoi la pompe fuit-elle ?
modality | es | ¿Por qué intenta cerrar la tienda? | ¿Por qué cierra la tienda?
modality | it | Perché il duca sembra malato? | Perché il duca è malato?
tense | en | Had she locked the gate? | Has she locked the gate?
""",
    "who does it, and who has it done": """
roles | en | How do I have my roof tiled? | How do I tile my roof?
roles | en | Who had the fence painted? | Who painted the fence?
roles | en | Why did the mayor let the mill burn? | Why did the mayor burn the mill?
roles | de | Wo kann ich mir die Hose kürzen lassen? | Wo kann ich mir die Hose kürzen?
roles | fr | Où me faire couper la barbe ? | Où me couper la barbe ?
roles | de | Wo kann ich die Hose kürzen lassen? | Wo kann ich die Hose kürzen?
roles | fr | Où faire réparer la selle ? | Où réparer la selle ?
roles | it | Dove posso far riparare la sella? | Dove posso riparare la sella?
roles | es | ¿De qué está hecho el yeso? | ¿Qué está hecho de yeso?
roles | it | Di cosa è fatto il gesso? | Cosa è fatto di gesso?
roles | en | What is amber made from? | What is made from amber?
roles | en | Who did the widow write to? | Who wrote to the widow?
direction | en | Why does the goose hiss in spring? | Why does the goose hiss at me in spring?
direction | en | How do I get to the island? | How do I get from the island?
""",
    "whom one is related to, and what one only was or stands for": """
sibling | en | Who was the great-aunt of the tsar? | Who was the aunt of the tsar?
sibling | en | What do I bring my mother-in-law? | What do I bring my mother?
sibling | fr | Qui est son beau-frère ? | Qui est son frère ?
particle | en | Who is the deputy chair of the choir? | Who is the chair of the choir?
particle | de | Wer ist der ehemalige Leiter des Chors? | Wer ist der Leiter des Chors?
particle | fr | Qui est l'ancien directeur du chœur ? | Qui est le directeur du chœur ?
particle | it | Chi è l'ex direttore del coro? | Chi è il direttore del coro?
 | fr | Où dort le serveur ? | Où dort la serveuse ?
 | it | Dove dorme l'infermiere? | Dove dorme l'infermiera?
 | es | ¿Dónde duerme el pintor? | ¿Dónde duerme la pintora?
""",
}

SAME = """
en | How can one mend a net? | How do I mend a net?
en | What can people do about moles? | What can you do about moles?
en | When was the weir built? | When did they build the weir?
en | In which town was she born? | Which town was she born in?
en | Is it open 24 hours a day? | is it open 24 hours a day
en | How many minutes are there in an hour? | How many minutes does an hour have?
en | Have my parcels been sent? | Have my parcels been sent
en | What is the best other way to mend a net? | How do I mend a net?
en | Can you let me know when the tide turns? | When does the tide turn?
en | When is it within the limits? | When is it in the limits?
de | Wie kann man ein Netz flicken? | Wie flicke ich ein Netz?
de | Was kann man gegen Maulwürfe tun? | Was kann ich gegen Maulwürfe tun?
de | Wie lässt sich ein Netz flicken? | Wie flickt man ein Netz?
fr | Combien de temps faire bouillir un œuf ? | Combien de temps bouillir un œuf ?
fr | Comment peut-on réparer un filet ? | Comment réparer un filet ?
fr | Le filet peut-il être réparé ? | Est-ce que le filet peut être réparé ?
es | ¿Cómo se puede remendar la red? | ¿Cómo puedo remendar la red?
es | ¿Cómo corto el trigo? | ¿Cómo puedo cortar el trigo?
it | Quanto costano i gelati? | Quanto costa il gelato?
it | Come si può riparare la rete? | Come posso riparare la rete?
"""


def rows(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(
    ("guard", "language", "one", "other"), [row for table in DIFFERENT.values() for row in rows(table.strip("\n"))]
)
def test_a_guard_objects_whichever_was_stored(guard: str, language: str, one: str, other: str) -> None:
    first, second = read(one, language), read(other, language)
    found = objections(first, second)
    assert guard in found if guard else found
    assert found == objections(second, first)


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_nothing_objects_to_the_same_put_otherwise(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()


def test_a_word_without_its_diacritic_is_another_where_the_language_has_both() -> None:
    assert read("¿Qué come el gato?", "es").persons == ()
    assert read("¿Qué come él?", "es").persons == ("he",)
    assert read("cuando empieza la reunion", "es").kind == "when"
