# Sentences of the console alone.
console-welcome = You are { $name }. Try: /story horror A lonely lighthouse. /help lists the commands, Ctrl-C stops a story, Ctrl-D leaves.
console-now = You are { $name } now.
console-help-more = Also: /as NAME speaks as another member, /quit leaves. Ctrl-C stops the story being written.
