"""Text of a row to text of a story."""

from __future__ import annotations

import pytest

from train.cleaning import film_plot, flaw, is_english, sentences, tidy, without_cast


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("She leaves.[1][23] He stays [citation needed].", "She leaves. He stays."),
        ("He waits.[note 2][a]", "He waits."),
        ('They want "get [his] brother".', 'They want "get [his] brother".'),
        ("Plot: A boy runs.", "A boy runs."),
        ("The plot thickens: a boy runs.", "The plot thickens: a boy runs."),
        ("Tom &amp; Ann<br/>meet.", "Tom & Ann meet."),
        ("CafÃ© owner Zoë", "Café owner Zoë"),
        ("It isnâ€™t over.", "It isn’t over."),
        ("One\r\nTwo\u00a0\tthree", "One Two three"),
        ("zero\u200bwidth", "zerowidth"),
        ("[edit] He runs", "He runs"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
    ],
)
def test_tidy(text: str, clean: str) -> None:
    assert tidy(text) == clean
    assert tidy(clean) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Sid Plummer (Sid James) runs.", "Sid Plummer runs."),
        ("Ranjith (Arjun) waits, with Anna (Mary Astor).", "Ranjith waits, with Anna."),
        ("Gus (W.C. Fields) and Ho (Dr. Haing S. Ngor) meet.", "Gus and Ho meet."),
        ("His boss (played by Eric Campbell) sleeps.", "His boss sleeps."),
        ("Nelson (Nelson Eddy, uncredited) sings.", "Nelson sings."),
        ("The orphans (Ann Ray and Tom Day) flee.", "The orphans flee."),
        ("Michael Jordan (himself) plays.", "Michael Jordan plays."),
        ("A Kabane (カバネ) wakes.", "A Kabane wakes."),
        ("The DEA (Drug Enforcement unit) calls.", "The DEA (Drug Enforcement unit) calls."),
        ("Homeland Security (DHS) calls.", "Homeland Security (DHS) calls."),
        ("His wife (Rosa) calls.", "His wife (Rosa) calls."),
        ("His mother (Ann Lee) calls. Lee answers.", "His mother (Ann Lee) calls. Lee answers."),
        ("He leaves (never to return).", "He leaves (never to return)."),
        ("They see Blob (1958).", "They see Blob (1958)."),
    ],
)
def test_actors_in_brackets_go_and_other_brackets_stay(text: str, clean: str) -> None:
    assert without_cast(text) == clean


def test_a_known_cast_tells_actors_from_other_names() -> None:
    assert without_cast("The wife (Taliaferro) waits.", ["Mabel Taliaferro"]) == "The wife waits."
    assert without_cast("The wife (Anna) waits.", ["Mary Astor"]) == "The wife (Anna) waits."


@pytest.mark.parametrize(
    ("text", "plot"),
    [
        (
            "As described in a film magazine, old Gordon Rogers works. He rests.",
            "Old Gordon Rogers works. He rests.",
        ),
        (
            "The film's content is derived from three previously released shorts. A bear wakes.",
            "A bear wakes.",
        ),
        ("A bear wakes. The film was directed by Anthony Page.", "A bear wakes."),
        ("Rokto is a remake of the film Chandee.", ""),
        ("Param Dharam is an action film.", ""),
        ("A bear wakes. The script, written by", "A bear wakes."),
        ("A bear wakes. Soon the ...", "A bear wakes."),
        ("A bear wakes. It runs...", "A bear wakes. It runs..."),
        (
            "Gwen is a famous film star. She flees to a play directed by her uncle.",
            "Gwen is a famous film star. She flees to a play directed by her uncle.",
        ),
        (
            "As Steve learns to live in the modern world, he joins the team.",
            "As Steve learns to live in the modern world, he joins the team.",
        ),
    ],
)
def test_production_talk_at_the_ends_goes(text: str, plot: str) -> None:
    assert film_plot(text) == plot


def test_sentences_give_the_text_back() -> None:
    text = 'Dr. Ann J. Lee left. "Run!" he said. They ran... It was over? Yes.'
    assert sentences(text) == [
        "Dr. Ann J. Lee left.",
        '"Run!" he said.',
        "They ran...",
        "It was over?",
        "Yes.",
    ]
    assert " ".join(sentences(text)) == text
    assert sentences("") == []


def test_flaws() -> None:
    assert flaw("", 3) == "no story in it"
    assert flaw("Two words", 3) == "under 3 words"
    assert flaw("10 20 30 40 x 50", 3) == "mostly no letters"
    assert flaw("A bear wakes up", 3) is None


def test_english() -> None:
    assert is_english("A young woman returns to the village where her father was killed.")
    assert not is_english("Una joven regresa al pueblo donde mataron a su padre hace muchos años.")
    assert not is_english("Eine junge Frau kehrt in das Dorf zurück, wo ihr Vater starb.")
