"""What members do, as the interaction payloads Discord would send for it.

Payloads are built from what the bot registered and posted: a command, option or button that is not
there, or a value its definition forbids, is a mistake of the test and says so.
"""

from __future__ import annotations

from typing import Any

from fakes.discord_limits import BUTTON, ROLE_SELECT, STRING_SELECT, TEXT_INPUT, USER_SELECT, walk
from fakes.discord_state import (
    ADMINISTRATOR,
    Channel,
    Interaction,
    Message,
    User,
)

SUBCOMMAND, SUBCOMMAND_GROUP, STRING, INTEGER, BOOLEAN, USER, NUMBER = 1, 2, 3, 4, 5, 6, 10
MESSAGE = 3
"""The command type of a message's menu (docs: application-commands)."""
_PYTHON_TYPES: dict[int, type | tuple[type, ...]] = {
    STRING: str,
    INTEGER: int,
    BOOLEAN: bool,
    NUMBER: (int, float),
}


def command_data(
    commands: list[dict[str, Any]],
    channel: Channel,
    name: str,
    values: dict[str, Any],
    focused: str | None = None,
) -> dict[str, Any]:
    """`data` of a slash command ("top", or "group sub"), or of its autocomplete."""
    first, *rest = name.split()
    command = next((c for c in commands if c["name"] == first and c["type"] == 1), None)
    assert command, f"/{first} is not registered; there are {[c['name'] for c in commands]}"
    _check_place(command, channel)
    definition, nest = command, []
    for part in rest:
        definition = next(o for o in definition["options"] if o["name"] == part)
        nest.append(definition)
    options = _options(definition, values, focused)
    for level in reversed(nest):
        options = [{"name": level["name"], "type": level["type"], "options": options}]
    data = {"id": command["id"], "name": first, "type": 1, "options": options}
    users = [o["value"] for o in options if o["type"] == USER]
    if users:
        known = {value: User("Someone", id=int(value)).json() for value in users}
        data["resolved"] = {"users": known}
    if channel.guild is not None:
        data["guild_id"] = str(channel.guild.id)
    return data


def menu_data(commands: list[dict[str, Any]], message: Message, name: str) -> dict[str, Any]:
    """`data` of a command in a message's context menu."""
    command = next((c for c in commands if c["name"] == name and c["type"] == MESSAGE), None)
    assert command, f"no menu {name!r}; there are {[c['name'] for c in commands]}"
    _check_place(command, message.channel)
    return {
        "id": command["id"],
        "name": name,
        "type": MESSAGE,
        "target_id": str(message.id),
        "resolved": {"messages": {str(message.id): message.json()}},
    }


def check_offered(commands: list[dict[str, Any]], name: str, user: User) -> None:
    """Discord shows a command to those alone who have its default_member_permissions."""
    command = next((c for c in commands if c["name"] == name.split()[0]), None)
    needed = int((command or {}).get("default_member_permissions") or 0)
    allowed = user.permissions & ADMINISTRATOR or user.permissions & needed == needed
    assert allowed, f"/{name} is not offered to {user.name}"


def _check_place(command: dict[str, Any], channel: Channel) -> None:
    name = command["name"]
    assert channel.context in command["contexts"], f"/{name} is not offered in {channel}"
    installed = channel.bot_access and (channel.guild is None or channel.guild.installed)
    needed = 0 if installed else 1
    assert needed in command["integration_types"], f"/{name} is not offered to its installation"


def _options(
    definition: dict[str, Any], values: dict[str, Any], focused: str | None
) -> list[dict[str, Any]]:
    known = {option["name"]: option for option in definition.get("options") or []}
    for name in values:
        assert name in known, f"/{definition['name']} has no option {name!r}; it has {list(known)}"
    if focused is None:
        missing = [n for n, option in known.items() if option.get("required") and n not in values]
        assert not missing, f"/{definition['name']} needs {missing}"
    built = []
    for name, value in values.items():
        option = {"name": name, "type": known[name]["type"], "value": value}
        if name == focused:
            assert known[name].get("autocomplete"), f"{name} has no autocomplete"
            option["focused"] = True
        else:
            _check_value(known[name], value)
        built.append(option)
    return built


def _check_value(option: dict[str, Any], value: Any) -> None:
    """What a Discord client does not let its user send."""
    where = f"option {option['name']}={value!r}"
    assert isinstance(value, _PYTHON_TYPES.get(option["type"], str)), f"{where}: wrong type"
    choices = [choice["value"] for choice in option.get("choices") or []]
    assert not choices or value in choices, f"{where}: not one of {choices}"
    size = len(value) if isinstance(value, str) else value
    least = option.get("min_length") or option.get("min_value")
    most = option.get("max_length") or option.get("max_value")
    assert least is None or size >= least, f"{where}: less than {least}"
    assert most is None or size <= most, f"{where}: more than {most}"


def press_data(message: Message, user: User, which: str) -> dict[str, Any]:
    """`data` of a press on the button with this custom_id, emoji or label."""
    _check_visible(message, user)
    button = message.button(which)
    assert not button.get("disabled"), f"button {which!r} is disabled"
    return {"component_type": BUTTON, "custom_id": button["custom_id"], "id": button["id"]}


def select_data(message: Message, user: User, custom_id: str, values: list[str]) -> dict[str, Any]:
    """`data` of a choice from a select; of channels, roles and users their ids."""
    _check_visible(message, user)
    found = next(c for c in walk(message.components) if c.get("custom_id") == custom_id)
    assert not found.get("disabled"), f"select {custom_id!r} is disabled"
    least, most = found.get("min_values", 1), found.get("max_values", 1)
    assert least <= len(values) <= most, f"{values} are not {least} to {most}"
    data = {"component_type": found["type"], "custom_id": custom_id, "id": found["id"]}
    data |= {"values": values}
    guild = message.channel.guild
    if found["type"] == STRING_SELECT:
        offered = [option["value"] for option in found["options"]]
        assert set(values) <= set(offered), f"{values} are not all among {offered}"
    elif found["type"] == ROLE_SELECT and guild is not None:
        roles = {str(role.id): role.json() for role in guild.roles}
        data["resolved"] = {"roles": {value: roles[value] for value in values}}
    elif found["type"] == USER_SELECT:
        data["resolved"] = {
            "users": {value: User("Someone", id=int(value)).json() for value in values}
        }
    elif guild is not None:
        channels = {
            str(one.id): one.json() | {"permissions": str(user.permissions & ~one.forbidden)}
            for one in guild.channels
        }
        types = [channels[value]["type"] for value in values]
        assert set(types) <= set(found["channel_types"]), f"channels of types {types}"
        data["resolved"] = {"channels": {value: channels[value] for value in values}}
    return data


def _check_visible(message: Message, user: User) -> None:
    assert not message.deleted, "the message is gone"
    owner = message.interaction.user if message.interaction else None
    assert not message.ephemeral or owner is user, f"{user.name} cannot see this message"


def modal_data(interaction: Interaction, values: dict[str, str]) -> dict[str, Any]:
    """`data` of a filled-in modal, inputs named by custom_id."""
    modal = interaction.modal
    assert modal, "no modal was shown"
    kinds = (TEXT_INPUT, STRING_SELECT)
    inputs = {c["custom_id"]: c for c in walk(modal["components"]) if c["type"] in kinds}
    assert set(values) <= set(inputs), f"{set(values)} are not all among {set(inputs)}"
    components = []
    for custom_id, one in inputs.items():
        filled = {"type": one["type"], "id": 0, "custom_id": custom_id}
        filled |= _filled_in(one, values.get(custom_id))
        labelled = any(c["type"] == 18 and c["component"] is one for c in modal["components"])
        kind, key, inner = (18, "component", filled) if labelled else (1, "components", [filled])
        components.append({"type": kind, "id": 0, key: inner})
    return {"custom_id": modal["custom_id"], "components": components}


def _filled_in(one: dict[str, Any], value: str | None) -> dict[str, Any]:
    name = one["custom_id"]
    if one["type"] == STRING_SELECT:
        assert value in [option["value"] for option in one["options"]], f"{name}: {value!r}"
        return {"values": [value]}
    text = (one.get("value") or "") if value is None else value
    assert text or not one.get("required", True), f"{name} must be filled in"
    assert len(text) <= (one.get("max_length") or 4_000), f"{name} is too long"
    return {"value": text}


def payload(interaction: Interaction, application_id: int) -> dict[str, Any]:
    """INTERACTION_CREATE (docs: receiving-and-responding#interaction-object)."""
    channel, user = interaction.channel, interaction.user
    installed = channel.bot_access and (channel.guild is None or channel.guild.installed)
    body = {
        "id": str(interaction.id),
        "application_id": str(application_id),
        "type": interaction.kind,
        "data": interaction.data,
        "token": interaction.token,
        "version": 1,
        "locale": interaction.locale,
        "channel_id": str(channel.id),
        "channel": channel.json() | {"permissions": str(user.permissions)},
        "app_permissions": str(channel.app_permissions),
        "entitlements": [],
        "authorizing_integration_owners": _owners(channel, user, installed=installed),
        "context": channel.context,
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if channel.guild is not None:
        guild = channel.guild
        about = {"id": str(guild.id), "locale": guild.locale, "features": []}
        body |= {"guild_id": str(guild.id), "guild_locale": guild.locale, "guild": about}
        body["member"] = user.member_json()
    else:
        body["user"] = user.json()
    if interaction.pressed is not None:
        body["message"] = interaction.pressed.json()
    return body


def _owners(channel: Channel, user: User, *, installed: bool) -> dict[str, str]:
    if not installed:
        return {"1": str(user.id)}
    return {"0": str(channel.guild.id) if channel.guild else "0"}
