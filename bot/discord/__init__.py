"""Discord: slash commands, buttons and streamed story cards over `StoryService`.

`client.DiscordPlatform` is the way in. Knows no SQL, no torch and no other platform.
"""
