"""Discord: slash commands, buttons and streamed story cards over `StoryService`.

`client.run_discord` is the way in. Knows no SQL, no torch and no other platform.
"""
