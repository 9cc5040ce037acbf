"""Everything that can go wrong on purpose, in one tree.

CliffhangerError
├── MemberError               said to the member, in their words, through bot.texts
│   ├── BadInput              what they typed cannot be used
│   │   ├── UnknownGenre
│   │   ├── PromptTooLong / TitleTooLong
│   │   ├── NothingToRead     only whitespace or control characters
│   │   ├── NotANumber / NotAChoice / OutOfBounds / UnknownCommand
│   │   ├── BlockedWords / LineTooLong
│   │   ├── BadPattern / WordListTooLong
│   │   └── WrongCode
│   ├── NotPossible           well put, but not allowed or not there
│   │   ├── StoryNotFound / StoryHidden / NoStories
│   │   ├── OwnStory / OwnReport / AlreadyReported
│   │   ├── NotYours / NotManager / NotModerator / BlockedMember
│   │   ├── NotInThisChannel / AdultsOnly / OnlyInServers
│   │   ├── BotNeeds / NoRightThere
│   │   ├── OwnCode / PlatformTaken / NotLinked
│   │   └── NotFinished / AlreadyEnded / NothingToCancel
│   └── TryLater              would work at another time
│       ├── QueueFull
│       ├── TooManyPending / QuotaUsed / CoolingDown / TooManyTries
│       ├── ModelsTurn / OthersFirst / TooManyRounds / LinesUsed
│       ├── StoreBusy / NotPosted / ChangedMeanwhile
│       └── Stopping
└── OperatorError             said to whoever runs the bot; the text says what to do
    ├── SettingsError
    ├── DatabaseError
    ├── PlatformError         wrong token, address in use, conflicting process
    └── (the model's own: model.engine.EngineError)

A MemberError carries the key of its sentence in bot/locales and the values to fill in. Its own
str() is for logs only.
"""

from __future__ import annotations

from typing import ClassVar


class CliffhangerError(Exception):
    """Root of the tree."""


class OperatorError(CliffhangerError):
    """Something only whoever runs the bot can mend; the text says what and how."""


class SettingsError(OperatorError):
    """A setting is missing or wrong; names the key."""


class DatabaseError(OperatorError):
    """The database cannot be opened, is locked by another process, or needs `db upgrade`."""


class PlatformError(OperatorError):
    """A platform refused the bot as it is set up."""


class MemberError(CliffhangerError):
    """Shown to a member. `key` names the sentence; `values` fill it in."""

    key: ClassVar[str]

    def __init__(self, **values: str | int | float | tuple[str, ...]) -> None:
        self.values = values
        super().__init__(f"{self.key} {values}" if values else self.key)


class BadInput(MemberError):
    """What the member typed cannot be used."""


class UnknownGenre(BadInput):
    """values: given, nearest ("" if none is near), choices (comma-separated)."""

    key = "error-unknown-genre"


class PromptTooLong(BadInput):
    """values: length, limit (characters)."""

    key = "error-prompt-too-long"


class TitleTooLong(BadInput):
    """values: length, limit (characters)."""

    key = "error-title-too-long"


class LineTooLong(BadInput):
    """values: length, limit (characters). A line of a round."""

    key = "error-line-too-long"


class NothingToRead(BadInput):
    """Whitespace or invisible characters only."""

    key = "error-nothing-to-read"


class NotANumber(BadInput):
    """values: given."""

    key = "error-not-a-number"


class NotAChoice(BadInput):
    """values: given, what ("period", "length", "vote", …), choices (comma-separated)."""

    key = "error-not-a-choice"


class OutOfBounds(BadInput):
    """values: given, least, most. A whole number was wanted."""

    key = "error-out-of-bounds"


class UnknownCommand(BadInput):
    """values: command."""

    key = "error-unknown-command"


class BlockedWords(BadInput):
    """The operator's or the community's word list refuses this text."""

    key = "error-blocked-words"


class BadPattern(BadInput):
    """values: given. Not a pattern of RE2, or one that matches every text."""

    key = "error-bad-pattern"


class WordListTooLong(BadInput):
    """values: entries, length (most entries, and most characters of one)."""

    key = "error-word-list-too-long"


class WrongCode(BadInput):
    """No code for linking, or none any more."""

    key = "error-wrong-code"


class NotPossible(MemberError):
    """Understood, but not allowed or not there."""


