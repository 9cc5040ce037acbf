"""The one text format, `<BOS> <genre> prompt ... <EOS>`, for training and inference alike.

Here a request becomes tokens and the model's raw completion becomes the text people read. Knows
no weights and no sampling, and imports no model library: a front end cleans text without torch.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from model.genres import DEFAULT_GENRES, GenreTable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BOS, EOS, PAD = "<BOS>", "<EOS>", "<PAD>"
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“”", "«": "»", "「": "」"}
"""What opens a quotation, and what may close it."""


def opening(
    genre: str, title: str | None, prompt: str | None, *, table: GenreTable = DEFAULT_GENRES
) -> str:
    """The first words of a story, which members see and the completion goes on from.

    A title alone gives `"Title" is a horror film about`; neither gives "". Raises UnknownGenre.
    """
    row = table.get(genre)
    name = without_quotes(" ".join((title or "").split())).replace('"', "'")
    words = (prompt or "").strip()
    return table.opening(row, name, words) if name else words


def without_quotes(title: str) -> str:
    """A title without the pair of quotes around it; quotes that are part of it stay."""
    begin, inside, end = title[:1], title[1:-1], title[-1:]
    around = len(title) > 1 and end in _QUOTES.get(begin, ())
    # "Run" and "Hide" begins with one pair and ends with another.
    return title if not around or begin in inside or end in inside else inside.strip()


def training_text(genre: str, story: str, *, table: GenreTable = DEFAULT_GENRES) -> str:
    """One story as a line of the seed's training file. Raises UnknownGenre."""
    return f"{BOS} {table.get(genre).token} {' '.join(story.split())} {EOS}"


class PromptFormat:
    """How one tokenizer writes the format. Built once for a model; building takes up to a second.

    Control tokens are placed by us and by nobody else: text is encoded by a copy of the tokenizer
    that has no added tokens, so `<EOS>` or `<|im_end|>` typed by a member stays text.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, table: GenreTable = DEFAULT_GENRES
    ) -> None:
        self.table = table
        self._added: dict[str, int] = tokenizer.get_added_vocab()
        self._plain = _plain_encoder(tokenizer)
        self.control_ids = control_token_ids(tokenizer, table)
        """Tokens that end a story and are never shown."""
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        adds_bos = bos is not None and list(tokenizer("")["input_ids"])[:1] == [bos]
        self._eos = self._added.get(EOS, eos)
        self._bos_with_token = _ids(self._added.get(BOS, bos))
        self._bos_with_lead_in = _ids(bos if adds_bos else None)
        # What a completion of nothing at all begins from, where a table's lead-in is empty.
        self._start = _ids(eos if bos is None else bos)

    @property
    def has_genre_tokens(self) -> bool:
        """Whether every genre of the table has its control token in this tokenizer."""
        return all(genre.token in self._added for genre in self.table)

    def encode(self, genre: str, prompt: str, max_tokens: int | None = None) -> list[int]:
        """Token ids of a prompt for `genre`.

        BOS, the genre's token and the text, or, where this tokenizer has no token for the genre,
        its plain-text lead-in and the text. Longer than `max_tokens`, the text loses words on its
        left, nearest the beginning. Raises UnknownGenre, and ValueError where not even the genre
        fits.
        """
        row, text = self.table.get(genre), prompt.strip()
        token = self._added.get(row.token)
        head = self._bos_with_lead_in if token is None else [*self._bos_with_token, token]
        lead_in = self.table.lead_in(row) if token is None else ""
        while True:
            ids = head + self.encode_text((lead_in + text).rstrip(" "))
            if max_tokens is None or len(ids) <= max_tokens:
                return ids or self._start
            if not text:
                raise ValueError(f"{max_tokens} tokens leave no room for the genre {row.name}")
            text = _drop_left(text, (len(ids) - max_tokens) / len(ids))

    def encode_story(self, genre: str, story: str) -> list[int]:
        """Token ids of a whole story to train on, ending in the end token."""
        return self.encode(genre, story) + _ids(self._eos)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain text, never a control token; decoding them gives `text` back."""
        ids = self._plain(text)
        if self.control_ids.isdisjoint(ids):
            return ids
        # A tokenizer may hold a control token among its ordinary words too: spell the text out.
        return [i for letter in text for i in self._plain(letter)]


