"""A short question's language is told, and a language that the guards do not know is never taken for one of theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.similar.question_language import KNOWN, question_language

TOLD = {
    "en": ("What is tea?", "How do I boil an egg?", "who wrote Hamlet", "Can a cat swim?", "Is it cold in Oslo?"),
    "de": ("Was ist Tee?", "Wie koche ich ein Ei?", "Wer schrieb Hamlet?", "Wann wurde Rom gegründet?"),
    "fr": ("Qu'est-ce que le thé ?", "Comment cuire un œuf ?", "Qui était Hamlet ?", "Quand faut-il partir ?"),
    "es": ("¿Qué es el té?", "¿Cómo se cuece un huevo?", "¿Quién escribió Hamlet?", "¿Dónde está el museo?"),
    "it": ("Che cos'è il tè?", "Come si cuoce un uovo?", "Chi ha scritto Amleto?", "Quanto dura il volo per Roma?"),
}
OTHERS = (
    *("Como posso mudar a minha senha?", "Qual é a capital de Portugal?", "O que é inflação?", "Como se faz o pão?"),
    *("Hoe kan ik mijn wachtwoord wijzigen?", "Wat is inflatie?", "Waar is het museum?", "Wie was Rembrandt?"),
    *("Com puc canviar la meva contrasenya?", "Què és la inflació?", "On és el museu?", "Quant costa un bitllet?"),
    *("Care este capitala României?", "Ce este inflația?", "Cum imi pot schimba parola?", "Unde este muzeul?"),
    *(
        "Vad är inflation?",
        "Hvad er inflation?",
        "Cal é a capital de Galicia?",
        "Co to jest inflacja?",
        "Was-wa?",
        "ok",
    ),
)


@pytest.mark.parametrize(("language", "text"), [(code, text) for code, texts in TOLD.items() for text in texts])
def test_a_short_question_is_told(language: str, text: str) -> None:
    assert question_language(text) == language


@pytest.mark.parametrize("text", OTHERS)
def test_another_language_is_unknown(text: str) -> None:
    assert question_language(text) == ""


@given(st.text(max_size=60))
def test_any_text_has_one_of_five_or_none(text: str) -> None:
    assert question_language(text) in {"", *KNOWN}
