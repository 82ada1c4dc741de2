"""Questions that are alike but for a hair: who does what, what is free of what, capitals of units, which of many."""

from __future__ import annotations

import pytest

from appliance.similar.guards import objections
from appliance.similar.lexicon import lexicon
from appliance.similar.reading import read

# guard that must be among those that object, two texts.
DIFFERENT = """
order | Do men earn more than women? | Do women earn more than men?
order | Why do women trust men? | Why do men trust women?
order | Do people need animals? | Do animals need people?
order | Do leaves feed roots? | Do roots feed leaves?
order | Do children like spinach more than adults do? | Do adults like spinach more than children do?
order | Does smoking cause drinking? | Does drinking cause smoking?
order | How does sleeping affect walking? | How does walking affect sleeping?
order | What is a nursing home? | What is a home nursing?
negation | Can I get dairy-free pancakes in Kenya? | Can I get dairy pancakes in Kenya?
negation | What is tax free shopping? | What is tax shopping?
quantifier | Do all countries but Portugal use the euro? | Do all countries and Portugal use the euro?
quantifier | Which countries besides Sweden use the euro? | Which countries near Sweden use the euro?
quantifier | Why do some men dislike shopping? | Why do men dislike some shopping?
quantifier | Do most dogs like cats? | Do dogs like most cats?
quantifier | Why do I sweat so much? | Why do I sweat?
time | Can I renew my licence? | Can I renew my licence in advance?
direction | What changes for an hour? | What changes in an hour?
entity | How big is Washington? | How big is Washington state?
entity | What is the weather like in Saxony? | What is the weather like in Lower Saxony?
entity | How long is the Mississippi river? | How long is the Mississippi?
kind | What is a moon? | What is the moon?
kind | Who owns a church? | Who owns the church?
spelling | How much is 10 MB? | How much is 10 Mb?
spelling | Is 3 mW a lot? | Is 3 MW a lot?
spelling | Is 5 mg of it a lot? | Is 5 Mg of it a lot?
spelling | What is pH? | What is Ph?
spelling | Do I need slack for my job in Boston? | Do I need Slack for my job in Boston?
sign | What is the use of n? | What is the use of n!?
quantifier | My knee is mildly swollen, what helps? | My knee is very swollen, what helps?
opposed | How do I play just with my cousins? | How do I play justly with my cousins?
direction | Should I work with him? | Should I work for him?
direction | When did he shoot her? | When did he shoot at her?
direction | When did she shoot her? | When did she shoot at her?
direction | Should I wait for me? | Should I wait on me?
direction | Can I sing for my mother? | Can my mother sing for me?
direction | Who was the report about? | Who was the report by?
direction | How do I search a file? | How do I search for a file?
direction | How did she wait on the guests? | How did she wait for the guests?
direction | How do I save 10 percent? | How do I save to 10 percent?
roles | Who sent the letter? | Who was sent the letter?
quantifier | Did he promise not to speak? | Did he not promise to speak?
quantifier | Why should I rest and not sing? | Why should I sing and not rest?
quantifier | What happens if I sing but don't rest? | What happens if I rest but don't sing?
order | How did Nike beat Puma after Puma had copied Nike? | How did Puma beat Nike after Nike had copied Puma?
order | May I use dill and pepper, or garlic? | May I use dill, or pepper and garlic?
person | Did she sell her car? | Did she sell his car?
direction | Who pays for the match? | Who pays at the match?
direction | How do I prepare the exam? | How do I prepare for the exam?
quantifier | Do no dogs like cats? | Do dogs like no cats?
substituted | How do I make a call? | How do I take a call?
substituted | How do I use soap? | How do I make soap?
"""

ELSEWHERE = """
de | Hat er versprochen, nicht zu rauchen? | Hat er nicht versprochen zu rauchen?
fr | A-t-il promis de ne pas fumer ? | N'a-t-il pas promis de fumer ?
es | ¿Prometió no fumar? | ¿No prometió fumar?
it | Ha promesso di non fumare? | Non ha promesso di fumare?
"""

SAME = """
How do I learn coding and drawing? | How do I learn drawing and coding?
What is the ph of water? | What is the pH of water?
How much is 10 mb in Berlin? | How much is 10 MB in Berlin?
How much is 10 MB? | how much is 10 mb
Can I get gluten free noodles? | Can I get gluten-free noodles?
What are some good books? | What are some great books?
Which of the best books are some of the cheapest? | which of the best books are some of the cheapest
How do I cancel an order, thanks in advance | How do I cancel an order?
How do I cancel an order? Thank you so much! | How do I cancel an order?
Translate hello into French for me | Translate hello into French
How long does it usually take to bake bread? | Usually how long does it take to bake bread?
Why do dogs bark a lot? | Why do dogs bark so much?
What is an API? | What is API?
What is the Python language? | What is Python language?
Do all of my children need a passport? | Do my children all need a passport?
Why don't dogs bark at night? | Why do dogs not bark at night?
Isn't the soup hot? | Is the soup not hot?
What did she buy for him? | What did she buy for him
How do I find a job in Bergen? | How do I search for a job in Bergen?
Is the book read by men? | Do men read the book?
"""


def rows(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("guard", "one", "other"), rows(DIFFERENT))
def test_a_guard_objects_whichever_was_stored(guard: str, one: str, other: str) -> None:
    first, second = read(one, "en"), read(other, "en")
    assert guard in objections(first, second)
    assert objections(first, second) == objections(second, first)


@pytest.mark.parametrize(("language", "one", "other"), rows(ELSEWHERE))
def test_what_a_negation_stands_before_matters_in_each_language(language: str, one: str, other: str) -> None:
    assert "quantifier" in objections(read(one, language), read(other, language))


@pytest.mark.parametrize(("one", "other"), rows(SAME))
def test_nothing_objects_to_the_same_question(one: str, other: str) -> None:
    assert objections(read(one, "en"), read(other, "en")) == ()


@pytest.mark.parametrize("word", ["men", "women", "children", "teeth", "need", "feed", "seed", "hundred", "indeed"])
def test_a_plural_and_a_word_that_happens_to_end_like_a_past_are_no_participles(word: str) -> None:
    assert not lexicon("en").is_participle(word)


@pytest.mark.parametrize("word", ["agreed", "freed", "opened", "used", "broken", "fed", "led"])
def test_participles_are_still_known(word: str) -> None:
    assert lexicon("en").is_participle(word)