def control_token_ids(
    tokenizer: PreTrainedTokenizerBase, table: GenreTable = DEFAULT_GENRES
) -> frozenset[int]:
    """Ids of every token that is not text: special and chat tokens, BOS, EOS, PAD and genres.

    Added tokens that are text, such as GPT-NeoX's runs of spaces, are not among them.
    """
    ours = {BOS, EOS, PAD, *(genre.token for genre in table)}
    special = set(tokenizer.all_special_ids)
    for index, token in tokenizer.added_tokens_decoder.items():
        if token.special or token.content in ours or _STRAY.fullmatch(token.content):
            special.add(index)
    return frozenset(special)


def _plain_encoder(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], list[int]]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:  # a tokenizer written in Python
        return lambda text: [
            index
            for piece in tokenizer.tokenize(text, split_special_tokens=True)
            if isinstance(index := tokenizer.convert_tokens_to_ids(piece), int)
        ]
    recipe = json.loads(backend.to_str())
    recipe |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    plain = type(backend).from_str(json.dumps(recipe))
    return lambda text: list(plain.encode(text, add_special_tokens=False).ids)


def _ids(token: int | None) -> list[int]:
    return [] if token is None else [token]


def _drop_left(text: str, share: float) -> str:
    """`text` without (at least) its first `share` of characters, starting at a whole word."""
    kept = text[max(1, int(len(text) * share)) :]
    _, space, words = kept.partition(" ")
    return words if space else kept


# --- The completion as people read it -------------------------------------------------------------

_STRAY_NAMES = (BOS, EOS, PAD, "<UNK>", "<s>", "</s>")
_STRAY = re.compile(r"<\|[^<>|\n]{1,40}\|>|" + "|".join(_STRAY_NAMES), re.IGNORECASE)
_CITATION = re.compile(r" ?\[(?:\d{1,3}|note \d{1,2}|citation needed)\]", re.IGNORECASE)
_BEGUN = re.compile(r"<\|[^<>|\n]{0,40}\|?|\[\d{0,3}|\[note \d{0,2}", re.IGNORECASE)
_LONGEST_DEBRIS = 48  # characters: a chat token's 44 is the most the patterns above can match

_SENTENCE_END = re.compile(
    r"""[.!?…]+ ["'”’»)\]*_]* (?=\s|\Z)   # a stop, what closes with it, and then a gap
      | [。！？]+ [」』”’）)】]*            # needs no gap where the script has none""",
    re.VERBOSE,
)
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        "mr mrs ms mx dr prof st sr jr rev hon fr gen col maj capt cmdr lt sgt cpl pvt gov sen rep "
        "pres supt insp messrs mme mlle vs inc ltd co corp dept vol fig mt ave blvd approx cf",
    )
)
_INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]|[A-HJ-Z]")  # U.S., a.m., J.; but "It was I."


def clean_story(
    opening: str, completion: str, *, final: bool, table: GenreTable = DEFAULT_GENRES
) -> str:
    """`StoryText` of a completion that is there at once."""
    story = StoryText(opening, table)
    story.add(completion)
    return story.whole() if final else story.so_far()


