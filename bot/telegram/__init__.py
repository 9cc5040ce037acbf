"""Telegram: one of the doors. Translates updates into use cases of `bot.service` and back."""
