"""The plot in a film article's lead paragraph, which is mostly about the film's making.

"The film follows a boy who finds a map" becomes "A boy finds a map", and the sentences after it
stay while they tell on. Precision before recall: what cannot be turned into a sentence that opens
a story, or names the film's makers, is left out, and most leads give nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from train.cleaning import sentences, without_cast

_SUBJECT = (
    r"(?:(?:the|this|its)(?: (?!film|movie|story|plot)[\w-]+){0,2} )?"
    r"(?:film|movie|story|plot|picture|narrative|storyline|tale|it)"
    r"(?:'s (?:plot|story|storyline|narrative))?(?: itself| also| primarily| mainly| then)*"
)
_VERB = (
    r"(?:follows|chronicles|depicts|details|concerns|portrays|involves|recounts|is about|deals with"
    r"|(?:focus|focuss|center|centre)e?s (?:on|around|upon)|(?:is )?cent(?:e?red|res) (?:on|around)"
    r"|revolves around|tells (?:(?:the|a|an)(?: [\w-]+){0,2} (?:story|tale) )?(?:of|about)"
    r"|is (?:the|a)(?: [\w-]+){0,2} (?:story|tale) (?:of|about)"
    r"|tells (?:the|a) (?:story|tale) (?:of|about))"
)
_TOLD = re.compile(
    rf"^(?P<when>(?:Set|Taking place|Beginning) (?P<set>(?:in|on|at|during|before|after|against|"
    rf"around|amid|within|near|throughout)\b[^.]{{3,80}}?), |"
    r"(?:Starring|Based|Loosely|Inspired|Adapted|Filmed|Directed|Produced|Written|Made)\b"
    rf"[^.]{{3,160}}?, )?{_SUBJECT} {_VERB} (?P<what>.+)$",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"\b(?:film|movie|drama|thriller|comedy|story)\b.*?[ ,]about (?P<what>.+)$")
_AND_FOLLOWS = re.compile(
    rf"\b(?:film|movie|drama|thriller|story)\b.*?(?:,| and|, and|, which| which| that) {_VERB} "
    r"(?P<what>.+)$"
)
_IN_WHICH = re.compile(
    r"\b(?:film|movie|drama|thriller|comedy|story)\b.*?,? in which (?P<what>.+)$"
)
_STARS_AS = re.compile(
    r"\b(?:stars?|starring|plays|portrays|features|featuring|appears)\b[^;]*?\bas "
    r"(?P<what>(?:an?|the|two|three|[A-Z])\b.+)$"
)
_PLAYS = re.compile(r"\b(?:plays|portrays) (?P<what>(?:an?|[A-Z])\b.+)$")

_MAKING = re.compile(
    r"""\b(?:films?|movies?|cinema|direct(?:or|ed|ing|orial)|starr(?:ing|ed)|stars|co-?stars?
        |novels?|novelist|novella|adapt(?:ed|ation|s)|cast|roles?|played|plays|screen|produce[drs]
        |production|screenplay|script|sequels?|prequel|releases?d?|premier(?:e|ed|es)|critics?
        |critically|critical\ (?:acclaim|response|reception)|reviews?|awards?|nominat\w+|franchise
        |series(?!\ of)|trilogy|installment|remake|(?:television|TV)\ (?:film|movie|series)
        |soundtrack|scored?|distribut\w+|shot\ (?:in|on|at|entirely)|filmed|titled?|titular
        |written|inspired|(?<!-)based|reprises?|portray\w*|audiences?|debut|theatrical(?:ly)?
        |festival|version|Oscar|grossed|budget|featur\w+|box[ -]office|characters?|protagonist
        |narrat(?:or|ed|es)|genre|the\ plot|storyline|themes?|episodes?|subplot|vignettes|Universal
        |Paramount|MGM|Disney|Netflix|documentary|true\ story|real-life|eponymous|namesake|filming
        |allegor\w+|metaphor|explor\w+|examin\w+|commentary|satir\w+|loosely|erotic|same\ name
        |the\ book|the\ (?:stage\ )?play|essay)\b
      | \((?:[^()]*\d{4}|[^()]*\bas\b|[^()]*voice)[^()]*\)
      | \ as\ [A-Z][\w.]+(?:\ [A-Z][\w.]+)?(?:,|\ and\ [A-Z]|\.)""",
    re.VERBOSE,
)
_GOES_ON = re.compile(
    r"^(?:He|She|They|When|After|But|However|As|While|Soon|Together|Meanwhile|During|Upon|Once"
    r"|Before|Unable|Desperate|Now|Eventually|Later|Years|His|Her|Their|In the process|Forced"
    r"|Along the way|With (?:his|her|their|the)|Although|Though|Despite|Because|Instead|Unknown"
    r"|Following|Unbeknownst|To (?:his|her|their|make|escape|save|get|stop)"
    r"|The (?:two|three|four|pair|group|couple|trio|friends|family|boys?|girls?|men|women))\b"
)
_IN_THE_FILM = re.compile(r"^In the (?:film|movie|story), ", re.IGNORECASE)

_START = re.compile(
    r"(?:(?:an?|the|two|three|four|five|six|several|some)\b|(?:[a-z-]+ ){0,3}[A-Z])"
)
_VERB_FORM = r"(?:is|are|must|can|cannot|has|have|does|do|will|\w{2,}[^s\W]s)\b"
_WHO = re.compile(
    rf"^(?P<who>[^;:()]{{2,110}}?)(?P<comma>,?) (?:who|that(?= {_VERB_FORM}))(?P<aside>,?)"
    r" (?P<does>.+)$"
)
_AS_THEY = re.compile(r"^(?P<who>[^;:()]{2,90}?),? as (?:he|she|they|it) (?P<does>.+)$")
_ATTEMPT = re.compile(
    r"^(?P<who>.{2,60}?)['’]s (?:[\w-]+ )?(?:attempts?|efforts?|struggles?|quest|fight|mission"
    r"|plans?|plot) to (?P<does>.+)$"
)
_NO_HEAD = re.compile(
    r"\b(?:relationships?|friendship|romance|affair|lives|life|story|stories|tale|rise|fall|death"
    r"|adventures?|exploits|events|aftermath|experiences?|efforts?|attempts?|struggles?|quest"
    r"|between|how|what|whether|whose|whom|which|is|are|was|were|has|have|becomes?|murder"
    r"|effects?|consequences|conflict|search|hunt|journey|years|days|career|childhood|trial|investigations?|series"
    r"|to|by|as|when|after|while)\b|['’]s? "
)
_VERBLESS = re.compile(r"^(?:could|would|should|had|later|was|were)\b|^\w+ing\b|^(?:of|and|or)\b")
_LOOSE_END = re.compile(r"\band (?:his|her|their|its|the) (?:[\w-]+ ){0,4}(?:to|with|of|by|as)\b")
_APPOSITION = re.compile(r", (?:an?|the|his|her|their|its|one|two|aged|nicknamed|[A-Z])\b")
_PARTICIPLE = re.compile(
    r"^(?P<who>an? (?!group|pair|couple|series|look)[^;:(),]{2,60}?) "
    r"(?P<does>(?!named|called|during|based|nicknamed|titled|including|involving|following|being|having|regarding|concerning)"
    r"(?:[a-z]{3,}ing|[a-z]{2,}ed) (?:an?|the|his|her|their|to|in|on|for|with|from|at|into|by|up"
    r"|off|against|through|of|as|out)\b.+)$"
)
_SHORTEST = 8  # words a told sentence has at least


@dataclass(frozen=True, slots=True)
class Lead:
    """What a lead paragraph tells of the story."""

    text: str
    """Whole sentences; "" where it tells nothing."""
    about: str
    """The same, to go on from `"Title" is a drama film about`; "" where it has no such form."""


def lead_plot(text: str, cast: Iterable[str] = ()) -> Lead:
    """The plot in a tidy lead paragraph; `cast` are the film's actors."""
    names = tuple(cast)
    parts = [without_cast(part, names) for part in sentences(text)]
    for number, part in enumerate(parts):
        if (told := _told(part, names)) is not None:
            more = _going_on(parts[number + 1 :], names)
            what, sentence = told
            return Lead(" ".join([sentence, *more]), " ".join([what, *more]))
    return Lead("", "")


def _told(sentence: str, cast: tuple[str, ...]) -> tuple[str, str] | None:
    """What a sentence of the lead tells of: as it goes on from "about" ("" if it cannot), and as a
    sentence of its own."""
    if found := _TOLD.match(_IN_THE_FILM.sub("", sentence)):
        return _retold(found["what"], found["set"] or "", cast)
    for pattern in (_ABOUT, _AND_FOLLOWS, _STARS_AS, _PLAYS):
        if found := pattern.search(sentence):
            return _retold(found["what"], "", cast)
    if (found := _IN_WHICH.search(sentence)) and re.search(_VERB_FORM, found["what"]):
        clause = found["what"]
        return ("", _capital(clause)) if _is_story(clause, cast) else None
    return None


def _retold(what: str, setting: str, cast: tuple[str, ...]) -> tuple[str, str] | None:
    if not _is_story(what, cast) or _MAKING.search(setting):
        return None
    clause = what.removeprefix("how ") if what.startswith("how ") else _clause(what)
    if clause is None:
        return None
    return what, _capital(f"{setting}, {clause}" if setting else clause)


def _clause(what: str) -> str | None:
    """ "a man who waits" as "a man waits"; None where it cannot be said so."""
    if found := _ATTEMPT.match(what):
        return None if _NO_HEAD.search(found["who"]) else f"{found['who']} tries to {found['does']}"
    if not (found := _WHO.match(what) or _AS_THEY.match(what)):
        return _participle(what)
    who, does = found["who"], found["does"]
    if _NO_HEAD.search(who) or who.count(",") > 1 or _VERBLESS.match(does):
        return None
    if _LOOSE_END.search(does):
        return None
    comma = _APPOSITION.search(who) or found.groupdict().get("aside")
    return f"{who}{',' if comma else ''} {does}"


def _participle(what: str) -> str | None:
    """ "a man waiting for a train" as "a man is waiting for a train"."""
    found = _PARTICIPLE.match(what)
    if not found or _NO_HEAD.search(found["who"]) or _LOOSE_END.search(found["does"]):
        return None
    return f"{found['who']} is {found['does']}"


def _going_on(parts: list[str], cast: tuple[str, ...]) -> list[str]:
    """The sentences that go on telling, up to the first that does not."""
    more: list[str] = []
    for part in parts:
        text = _capital(_IN_THE_FILM.sub("", part))
        if not _GOES_ON.match(text) or not _is_story(text, cast, opens=False):
            break
        more.append(text)
    return more


def _is_story(text: str, cast: tuple[str, ...], *, opens: bool = True) -> bool:
    if opens and not (_START.match(text.removeprefix("how ")) and len(text.split()) >= _SHORTEST):
        return False
    surnames = (name.split()[-1] for name in cast if name.split())
    if text.count('"') % 2 or text.count("(") != text.count(")"):
        return False
    return not _MAKING.search(text) and not any(name in text for name in surnames)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