class StoryText:
    """The story members see, as it grows: the opening, then what is added, less its debris.

    Debris is citation marks, stray tokens, control characters and runs of blank lines. It goes as
    its last letter comes, so what is kept never contains any: cleaning clean text changes nothing.
    And what is kept is settled up to where debris may have begun, since a removal takes away only
    letters that had been such a beginning ever since they came.
    """

    def __init__(self, opening: str = "", table: GenreTable = DEFAULT_GENRES) -> None:
        tokens = tuple(genre.token for genre in table)
        self._opening = opening
        self._before = opening[-2:] or "\n\n"
        self._letters: list[str] = []
        self._debris = _debris_of(tokens)
        self._names = tuple(
            name.casefold() for name in (*tokens, *_STRAY_NAMES, "[citation needed]", "[note ")
        )

    def add(self, text: str) -> None:
        """The next piece of the raw completion."""
        for letter in text:
            self._add(letter)

    def so_far(self) -> str:
        """While the story grows: without a tail that may turn out to be debris, so what was shown
        stays."""
        return self._opening + self._settled("".join(self._letters))

    def whole(self) -> str:
        """At the end: up to the last whole sentence, or, where there is none, the last whole word
        and "…"."""
        opening = self._opening
        body = self._settled("".join(self._letters))
        while True:
            trimmed = _whole_sentences(opening + body, len(opening))
            body = self._settled(trimmed[len(opening) :])
            if opening + body == trimmed:  # else the cut laid bare what looks like begun debris
                return trimmed

    def _add(self, letter: str) -> None:
        letter = _plain_letter(letter)
        if letter == "\n" and self._letters[-1:] == [" "]:
            self._letters.pop()
        if letter == "\n" and self._tail(2) == "\n\n":
            return
        if letter == " " and self._tail(1) in (" ", "\n"):
            return
        self._letters.extend(letter)
        if letter and letter in "]>" and (found := self._debris.search(self._tail())):
            del self._letters[len(self._letters) - len(found.group()) :]

    def _settled(self, text: str) -> str:
        """`text` up to where debris may have begun."""
        text = text.rstrip()
        while (start := self._debris_begun(text)) is not None:
            text = text[:start].rstrip()
        return text

    def _tail(self, length: int = 0) -> str:
        """The last letters; a short tail reaches back into the opening."""
        if not length:
            return "".join(self._letters[-_LONGEST_DEBRIS:])
        return (self._before + "".join(self._letters[-length:]))[-length:]

    def _debris_begun(self, text: str) -> int | None:
        for start in range(max(0, len(text) - _LONGEST_DEBRIS), len(text)):
            if text[start] not in "[<":
                continue
            rest = text[start:]
            named = any(name.startswith(rest.casefold()) for name in self._names)
            if named or _BEGUN.fullmatch(rest):
                return start
        return None


@cache
def _debris_of(genre_tokens: tuple[str, ...]) -> re.Pattern[str]:
    genres = "|".join(map(re.escape, genre_tokens))
    return re.compile(rf"(?:{_CITATION.pattern}|{_STRAY.pattern}|{genres})\Z", re.IGNORECASE)


def _plain_letter(letter: str) -> str:
    """`letter`, a plain space for other white space, or "" for what nobody can read."""
    if letter == "\n" or (" " <= letter <= "~"):
        return letter
    if letter == "\r":
        return ""
    if letter.isspace():
        return " "
    joins = letter in "\u200c\u200d"  # they shape Persian words and emoji
    unreadable = unicodedata.category(letter)[0] == "C" or letter == "\ufffd"
    return "" if unreadable and not joins else letter


def _whole_sentences(story: str, n_opening: int) -> str:
    """`story` up to its last whole sentence that ends after the first `n_opening` letters."""
    if len(story) == n_opening:
        return story
    ends = [m.end() for m in _SENTENCE_END.finditer(story) if _ends_sentence(story, m)]
    if ends and ends[-1] > n_opening:
        # A stop that only closes the opening would cut off all that the completion has to say.
        only_closes = not _has_words(story[n_opening : ends[-1]])
        if not (only_closes and _has_words(story[ends[-1] :])):
            return story[: ends[-1]]
    completion = story[n_opening:]
    if space := re.search(r"\s\S*\Z", completion):  # the last word may be half a word
        completion = completion[: space.start()]
    return story[:n_opening] + completion.rstrip(' \n,;:-–—([{"“‘') + "…"


def _has_words(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _ends_sentence(story: str, stop: re.Match[str]) -> bool:
    mark, rest = stop.group(), story[stop.end() :].lstrip()
    if mark == ".":
        line = story[: stop.start()].rpartition("\n")[2]
        word = (re.findall(r"[\w.]+\Z", line) or [""])[0]
        listed = line.strip().isdigit()  # "1." begins a line of a list
        return not (listed or word.lower() in _ABBREVIATIONS or _INITIALS.fullmatch(word))
    # "Run!" she cried; he waited... and waited: a small letter goes on with the sentence.
    return not rest[:1].islower()
