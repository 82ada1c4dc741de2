"""What differs in writing, in one sentence or in one word that looks like a slip does not share an answer."""

from __future__ import annotations

import pytest

from appliance.similar.guards import objections
from appliance.similar.reading import read
from tests.similar.test_guards import rows

OFFICE = (
    "I am the administrator of a small office network with a file server, a mail server and a backup server that run "
    "on old hardware in the basement, and my colleagues use them every morning for invoices, spreadsheets and letters. "
)
# guard that must be among those that object ("": any), language, two texts; apart by a tab, as `|` is among the signs.
SIGNS = [
    ("What does [] mean in Python?", "What does {} mean in Python?"),
    ("What does _ mean in Python?", "What does | mean in Python?"),
    ("What does ! mean in bash scripts?", "What does ; mean in bash scripts?"),
    ("What does & do in a shell command?", "What does / do in a shell command?"),
    ("How do I match . in a regex?", "How do I match ? in a regex?"),
    ("How do I use ( in a regex?", "How do I use [ in a regex?"),
    ("What is a[1] in Python?", "What is a(1) in Python?"),
    ("What does ?. mean in JavaScript?", "What does !. mean in JavaScript?"),
    ("How do I write (a or b) and c in Python?", "How do I write a or (b and c) in Python?"),
    ("What is the difference between [] and {}?", "What is the difference between () and {}?"),
    ("What does {0} mean in a format string?", "What does [0] mean in a format string?"),
    ("How do I write ① in HTML?", "How do I write 1 in HTML?"),
    ("How do I type ß in Word?", "How do I type ss in Word?"),
    ("What does 'a' do in vim?", "What does 'i' do in vim?"),
    ("How do I type \u2014 in Word?", "How do I type - in Word?"),
    ("How do I open the account billing-a?", "How do I open the account billing-b?"),
]
DIFFERENT = """
substituted | en | What is nitrate used for? | What is nitrite used for?
substituted | en | What is ethanal used for? | What is ethanol used for?
substituted | en | What is prednisone used for? | What is prednisolone used for?
substituted | en | What is an alkane in chemistry? | What is an alkene in chemistry?
substituted | en | What is an isotope in chemistry? | What is an isotone in chemistry?
substituted | en | How do I delete customera? | How do I delete customerb?
substituted | en | How do I restart serverxa? | How do I restart serverxb?
substituted | en | How do I contact the department? | How do I contract the department?
substituted | en | What is a desert plant? | What is a dessert plant?
quote | en | What does "a" do in vim? | What does "i" do in vim?
entity | en | Who was Johann Schmidt? | Who was Johann Schmitt?
entity | en | Who was the painter Hans Müller? | Who was the painter Hans Möller?
entity | en | Where is the Zambian embassy located? | Where is the Gambian embassy located?
entity | en | What is the capital of the Congo Republic? | What is the capital of the Democratic Congo Republic?
spelling | en | What does IT do in a company? | What does it do in a company?
spelling | en | What are AIDS for learning? | What are aids for learning?
spelling | en | How do I Polish shoes at home? | How do I polish shoes at home?
 | en | Who was king George V of England? | Who was king George I of England?
spelling | de | Wie kann ich Stimmen zählen? | Wie kann ich Stimmen zahlen?
spelling | de | Wie kann ich einen Text drucken? | Wie kann ich einen Text drücken?
spelling | de | Was ist mit schon gemeint? | Was ist mit schön gemeint?
spelling | de | Was kann mein Bruder? | Was kann mein Brüder?
spelling | fr | Où est le pêcheur ? | Où est le pécheur ?
spelling | es | ¿Cuántos años tiene un bebé? | ¿Cuántos anos tiene un bebé?
script | en | How can I see why a request was routed? | How can I see why a request was n\u043et routed?
script | en | How do I reset the password? | How do I reset the p\u0430ssword?
script | en | How do I reset the password? | How do I reset the pass\x08word?
negation | en | How do I install Debian with a monitor? | How do I install Debian w/o a monitor?
negation | en | How do I reset the server? | How do I reset the server nicht?
negation | en | How do I reset the server? | How do I pas reset the server?
negation | de | Wie setze ich den Server zurück? | Wie setze ich den Server pas zurück?
number | en | Who was agent 007 in the book? | Who was agent 7 in the book?
number | en | What does error 0001 mean in Windows? | What does error 1 mean in Windows?
sentence | en | How do I reset a server? | How do I reset a server? Summarise all that.
sentence | en | How do I reset a server? | How do I reset a server? Antworte mit nein.
format | en | How do I reset a server? | How do I reset a server in detail?
format | en | How do I reset a server? | How do I reset a server, with an example?
format | de | Wie starte ich einen Server? | Wie starte ich einen Server, mit einem Beispiel?
kind | en | How can I see why a request was routed? | How can I see when a request was routed?
kind | en | How do I find out where Mozart died? | How do I find out when Mozart died?
kind | en | How do I find out who deleted a file? | How do I find out when a file was deleted?
kind | de | Wie finde ich heraus, wann ein Prozess startet? | Wie finde ich heraus, wo ein Prozess startet?
kind | fr | Comment savoir quand un processus démarre ? | Comment savoir où un processus démarre ?
kind | es | ¿Cómo sé cuándo empieza un proceso? | ¿Cómo sé dónde empieza un proceso?
kind | it | Come faccio a sapere quando parte un processo? | Come faccio a sapere dove parte un processo?
 | en | What is the mean of a distribution? | What is the definition of a distribution?
 | en | What is a pupil made of? | What is a student made of?
 | en | How is gas made in industry? | How is petrol made in industry?
 | en | What is the capital of New York? | What is the capital of NYC?
 | en | What is the population of Great Britain? | What is the population of the United Kingdom?
 | en | How do I treat a burn at home? | How do I cure a burn at home?
 | en | How do I remove a container? | How do I remove all containers?
"""
SAME = """
en | How do I reset a server? | how do i reset a server
en | How do I reset a server? | HOW DO I RESET A SERVER?
en | How do I reset a server? | Hello! How do I reset a server? Thanks!
en | How do I reset a server? | How do I reset a server? Best regards
en | How do I delete the configuration? | How do I delete the configuraton?
en | How do I use and/or in a contract? | how do I use and/or in a contract
en | Who was king George V of England? | who was king george v of england
en | What are volcanoes? | Explain what a volcano is
de | Wie fuege ich eine Tabelle ein? | Wie füge ich eine Tabelle ein?
de | Was ist ein Schloss mit Schlüssel? | Was ist ein Schloß mit Schlüssel?
fr | Où est le pêcheur ? | ou est le pecheur ?
fr | Merci de m'aider : où est la gare ? | Où est la gare ?
es | ¿Cuántos años tiene un bebé? | cuantos anos tiene un bebe
"""


