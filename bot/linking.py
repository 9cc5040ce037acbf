"""One person on several platforms: a code given out on one, and typed on another, makes them one.

A part of `StoryService`. A code is 40 random bits in Crockford's base 32, which leaves out what is
read or typed wrongly; it lives ten minutes and serves once, and only its hash is kept. Whoever
types a code is to be asked first whether the account that `whose` names is theirs: a stranger may
have sent it to them (RFC 8628, section 5.4).
"""

from __future__ import annotations

import hashlib
import re
import secrets

from bot.domain import Caller, Member
from bot.errors import WrongCode
from bot.store import StoryStore

CODE_LIFE_S = 600.0
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 8
_READ_AS = str.maketrans("OIL", "011")
_CODE = re.compile(rf"[{_DIGITS}]{{{_LENGTH}}}")


class Linking:
    """What a member may do about their own identities."""

    def __init__(self, store: StoryStore) -> None:
        self._store = store

    async def identities(self, caller: Caller) -> list[Member]:
        """The caller as each of their platforms knows them, the oldest first."""
        member, _ = await self._store.enter(caller)
        return await self._store.identities(member.id)

    async def offer(self, caller: Caller) -> str:
        """A new code, such as "K7QF-2M9X"; the caller's last one is void."""
        member, _ = await self._store.enter(caller)
        code = "".join(secrets.choice(_DIGITS) for _ in range(_LENGTH))
        await self._store.offer_link(member, _hash(code), CODE_LIFE_S)
        return f"{code[:4]}-{code[4:]}"

    async def whose(self, caller: Caller, code: str) -> Member:
        """The account that gave this code out: the caller is asked whether it is theirs.

        Raises WrongCode, TooManyTries, OwnCode, PlatformTaken.
        """
        member, _ = await self._store.enter(caller)
        return await self._store.linked_by(member.id, _hash(code))

    async def redeem(self, caller: Caller, code: str) -> Member:
        """Make that account and the caller's one person. Raises as `whose` does."""
        member, _ = await self._store.enter(caller)
        return await self._store.redeem_link(member.id, _hash(code))

    async def unlink(self, caller: Caller) -> None:
        """Make the account the caller speaks from a person of its own. Raises NotLinked."""
        member, _ = await self._store.enter(caller)
        await self._store.unlink(member)


def read_code(typed: str) -> str:
    """A code as it was given out, however it was typed. Raises WrongCode for what is none."""
    code = "".join(filter(str.isalnum, typed.upper())).translate(_READ_AS)
    if not _CODE.fullmatch(code):
        raise WrongCode
    return code


def _hash(typed: str) -> str:
    return hashlib.sha256(read_code(typed).encode()).hexdigest()
