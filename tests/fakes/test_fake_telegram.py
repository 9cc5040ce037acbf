"""The fake Telegram, held to the Bot API's documentation through the real PTB client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fakes.telegram import FakeTelegram, RateLimits
from fakes.telegram_api.floods import FloodGate
from fakes.telegram_api.markup import MarkupError, find_entities, parse_html
from fakes.telegram_api.spec import load_spec
from telegram import (
    Bot,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
    Update,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, MessageHandler, filters

needs_spec = pytest.mark.skipif(
    load_spec() is None, reason="telegram-bot-api.json is neither in API_SPECS nor ../shared/specs"
)
UNLIMITED = RateLimits(chat_burst=10**6, group_per_minute=math.inf, overall_per_s=math.inf)


@pytest.fixture(autouse=True)
def timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """PTB's opt-in; without it every RetryAfter comes with a deprecation warning."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(limits=UNLIMITED) as fake:
        yield fake


@pytest.fixture
async def bot(fake: FakeTelegram) -> AsyncIterator[Bot]:
    async with Bot(fake.token, base_url=f"{fake.url}/bot") as bot:
        yield bot


def keyboard(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(d, callback_data=d) for d in data]])


# --- markup --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain", "plain", []),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d", []),
        ("fish & chips &nbsp;", "fish & chips &nbsp;", []),
        ("&#65;&#x42;", "AB", []),
        ("<b>x</b>", "x", [{"type": "bold", "offset": 0, "length": 1}]),
        ("😀<i>ü</i>", "😀ü", [{"type": "italic", "offset": 2, "length": 1}]),
        ("  <b> x</b> ", "x", [{"type": "bold", "offset": 0, "length": 1}]),
        (
            '<a href="https://e.org/?a=1&amp;b=2">l</a>',
            "l",
            [{"type": "text_link", "url": "https://e.org/?a=1&b=2", "offset": 0, "length": 1}],
        ),
        (
            "<b>a<i>b</i></b>",
            "ab",
            [
                {"type": "bold", "offset": 0, "length": 2},
                {"type": "italic", "offset": 1, "length": 1},
            ],
        ),
        (
            '<pre><code class="language-py">x</code></pre>',
            "x",
            [{"type": "pre", "language": "py", "offset": 0, "length": 1}],
        ),
        (
            "<blockquote expandable>q</blockquote>",
            "q",
            [{"type": "expandable_blockquote", "offset": 0, "length": 1}],
        ),
        ('<span class="tg-spoiler">s</span>', "s", [{"type": "spoiler", "offset": 0, "length": 1}]),
    ],
)
def test_html_becomes_text_and_entities(source: str, text: str, entities: list[object]) -> None:
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    "source",
    ["a < b", "<horror>", "<b>open", "</b>", "<b><i>x</b></i>", "<script>x</script>", "<br/>", "<"],
)
def test_html_that_telegram_refuses(source: str) -> None:
    with pytest.raises(MarkupError):
        parse_html(source)


def test_names_links_commands_and_tags_are_found_except_in_code() -> None:
    text = "@alice /story@my_bot x #tag https://e.org/@bob me@example.org @bob"
    code = [{"type": "code", "offset": text.rindex("@bob"), "length": 4}]
    found = [(e["type"], text[e["offset"] :][: e["length"]]) for e in find_entities(text, code)]
    assert found == [
        ("mention", "@alice"),
        ("bot_command", "/story@my_bot"),
        ("hashtag", "#tag"),
        ("url", "https://e.org/@bob"),
        ("code", "@bob"),
    ]


# --- flood control -------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_private_chat_takes_a_burst_of_three_then_one_a_second() -> None:
    clock = Clock()
    gate = FloodGate(RateLimits(), clock)
    assert [gate.wait_s("sendMessage", 7) for _ in range(4)] == [None, None, None, 1]
    assert gate.wait_s("sendMessage", 8) is None, "another chat is not held up"
    clock.now += 0.5
    assert gate.wait_s("sendMessage", 7) == 1, "still in retry_after"
    clock.now += 0.5
    assert [gate.wait_s("sendMessage", 7) for _ in range(2)] == [None, 1]
    assert [(f.chat_id, f.limit) for f in gate.floods] == [
        (7, "chat"),
        (7, "still in retry_after"),
        (7, "chat"),
    ]


