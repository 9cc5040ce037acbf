# What only Telegram says.
telegram-in-private = Please ask me that in our private chat: what I keep about you is for your eyes only.
telegram-not-your-button = Only the one who asked can press that.
telegram-old-button = That button is from another time. Please ask me again.
telegram-for-example = For example:
