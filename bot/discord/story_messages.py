"""The messages of one story: sent and edited by the interaction's token while it lives, else by
the channel. Turns Discord's refusals into `EditLater` and `MessageGone`. Knows cards, not stories.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import discord

from bot.discord.cards import Card
from bot.discord.replies import Interaction, Reply
from bot.live_message import EditLater, MessageGone

log = logging.getLogger(__name__)

TOKEN_LIFE_S = 15 * 60 - 20
"""A token is good for 15 min (docs: receiving-and-responding); the margin is for the way."""
_DEAD_TOKEN = {50027, 10015}  # invalid webhook token; unknown webhook
_ARCHIVED = 50083
_TOO_MANY_OLD_EDITS = 30046  # edits of a message older than an hour
_OLD_EDIT_PAUSE_S = 60.0


class StoryMessages:
    """`put` and `remove` of a `LiveMessage`.

    Args:
        channel: where the messages are; None where the bot can go only by the token.
        message_ids: messages that exist already, first to last.
        reply: the interaction that asked for the story; None after a restart.
        token_life_s: how long its token is good for, from now.
        on_sent: told the id of each further message.
        awaken: takes the channel, a thread, out of the archive, where nothing can be edited.
    """

    def __init__(
        self,
        channel: discord.PartialMessageable | None,
        message_ids: list[int],
        reply: Reply | None = None,
        *,
        token_life_s: float = TOKEN_LIFE_S,
        on_sent: Callable[[int], Awaitable[None]] | None = None,
        awaken: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._on_sent = on_sent
        self._awaken = awaken
        self._channel = channel
        self._ids = message_ids
        self._token: Interaction | None = reply.interaction if reply else None
        self._token_dies_at = time.monotonic() + token_life_s

    @property
    def life_s(self) -> float | None:
        """How long these messages can be edited; None: for ever, by the channel."""
        if self._channel is not None:
            return None
        return max(0.0, self._token_dies_at - time.monotonic())

    async def put(self, index: int, card: Card, final: bool) -> None:
        """Make the message at `index` show `card`, sending it if it is not there yet."""
        with refusals():
            if self._token is not None and await self._put_by_token(self._token, index, card):
                return
            if self._channel is None:
                raise MessageGone("its interaction token died, and the bot is not in the channel")
            if index < len(self._ids):
                await self._edit(self._channel.get_partial_message(self._ids[index]), card)
            else:
                view = card.view() or discord.utils.MISSING
                await self._sent(await self._channel.send(embed=card.embed(), view=view))

    async def _edit(self, message: discord.PartialMessage, card: Card) -> None:
        # Unlike its other ways to send, discord.py's edit leaves the client's default out.
        nobody = discord.AllowedMentions.none()
        try:
            await message.edit(embed=card.embed(), view=card.view(), allowed_mentions=nobody)
        except discord.HTTPException as error:
            if error.code != _ARCHIVED or self._awaken is None:
                raise
            await self._awaken()
            await message.edit(embed=card.embed(), view=card.view(), allowed_mentions=nobody)

    async def _put_by_token(self, token: Interaction, index: int, card: Card) -> bool:
        """False when the token is dead."""
        if self._channel is not None and time.monotonic() >= self._token_dies_at:
            self._token = None
            return False
        try:
            await self._send_by_token(token, index, card)
        except discord.HTTPException as error:
            if error.code not in _DEAD_TOKEN:
                raise
            self._token = None
            return False
        return True

    async def _send_by_token(self, token: Interaction, index: int, card: Card) -> None:
        embed, view = card.embed(), card.view()
        if index == 0:
            await token.edit_original_response(embed=embed, view=view)
        elif index < len(self._ids):
            await token.followup.edit_message(self._ids[index], embed=embed, view=view)
        else:
            shown = view or discord.utils.MISSING
            await self._sent(await token.followup.send(embed=embed, view=shown, wait=True))

    async def _sent(self, message: discord.Message) -> None:
        self._ids.append(message.id)
        if self._on_sent is not None:
            await self._on_sent(message.id)

    async def remove(self, index: int) -> None:
        """Delete the last message, which the final text does not need."""
        message_id = self._ids.pop(index)
        with refusals():
            if self._token is not None:
                await self._token.followup.delete_message(message_id)
            elif self._channel is not None:
                await self._channel.get_partial_message(message_id).delete()


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Discord's errors as LiveMessage knows them.

    discord.py has waited and tried five times by itself when a 429 or 5xx arrives here.
    """
    try:
        yield
    except discord.RateLimited as error:
        raise EditLater(error.retry_after) from error
    except discord.HTTPException as error:
        if error.code == _TOO_MANY_OLD_EDITS:
            raise EditLater(_OLD_EDIT_PAUSE_S) from error
        if error.status == 429 or error.status >= 500:
            raise EditLater from error
        if error.status not in (403, 404):
            log.error("Discord refused a story's card: %s", error)
        raise MessageGone(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise EditLater from error
