# 只有 Telegram 才说的话。
telegram-in-private = 请在我们的私聊里问我：我保存的关于你的内容只给你看。
telegram-not-your-button = 只有发起的人才能按这个。
telegram-old-button = 这个按钮已过时。请重新向我发起。
telegram-for-example = 例如：
telegram-in-groups = 请在相关的群组里问我。
telegram-settings-in-private = 本群的设置在我们的私聊里。
telegram-button-open = 打开
telegram-reply-number = 请回复此消息，写一个从 { $least } 到 { $most } 的整数。
telegram-reply-words = 请回复此消息，写下要添加的词，每行一个；斜线之间的一行（如 /colou?r/）是模式。在一行前加减号，就把它从列表中去掉。
telegram-moderate-in-private = 被举报的故事在我们的私聊里等待处理，那里没有旁人看到。
telegram-button-say-why = 说明原因
telegram-reply-reason = 请回复此消息，说说有什么问题。
telegram-reply-opening = 请回复此消息，写下故事的开头，最多 { $most } 个字符。标题放在前面，加引号。
telegram-button-to-group = 前往群组
telegram-about-short = 按你选的类型写电影短篇。大家投票，最好的排在前面。
telegram-button-another = 再来一个故事
telegram-button-begin = 开始