@pytest.mark.parametrize(("one", "other"), SIGNS)
def test_signs_are_compared_in_order_with_what_they_are_attached_to(one: str, other: str) -> None:
    assert "sign" in objections(read(one, "en"), read(other, "en"))


@pytest.mark.parametrize(("guard", "language", "one", "other"), rows(DIFFERENT))
def test_what_differs_in_writing_or_in_one_word_objects(guard: str, language: str, one: str, other: str) -> None:
    found = objections(read(one, language), read(other, language))
    assert guard in found if guard else found


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_the_same_in_other_writing_does_not(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I encrypt the nightly backups?", "How do I encrypt the weekly backups?"),
        ("How do I configure the nightly backups?", "How do I configure the encrypted nightly backups?"),
        ("How do I configure the nightly backups?", "How do I configure the nightly restores?"),
        ("How do I configure the backups?", "Where do I configure the backups?"),
        ("Where do they print?", "What do they print?"),
        ("How do I configure the backups?", "How do I configure the backups? Translate all that."),
    ],
)
def test_a_long_text_before_it_does_not_hide_another_question(one: str, other: str) -> None:
    assert objections(read(OFFICE + one, "en"), read(OFFICE + other, "en"))
    assert objections(read(OFFICE + one, "en"), read(OFFICE + one.lower(), "en")) == ()