def test_a_group_takes_twenty_in_any_minute() -> None:
    clock = Clock()
    gate = FloodGate(RateLimits(), clock)
    for _ in range(20):
        assert gate.wait_s("editMessageText", -5) is None
        clock.now += 1
    assert gate.wait_s("editMessageText", -5) == 40
    clock.now += 40
    assert gate.wait_s("editMessageText", -5) is None


def test_all_chats_together_take_thirty_a_second() -> None:
    clock = Clock()
    gate = FloodGate(RateLimits(), clock)
    assert [gate.wait_s("sendMessage", chat) for chat in range(1, 31)] == [None] * 30
    assert gate.wait_s("sendMessage", 99) == 1
    assert gate.floods[0].limit == "overall"
    clock.now += 1
    assert gate.wait_s("sendMessage", 99) is None


async def test_a_flood_is_answered_429_with_retry_after() -> None:
    async with (
        FakeTelegram(limits=RateLimits(chat_burst=1)) as fake,
        Bot(fake.token, base_url=f"{fake.url}/bot") as bot,
    ):
        ann = fake.add_user("Ann")
        chat = fake.private_chat(ann)
        await fake.say(ann, chat, "hello")
        await bot.send_message(chat.id, "one")
        with pytest.raises(RetryAfter) as caught:
            await bot.send_message(chat.id, "two")
        assert caught.value.retry_after == timedelta(seconds=1)
        assert [flood.method for flood in fake.floods] == ["sendMessage"]
        assert [m.text for m in chat.bot_messages] == ["one"]


# --- who may call what ---------------------------------------------------------------------


async def test_get_me_names_the_bot(fake: FakeTelegram, bot: Bot) -> None:
    me = await bot.get_me()
    assert (me.id, me.username) == (7000001, "cliffhanger_bot")


async def test_a_wrong_token_is_401_and_a_malformed_one_404(fake: FakeTelegram) -> None:
    for token, code in ((f"7000001:{'B' * 35}", 401), ("nonsense", 404)):
        async with httpx.AsyncClient() as client:
            response = await client.post(f"{fake.url}/bot{token}/getMe")
        assert response.status_code == code
        with pytest.raises(InvalidToken):
            async with Bot(token, base_url=f"{fake.url}/bot"):
                pass


async def test_an_unknown_method_is_404_and_noted(fake: FakeTelegram, bot: Bot) -> None:
    with pytest.raises(TelegramError):
        await bot.do_api_request("sendGreeting", {"chat_id": 1})
    fake.expect_violation("sendGreeting: the fake has no such method")


@needs_spec
async def test_requests_are_judged_by_the_published_description(fake: FakeTelegram) -> None:
    ann = fake.add_user("Ann")
    await fake.say(ann, fake.private_chat(ann), "hi")
    url = f"{fake.url}/bot{fake.token}/sendMessage"
    async with httpx.AsyncClient() as client:
        missing = await client.post(url, data={"chat_id": ann.id})
        wrong = await client.post(url, json={"chat_id": ann.id, "text": 5})
        nested = await client.post(
            url,
            json={
                "chat_id": ann.id,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": 1, "callback_data": "d"}]]},
            },
        )
        extra = await client.post(url, data={"chat_id": ann.id, "text": "x", "colour": "red"})
    assert [r.status_code for r in (missing, wrong, nested, extra)] == [400, 400, 400, 200]
    fake.expect_violation("required field text is missing")
    fake.expect_violation("text: 5 is not String")
    fake.expect_violation("inline_keyboard[0][0].text: 1 is not String")
    fake.expect_violation("unknown field colour")


async def test_unanswered_presses_and_violations_fail_at_the_end() -> None:
    fake = FakeTelegram()
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    message = await fake.say(ann, chat, "hi")
    with pytest.raises(AssertionError, match=r"not answered in 0\.01 s"):
        await fake.press_data(ann, message, "v:1:1", timeout=0.01)
    with pytest.raises(AssertionError, match=r"never answered: \['v:1:1'\]"):
        fake.check()


# --- updates -------------------------------------------------------------------------------


