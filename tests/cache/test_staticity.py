"""How long an answer lives, by the words of its question, in five languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cache.staticity import STATICITIES, TTL_S, staticity, ttl_s

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


def test_the_rest_lives_a_week() -> None:
    assert staticity(SLOW, "en") == "slow"


@given(st.text(), st.sampled_from([*LANGUAGES, "", "ja", "xx"]), st.floats(0, 1e9))
def test_every_text_has_a_class_and_lives_no_longer_than_the_host_allows(text: str, language: str, most: float) -> None:
    of = staticity(text, language)
    assert of in STATICITIES
    assert 0.0 <= ttl_s(of, most) <= min(most, TTL_S[of])
    assert ttl_s("never", most) == 0.0


@given(st.sampled_from([text for several in NEVER.values() for text in several]), st.text(max_size=20))
def test_no_addition_makes_an_unknown_language_live_longer(text: str, more: str) -> None:
    assert staticity(f"{text} {more}", "") == "never"
