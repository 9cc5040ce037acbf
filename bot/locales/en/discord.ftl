# What only Discord says: options of commands, and what its interactions bring with them.

discord-option-genre = What kind of story
discord-option-prompt = How it begins; leave it out and I begin myself
discord-option-line = How it begins; leave it out and I begin myself
discord-option-title = A title for it
discord-option-length = How long; medium unless you say so
discord-option-id = The story's number
discord-option-cancel-id = The story's number; your newest unless you say so
discord-option-code = The code you were given on another platform; leave it out to get one
discord-option-period = Since when; all time unless you say so
discord-option-vote = Up, down, or take your vote back
discord-option-where = Here, or in all communities that share theirs
discord-option-user = Whose; your own unless you say so

discord-menu-continue = Continue this as a story

discord-commands-changed = My commands have just changed. Please reload Discord (Ctrl+R) and try again in a minute.
discord-read-later = This takes longer than Discord lets me write here. Read it later with /read { $id }.
discord-channels = Ask me there: { $channels }

permission-view_channel = View Channel
permission-send_messages = Send Messages
permission-send_messages_in_threads = Send Messages in Threads
permission-embed_links = Embed Links
permission-attach_files = Attach Files
