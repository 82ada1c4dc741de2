"""How long an answer lives, by the words of its question, in five languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cache.staticity import TTL_S, staticity, ttl_s

LANGUAGES = ("en", "de", "fr", "es", "it")
NEVER = {
    "en": ("What is the weather in Oslo?", "Who plays tonight?", "Where is my order?", "What is 12 * 7?",
           "What’s today's date?", "I have 3 boxes of 12 eggs, how many eggs is that?", "Calculate the mean of these"),
    "de": ("Wie wird das Wetter?", "Was ist heute los?", "Wo ist meine Bestellung?", "Wie spät ist es in Rom?",
           "Was ergibt 12 mal 7?", "Wie viel kosten 3 Brote zu 4 Franken?", "Welche Termine habe ich diese Woche?"),
    "fr": ("Quel temps fait-il à Lyon ?", "Que se passe-t-il aujourd’hui ?", "Où est ma commande ?",
           "Combien font 3 fois 4 ?", "Quelle heure est-il ?", "Qui joue ce soir ?"),
    "es": ("¿Qué tiempo hace en Madrid?", "¿Qué hay hoy?", "¿Dónde está mi pedido?", "¿Cuánto es 3 por 4?",
           "¿Qué hora es?", "¿Quién juega esta noche?"),
    "it": ("Che tempo fa a Roma?", "Che cosa succede oggi?", "Dov'è il mio ordine?", "Quanto fa 3 per 4?",
           "Che ore sono?", "Chi gioca stasera?"),
}  # fmt: skip
FAST = {
    "en": ("How do I reset my password?", "What is the latest version?", "How can I cancel my order?", "Is it open?"),
    "de": ("Wie ändere ich meine Adresse?", "Was ist die neueste Version?", "Was kostet das Abo?"),
    "fr": ("Comment puis-je changer mon adresse ?", "Quelle est la dernière version ?", "Quel est le prix du lot ?"),
    "es": ("¿Cómo puedo cambiar mi dirección?", "¿Cuál es la última versión?", "¿Qué precio tiene?"),
    "it": ("Come posso cambiare il mio indirizzo?", "Qual è l'ultima versione?", "Che prezzo ha?"),
}
STATIC = {
    "en": "What does photosynthesis mean?",
    "de": "Was bedeutet Photosynthese?",
    "fr": "Que signifie la photosynthèse ?",
    "es": "¿Qué significa fotosíntesis?",
    "it": "Che cosa significa fotosintesi?",
}
# Look like the moment or like a sum, and are neither.
NEEDLESS = {
    "en": ("How many people live in Lisbon?", "Is it possible to live in Berlin without a car?",
           "Did Marie Curie ever live in Athens?", "What is a good credit score?", "How do I raise my exam score?",
           "Which weekday was 2019-01-12?", "Which laws changed on 9/03/1941?", "What caused the war of 1914-18?",
           "Is the hotline open 24/7?"),
    "de": ("Welcher Wochentag war der 12.01.2019?", "Was geschah am 9/3/1941?"),
    "fr": ("Que s'est-il passé le 14/07/1789 ?",),
    "es": ("Describe el clima de Viena", "¿Qué pasó el 9-3-1941?"),
    "it": ("Che cosa accadde il 25/04/1945?",),
}  # fmt: skip
SUMS = ("What is 2019-1-2?", "12/4", "144 / 12", "9-3", "1000-13-45", "What is 24/8?", "2019-01-12-3", "5*3/2", "50%")
MOMENTS = ("Is the match live?", "Where can I watch it live?", "live score of the match", "What is the score?",
           "What's the score of the game?", "¿Qué clima hace en Lima?")  # fmt: skip
STATES = {
    "en": ("What's the time in Tokyo?", "What is the time in Tokyo?", "Tell me the time in Tokyo please",
           "Is it raining in Bern?", "Do I have any unread emails?", "Am I an administrator of this system?",
           "Which groups am I a member of?", "Please tell me which groups I am a member of", "Is the VPN working?",
           "Is the server up?", "Is the mail server down?", "Who is on call in the office?", "Who is on call atm?",
           "How many users are logged in?", "Who is winning the election?"),
    "de": ("Bin ich ein Administrator hier?", "Habe ich ungelesene Nachrichten?", "Regnet es in Bern?",
           "Wie viel Uhr ist es in Tokio?", "Wer hat Dienst im Büro?"),
    "fr": ("Suis-je administrateur ?", "Ai-je des messages non lus ?", "Il pleut à Paris ?"),
    "es": ("¿Tengo mensajes sin leer?", "¿Soy administrador aquí?", "¿Llueve en Madrid?"),
    "it": ("Sono io l'amministratore?", "Ho messaggi non letti?", "Piove a Roma?"),
}  # fmt: skip
HIDDEN = ("What happened in the office last  week?", "What happened in the office last\u00a0week?",
          "Who is on duty to\u200bday?", "Who is here \uff54\uff4f\uff44\uff41\uff59?",
          "Who won the match this\nweek in Bern?", "Who is here to\u00adday?")  # fmt: skip
ANYBODY = ("How do I have a file deleted?", "How can I see whether I have an update?", "What does the time value do?",
           "How do I set up a server?", "What is the capital of Peru?", "What is a running mean?")  # fmt: skip
SLOW = "Which team has the largest stadium?"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_depends_on_the_moment_on_ones_own_state_or_on_numbers_is_never_kept(language: str) -> None:
    for text in NEVER[language]:
        assert staticity(text, language) == "never", text
        assert staticity(text, "") == "never", text
        assert staticity(text.upper(), language) == "never", text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_passes_lives_an_hour_and_what_lasts_a_month(language: str) -> None:
    for text in FAST[language]:
        assert staticity(text, language) == "fast", text
    assert staticity(STATIC[language], language) == "static"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_verb_an_exam_or_a_day_is_neither_the_moment_nor_a_sum(language: str) -> None:
    for text in NEEDLESS[language]:
        assert staticity(text, language) != "never", text


@pytest.mark.parametrize("text", [*SUMS, *MOMENTS])
def test_what_is_a_sum_or_the_moment_stays_never(text: str) -> None:
    assert staticity(text, "") == "never", text


def test_the_rest_lives_a_week() -> None:
    assert staticity(SLOW, "en") == "slow"


@given(st.text(), st.sampled_from([*LANGUAGES, "", "ja", "xx"]), st.floats(0, 1e9))
def test_every_text_has_a_class_and_lives_no_longer_than_the_host_allows(text: str, language: str, most: float) -> None:
    of = staticity(text, language)
    assert of in TTL_S
    assert 0.0 <= ttl_s(of, most) <= min(most, TTL_S[of])
    assert ttl_s("never", most) == 0.0


@given(st.sampled_from([text for several in NEVER.values() for text in several]), st.text(max_size=20))
def test_no_addition_makes_an_unknown_language_live_longer(text: str, more: str) -> None:
    assert staticity(f"{text} {more}", "") == "never"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_state_of_a_thing_or_of_who_asks_is_never_kept(language: str) -> None:
    for text in STATES[language]:
        assert staticity(text, language) == "never", text
        assert staticity(text, "") == "never", text


@pytest.mark.parametrize("text", HIDDEN)
def test_no_blank_and_no_sign_without_width_hides_a_word(text: str) -> None:
    assert staticity(text, "en") == "never"


@pytest.mark.parametrize("text", ANYBODY)
def test_a_way_of_doing_is_anybodys(text: str) -> None:
    assert staticity(text, "en") != "never"
