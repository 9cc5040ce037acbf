# What only Telegram says.
telegram-in-private = Please ask me that in our private chat: what I keep about you is for your eyes only.
telegram-not-your-button = Only the one who asked can press that.
telegram-old-button = That button is from another time. Please ask me again.
telegram-for-example = For example:
telegram-in-groups = Please ask me that in the group it is about.
telegram-settings-in-private = The settings of this group are in our private chat.
telegram-button-open = Open
telegram-reply-number = Reply to this message with a whole number from { $least } to { $most }.
telegram-reply-words = Reply to this message with words to add, one a line; a line between slashes, such as /colou?r/, is a pattern. Put a minus before a line to take it off the list.
telegram-moderate-in-private = Reported stories wait in our private chat, where nobody reads along.
telegram-button-say-why = Say why
telegram-reply-reason = Reply to this message and say what is wrong with it.
telegram-reply-opening = Reply to this message with how it begins, in up to { $most } characters. A title goes in quotes before it.
telegram-button-to-group = To the group
telegram-about-short = Short film stories in a genre you choose. You vote; the best rise.
telegram-button-another = Another story
telegram-button-begin = Begin