class StoryNotFound(NotPossible):
    """values: id. Also for deleted stories and for other communities' stories."""

    key = "error-story-not-found"


class StoryHidden(NotPossible):
    """values: id. Reported often, and not looked at by a moderator yet."""

    key = "error-story-hidden"


class NoStories(NotPossible):
    """Nothing to show yet."""

    key = "error-no-stories"


class OwnStory(NotPossible):
    """A vote on one's own story."""

    key = "error-own-story"


class OwnReport(NotPossible):
    """A report of one's own story."""

    key = "error-own-report"


class AlreadyReported(NotPossible):
    """values: id. One report a member and story."""

    key = "error-already-reported"


class NotYours(NotPossible):
    """values: id. Only the author may do this."""

    key = "error-not-yours"


class NotManager(NotPossible):
    """Only whoever manages the community may do this."""

    key = "error-not-manager"


class NotModerator(NotPossible):
    """Only a moderator of the community may do this."""

    key = "error-not-moderator"


class BlockedMember(NotPossible):
    """The community's moderators let the member only read."""

    key = "error-blocked-member"


class NotInThisChannel(NotPossible):
    """The community wants its stories elsewhere; `channel_ids` says where."""

    key = "error-not-in-this-channel"

    def __init__(self, channel_ids: tuple[str, ...]) -> None:
        self.channel_ids = channel_ids
        super().__init__()


class AdultsOnly(NotPossible):
    """The community wants its stories in age-restricted channels only."""

    key = "error-adults-only"


class OnlyInServers(NotPossible):
    """Asked for in a private chat."""

    key = "error-only-in-servers"


class BotNeeds(NotPossible):
    """values: permissions (keys of sentences, one or more), channel. The bot lacks them there."""

    key = "error-bot-needs"


class NoRightThere(NotPossible):
    """values: channel. The member may not post there."""

    key = "error-no-right-there"


class NotFinished(NotPossible):
    """values: id. Voting on, or continuing, a story that is not finished."""

    key = "error-not-finished"


class AlreadyEnded(NotPossible):
    """values: id. Cancelling a story that is not being written any more."""

    key = "error-already-ended"


class NothingToCancel(NotPossible):
    """No story of the member's is waiting or being written."""

    key = "error-nothing-to-cancel"


class OwnCode(NotPossible):
    """The code is the member's own: it is for another platform."""

    key = "error-own-code"


class PlatformTaken(NotPossible):
    """values: platform. Both have an account there, and a person may link one of each platform."""

    key = "error-platform-taken"


class NotLinked(NotPossible):
    """The member has this one identity."""

    key = "error-not-linked"


class TryLater(MemberError):
    """Would work at another time."""


class NotPosted(TryLater):
    """values: channel. The platform did not take a message there."""

    key = "error-not-posted"


class QueueFull(TryLater):
    """values: minutes."""

    key = "error-queue-full"

    def __init__(self, expected_wait_s: float) -> None:
        self.expected_wait_s = expected_wait_s
        super().__init__(minutes=max(1, round(expected_wait_s / 60)))


class TooManyPending(TryLater):
    """values: limit."""

    key = "error-too-many-pending"


class QuotaUsed(TryLater):
    """values: limit, hours."""

    key = "error-quota-used"


class LinesUsed(TryLater):
    """values: limit, hours. Lines of rounds."""

    key = "error-lines-used"


class ModelsTurn(TryLater):
    """The model is to write the next line of a round."""

    key = "error-models-turn"


class OthersFirst(TryLater):
    """values: minutes. The member wrote the last line of a round, and others write along."""

    key = "error-others-first"


class TooManyRounds(TryLater):
    """values: limit. Open in this community."""

    key = "error-too-many-rounds"


class CoolingDown(TryLater):
    """values: seconds."""

    key = "error-cooling-down"


class TooManyTries(TryLater):
    """values: minutes. Too many wrong codes."""

    key = "error-too-many-tries"


class ChangedMeanwhile(TryLater):
    """Somebody else changed what the member was changing, and theirs holds."""

    key = "error-changed-meanwhile"


class StoreBusy(TryLater):
    """The database stayed locked for too long; nothing was changed."""

    key = "error-store-busy"


class Stopping(TryLater):
    """The bot is shutting down."""

    key = "error-stopping"