async def test_updates_wait_come_once_and_are_confirmed_by_offset(
    fake: FakeTelegram, bot: Bot
) -> None:
    ann = fake.add_user("Ann", "de")
    chat = fake.private_chat(ann)
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.05)
    await fake.say(ann, chat, "/story@cliffhanger_bot horror A lonely lighthouse")
    (first,) = await poll
    assert first.message is not None and first.message.from_user is not None
    assert first.message.from_user.language_code == "de"
    command = first.message.parse_entities([MessageEntity.BOT_COMMAND])
    assert list(command.values()) == ["/story@cliffhanger_bot"]
    assert [u.update_id for u in await bot.get_updates()] == [first.update_id], "not confirmed yet"
    await fake.say(ann, chat, "again")
    (second,) = await bot.get_updates(offset=first.update_id + 1)
    assert second.message is not None and second.message.text == "again"
    assert await bot.get_updates(offset=second.update_id + 1) == ()
    assert fake.updates.confirmed == second.update_id


async def test_allowed_updates_are_kept_to(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await bot.get_updates(allowed_updates=["message"])
    message = await fake.say(ann, chat, "one")
    await fake.edit(ann, message, "two")
    assert [u.message is not None for u in await bot.get_updates()] == [True]


async def test_privacy_mode_lets_only_commands_and_replies_through(
    fake: FakeTelegram, bot: Bot
) -> None:
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    mine = await bot.send_message(group.id, "hello")
    for text in ("chatter", "/story horror", "/story@other_bot horror", "/top@Cliffhanger_Bot"):
        await fake.say(ann, group, text)
    await fake.say(ann, group, "a reply", reply_to=group.messages[mine.message_id])
    heard = [u.message.text for u in await bot.get_updates() if u.message]
    assert heard == ["/story horror", "/top@Cliffhanger_Bot", "a reply"]


async def test_a_second_poller_ends_the_first_with_409(fake: FakeTelegram, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.05)
    async with Bot(fake.token, base_url=f"{fake.url}/bot") as other:
        await other.get_updates()
    with pytest.raises(Conflict):
        await first
    assert fake.violations == []


async def test_a_webhook_stands_in_the_way_of_polling(fake: FakeTelegram, bot: Bot) -> None:
    fake.updates.resolve = {"https://example.org": "http://127.0.0.1:1"}
    await bot.set_webhook("https://example.org/hook")
    with pytest.raises(Conflict):
        await bot.get_updates()
    assert (await bot.get_webhook_info()).url == "https://example.org/hook"
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


# --- messages ------------------------------------------------------------------------------


async def test_a_message_keeps_its_text_buttons_and_edits(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    asked = await fake.say(ann, chat, "/story")
    sent = await bot.send_message(
        chat.id,
        "<b>Hi</b> &amp; welcome",
        parse_mode=ParseMode.HTML,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
        reply_parameters=ReplyParameters(asked.message_id),
        reply_markup=keyboard("v:1:1", "v:1:-1"),
    )
    message = await chat.wait_for(lambda m: m.text == "Hi & welcome")
    assert message.link_preview_disabled and message.reply_to == asked.message_id
    assert message.entity_texts("bold") == ["Hi"]
    assert [b.data for b in message.buttons] == ["v:1:1", "v:1:-1"]

    waiting = asyncio.create_task(chat.wait_for(lambda m: m.text == "Bye"))
    await bot.edit_message_text("Bye", chat.id, sent.message_id)
    assert await waiting is message
    assert [version.text for version in message.history] == ["Hi & welcome"]
    assert message.buttons == [], "an edit without reply_markup takes the keyboard away"
    await bot.edit_message_reply_markup(chat.id, sent.message_id, reply_markup=keyboard("a"))
    assert message.has_button("a")


async def test_edits_that_telegram_refuses(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    theirs = await fake.say(ann, chat, "hi")
    sent = await bot.send_message(chat.id, "same")
    with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
        await bot.edit_message_text("same", chat.id, sent.message_id)
    with pytest.raises(BadRequest, match=r"(?i)message can't be edited"):
        await bot.edit_message_text("x", chat.id, theirs.message_id)
    with pytest.raises(BadRequest, match=r"(?i)message to edit not found"):
        await bot.edit_message_text("x", chat.id, 999)
    fake.delete_message(chat.messages[sent.message_id])
    with pytest.raises(BadRequest, match=r"(?i)message to edit not found"):
        await bot.edit_message_text("x", chat.id, sent.message_id)
    with pytest.raises(BadRequest, match=r"(?i)message to delete not found"):
        await bot.delete_message(chat.id, sent.message_id)
    assert fake.violations == []


async def test_lengths_are_counted_after_parsing(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "hi")
    fits = "<b>" + "&amp;" * 4096 + "</b>"
    assert (await bot.send_message(chat.id, fits, parse_mode="HTML")).text == "&" * 4096
    for text, violation in (("x" * 4097, "message is too long"), ("<b> </b>", "text is empty")):
        with pytest.raises(BadRequest):
            await bot.send_message(chat.id, text, parse_mode="HTML")
        fake.expect_violation(violation)
    with pytest.raises(BadRequest, match=r"(?i)can't parse entities"):
        await bot.send_message(chat.id, "a <horror> story", parse_mode="HTML")
    fake.expect_violation("can't parse entities")


async def test_callback_data_has_64_bytes_not_characters(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "hi")
    await bot.send_message(chat.id, "x", reply_markup=keyboard("é" * 32))
    with pytest.raises(BadRequest):
        await bot.send_message(chat.id, "x", reply_markup=keyboard("é" * 33))
    fake.expect_violation("BUTTON_DATA_INVALID")
    two_actions = InlineKeyboardButton("x", callback_data="d", url="https://e.org")
    with pytest.raises(BadRequest):
        await bot.send_message(chat.id, "x", reply_markup=InlineKeyboardMarkup([[two_actions]]))
    fake.expect_violation("one action")


async def test_documents_arrive_with_their_bytes(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/export")
    await bot.send_document(chat.id, b'{"votes": 3}', filename="data.json", caption="Yours")
    message = await chat.wait_for(lambda m: m.document)
    assert message.document is not None
    assert (message.document.name, message.document.json()) == ("data.json", {"votes": 3})
    with pytest.raises(BadRequest):
        await bot.send_document(chat.id, b"x", caption="c" * 1025)
    fake.expect_violation("caption of 1025 characters")


async def test_drafts_are_for_private_chats(fake: FakeTelegram, bot: Bot) -> None:
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "hi")
    await bot.send_message_draft(chat.id, 4, "Once")
    await bot.send_message_draft(chat.id, 4, "Once upon")
    assert chat.drafts == {4: ["Once", "Once upon"]}
    with pytest.raises(BadRequest):
        await bot.send_message_draft(group.id, 4, "Once")
    fake.expect_violation("drafts are for private chats")


async def test_forum_topics_are_kept_and_checked(fake: FakeTelegram, bot: Bot) -> None:
    ann, forum = fake.add_user("Ann"), fake.add_group("Forum", topics=["General", "Stories"])
    stories = list(forum.topics)[1]
    await fake.say(ann, forum, "/top", thread_id=stories)
    (update,) = await bot.get_updates()
    assert update.message is not None and update.message.is_topic_message
    assert update.message.message_thread_id == stories
    await bot.send_message(forum.id, "here", message_thread_id=stories)
    assert forum.bot_messages[0].thread_id == stories
    with pytest.raises(BadRequest, match=r"(?i)message thread not found"):
        await bot.send_message(forum.id, "there", message_thread_id=777)


async def test_replies_need_a_message_unless_told_otherwise(fake: FakeTelegram, bot: Bot) -> None:
    group = fake.add_group("Readers")
    with pytest.raises(BadRequest, match=r"(?i)message to be replied not found"):
        await bot.send_message(group.id, "x", reply_parameters=ReplyParameters(55))
    lenient = ReplyParameters(55, allow_sending_without_reply=True)
    await bot.send_message(group.id, "x", reply_parameters=lenient)
    assert group.bot_messages[0].reply_to is None


# --- chats the bot cannot reach ------------------------------------------------------------


async def test_chats_that_refuse_the_bot(fake: FakeTelegram, bot: Bot) -> None:
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    chat, stranger = fake.private_chat(ann), fake.private_chat(bob)
    group, old = fake.add_group("Readers"), fake.add_group("Old", supergroup=False)
    await fake.say(ann, chat, "hi")
    fake.block(ann)
    fake.kick(ann, group)
    new = fake.migrate_to_chat_id(ann, old)
    for chat_id, error, text in (
        (chat.id, Forbidden, "blocked by the user"),
        (stranger.id, Forbidden, "can't initiate conversation"),
        (group.id, Forbidden, "kicked from the supergroup"),
        (12345, BadRequest, "Chat not found"),
        (old.id, ChatMigrated, str(new.id)),
    ):
        with pytest.raises(error, match=text):
            await bot.send_message(chat_id, "hello")
    assert fake.floods == [] and fake.violations == []


# --- callback queries and commands ---------------------------------------------------------


async def test_callback_answers_reach_the_member(fake: FakeTelegram, bot: Bot) -> None:
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "hi")
    await bot.send_message(chat.id, "vote", reply_markup=keyboard("v:1:1"))
    press = asyncio.create_task(fake.press(ann, chat.bot_messages[0], "v:1:1"))
    updates = await bot.get_updates(timeout=5)
    query = updates[-1].callback_query
    assert query is not None and query.data == "v:1:1"
    with pytest.raises(BadRequest):
        await query.answer("x" * 201)
    fake.expect_violation("above 200 characters")
    await query.answer("Counted", show_alert=True)
    answered = await press
    assert (answered.text, answered.alert) == ("Counted", True)
    with pytest.raises(BadRequest, match=r"[Qq]uery is too old"):
        await bot.answer_callback_query("999")


async def test_command_lists_are_limited(fake: FakeTelegram, bot: Bot) -> None:
    await bot.set_my_commands([("story", "Write a story")])
    assert await bot.get_my_commands() == (BotCommand("story", "Write a story"),)
    await bot.set_my_commands([("story", "Schreib")], language_code="de")
    assert (await bot.get_my_commands(language_code="de"))[0].description == "Schreib"
    await bot.delete_my_commands(language_code="de")
    assert await bot.get_my_commands(language_code="de") == ()
    for commands, violation in (
        ([(f"c{n}", "x") for n in range(101)], "BOT_COMMANDS_TOO_MUCH"),
        ([("Story", "x")], "BOT_COMMAND_INVALID"),
        ([("story", "x" * 257)], "BOT_COMMAND_DESCRIPTION_INVALID"),
    ):
        with pytest.raises(BadRequest):
            await bot.set_my_commands(commands)
        fake.expect_violation(violation)


# --- faults --------------------------------------------------------------------------------


async def test_faults_happen_as_often_as_asked(fake: FakeTelegram, bot: Bot) -> None:
    group = fake.add_group("Readers")
    fake.fail_next("sendMessage", 429, "Too Many Requests", {"retry_after": 7})
    with pytest.raises(RetryAfter):
        await bot.send_message(group.id, "one")
    fake.fail_next("sendMessage", 500, "Internal", when=lambda params: params["text"] == "three")
    await bot.send_message(group.id, "two")
    with pytest.raises(NetworkError, match="Internal"):
        await bot.send_message(group.id, "three")
    fake.delay_next("sendMessage", 0.05)
    await bot.send_message(group.id, "four")
    fake.drop_next("sendMessage")
    with pytest.raises(NetworkError):
        await bot.send_message(group.id, "five")
    fake.drop_next("sendMessage", done=True)
    with pytest.raises(NetworkError):
        await bot.send_message(group.id, "six")
    assert [m.text for m in group.bot_messages] == ["two", "four", "six"]
    assert fake.faults_left == 0 and fake.floods == []
    assert [request.code for request in fake.calls("sendMessage")] == [429, 200, 500, 200, 500, 200]


# --- the whole, with PTB's Application ------------------------------------------------------


async def test_an_application_polls_answers_and_stops(fake: FakeTelegram) -> None:
    heard: list[str] = []

    async def on_story(update: Update, context: object) -> None:
        assert update.message is not None
        await update.message.reply_text("<i>ok</i>", parse_mode="HTML", reply_markup=keyboard("p"))

    async def on_photo(update: Update, context: object) -> None:
        assert update.message is not None
        heard.append(update.message.caption or "")

    async def on_press(update: Update, context: object) -> None:
        assert update.callback_query is not None
        await update.callback_query.answer("pressed")

    app = Application.builder().token(fake.token).base_url(f"{fake.url}/bot").build()
    app.add_handler(CommandHandler("story", on_story))
    app.add_handler(MessageHandler(filters.PHOTO, on_photo))
    app.add_handler(CallbackQueryHandler(on_press))
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    async with app:
        assert app.updater is not None
        await app.updater.start_polling(allowed_updates=Update.ALL_TYPES)
        await app.start()
        await fake.send_photo(ann, chat, "look")
        await fake.say(ann, chat, "/story horror")
        message = await chat.wait_for(lambda m: m.text == "ok")
        assert (await fake.press(ann, message, "p")).text == "pressed"
        await app.updater.stop()
        await app.stop()
    assert heard == ["look"]
    assert len(fake.updates) == 0, "everything handled is confirmed"
