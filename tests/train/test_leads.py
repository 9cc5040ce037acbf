"""The plot in a lead paragraph."""

from __future__ import annotations

import pytest

from train.leads import Lead, lead_plot

HEAD = "Night Call is a 1998 American drama film directed by Ann Ray and starring Tom Day. "


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            "The film follows a boy who finds a map of the drowned city.",
            "A boy finds a map of the drowned city.",
        ),
        (
            "It tells the story of two sisters who, after the war, return to their farm.",
            "Two sisters, after the war, return to their farm.",
        ),
        (
            "Set in 1930s Vienna, the story revolves around a clerk as he searches for his son.",
            "In 1930s Vienna, a clerk searches for his son.",
        ),
        (
            "The plot centers on Bryan Mills, a former spy who sets out to find his daughter.",
            "Bryan Mills, a former spy, sets out to find his daughter.",
        ),
        (
            "The film chronicles how two families fall out over a broken fence.",
            "Two families fall out over a broken fence.",
        ),
        (
            "The film is about a widow's attempt to save the last lighthouse.",
            "A widow tries to save the last lighthouse.",
        ),
        (
            "The film follows a young man accused of cowardice by his own regiment.",
            "A young man is accused of cowardice by his own regiment.",
        ),
    ],
)
def test_a_lead_becomes_a_storys_sentence(told: str, text: str) -> None:
    assert lead_plot(HEAD + told).text == text


def test_what_goes_on_telling_stays_and_the_making_goes() -> None:
    told = (
        "The film follows a cellist who loses his place in the city's orchestra. "
        "He finds work at a funeral home. The film premiered at Cannes. He is happy."
    )
    assert lead_plot(HEAD + told, ["Tom Day"]) == Lead(
        "A cellist loses his place in the city's orchestra. He finds work at a funeral home.",
        "a cellist who loses his place in the city's orchestra. He finds work at a funeral home.",
    )


def test_the_first_sentence_may_tell_it() -> None:
    lead = lead_plot(
        "Salt is a 1972 drama film directed by Ann Ray, about a fisherman who drops his nets and "
        "walks inland. It won three awards."
    )
    assert lead.text == "A fisherman drops his nets and walks inland."


@pytest.mark.parametrize(
    "told",
    [
        "It was released on May 30, 1950, by Paramount Pictures.",
        "The film follows the themes of love and loss in a small town by the sea.",
        "The film follows Tom Day as he plays a lonely clerk in the city of Vienna.",
        "It follows the relationship between a man and a dog who meet on a train.",
        "The story follows a boy who meets a ghost, a remake of the 1950 film of that name.",
        'The film follows a boy who says "never and runs away from home with his dog.',
        "The film is about crime.",
    ],
)
def test_what_cannot_open_a_story_is_left_out(told: str) -> None:
    assert lead_plot(HEAD + told, ["Tom Day"]) == Lead("", "")
