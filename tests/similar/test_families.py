"""Words of one stem that are not one word, and what else the last round of look-alikes tells apart.

A class a block, in each language that has it, and beside it what is put otherwise and must not be objected to.
"""

from __future__ import annotations

import pytest

from appliance.similar.families import other_word
from appliance.similar.guards import objections
from appliance.similar.reading import read

# guard that must be among those that object, language, two texts.
DIFFERENT = {
    "a silent e": """
spelling | en | How do I stop hoping? | How do I stop hopping?
spelling | en | How do I scrape a boat? | How do I scrap a boat?
spelling | en | How do I file a form? | How do I fill a form?
spelling | en | How do I pin a pine? | How do I pin a pin?
spelling | en | Who planned the barn? | Who planed the barn?
""",
    "forms of one stem": """
spelling | en | What is a breath? | How do I breathe?
spelling | en | Where are glasses made? | Where is glass made?
spelling | en | What are the customs of Nepal? | What is the custom of Nepal?
spelling | en | What is tort law? | What is torte law?
spelling | de | Wie entferne ich Reif? | Wie entferne ich Reifen?
spelling | de | Was kostet ein Fall? | Was kostet eine Falle?
spelling | fr | Où sont les toilettes ? | Où est la toilette ?
spelling | fr | Où trouver le médecin ? | Où trouver la médecine ?
spelling | fr | Comment nettoyer le port ? | Comment nettoyer la porte ?
spelling | es | ¿Cómo se cura un hombre? | ¿Cómo se cura un hombro?
spelling | it | Come curo l'occhio? | Come curo l'occhiale?
spelling | it | Quanto costa il collo? | Quanto costa la colla?
""",
    "all of which time": """
quantifier | en | Why does my hen cackle all day? | Why does my hen cackle all night?
quantifier | en | Can I run the fan the whole week? | Can I run the fan the whole night?
quantifier | de | Warum gackert mein Huhn den ganzen Tag? | Warum gackert mein Huhn den ganzen Abend?
quantifier | es | ¿Por qué cacarea toda la noche? | ¿Por qué cacarea toda la tarde?
quantifier | it | Perché canta tutta la notte? | Perché canta tutta la mattina?
""",
    "an article that says which of two things": """
sibling | de | Wo kaufe ich den Leiter? | Wo kaufe ich die Leiter?
sibling | de | Was ist das Steuer? | Was ist die Steuer?
sibling | fr | Comment faire un mousse ? | Comment faire une mousse ?
sibling | it | Che cos'è il fine? | Che cos'è la fine?
""",
    "who does it in a passive": """
roles | en | Who invited the queen? | Who was invited by the queen?
roles | en | Who adopted Caesar? | Who was adopted by Caesar?
roles | en | Who taught Aristotle? | Who was taught by Aristotle?
roles | fr | Qui a invité la reine ? | Qui a été invité par la reine ?
roles | fr | J'ai été renversé par un cycliste, qui paie ? | J'ai renversé un cycliste, qui paie ?
roles | es | ¿Quién invitó a la reina? | ¿Quién fue invitado por la reina?
roles | it | Chi ha invitato la regina? | Chi è stato invitato dalla regina?
""",
    "got and gave": """
substituted | en | I got an offer for a house, what next? | I made an offer for a house, what next?
substituted | en | I got a parking ticket, can I appeal? | I gave a parking ticket, can I appeal?
""",
    "the end of an expression": """
particle | en | What does put up mean? | What does put up with mean?
particle | en | What is the meaning of put up? | What is the meaning of put up with?
particle | en | What does look down on mean? | What does look down mean?
""",
    "whichever was stored": """
direction | en | How do I sit on a desk properly? | How do I sit at a desk properly?
""",
}
SAME = """
en | How do I plan a barn? | How can I plan a barn?
en | How do I fill in a form? | How can I fill in a form?
en | How do I clean a wine glass? | How can I clean a wine glass?
en | Why does my hen cackle all day? | Why does my hen cackle the whole day?
en | Who was hired by the firm? | Who did the firm hire?
en | When was the castle built by the king? | When did the king build the castle?
en | What does put up with mean? | what does put up with mean exactly
en | Which planes land in Bergen? | Which plane lands in Bergen?
de | Wie lehnt man die Leiter an? | Wie lehne ich die Leiter an?
de | Wie lagert man Reifen? | Wie lagert man die Reifen?
fr | Comment faire une mousse ? | Comment faire une mousse ?
es | ¿Cómo se planta un cerezo? | ¿Cómo se puede plantar un cerezo?
it | Quanto costa la colla? | Quanto costano le colle?
"""


def rows(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(
    ("guard", "language", "one", "other"), [row for table in DIFFERENT.values() for row in rows(table)]
)
def test_a_guard_objects_whichever_was_stored(guard: str, language: str, one: str, other: str) -> None:
    first, second = read(one, language), read(other, language)
    found = objections(first, second)
    assert guard in found
    assert found == objections(second, first)


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_nothing_objects_to_the_same_put_otherwise(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()


@pytest.mark.parametrize(("one", "other"), [("hop", "hope"), ("filling", "filed"), ("staring", "starred")])
def test_a_silent_e_makes_another_word(one: str, other: str) -> None:
    assert other_word(one, other, "en") and other_word(other, one, "en")
    assert not other_word(one, other, "de")


@pytest.mark.parametrize(("one", "other"), [("hope", "hoping"), ("fill", "filled"), ("run", "runing"), ("hop", "hop")])
def test_forms_of_one_word_are_one(one: str, other: str) -> None:
    assert not other_word(one, other, "en")
