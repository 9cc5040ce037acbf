discord-option-genre = 哪种故事
discord-option-prompt = 怎样开头；不写就由我来开头
discord-option-line = 故事的开头；不填就由我来开头
discord-option-title = 标题
discord-option-length = 多长；不指定就是中等
discord-option-id = 故事编号
discord-option-cancel-id = 故事编号；不指定就是你最新的一个
discord-option-code = 我在另一平台给你的代码；不写就给你一个
discord-option-period = 从什么时候起；不指定就是全部时间
discord-option-vote = 赞成、反对，或收回投票
discord-option-where = 这里，或所有共享的社区
discord-option-user = 谁的；不指定就是你自己的

discord-menu-continue = 以此续写故事

discord-commands-changed = 我的命令刚刚变了。请刷新 Discord（Ctrl+R），一分钟后再试。
discord-read-later = 这要花的时间超过了 Discord 允许我在这里写的时间。稍后用 /read { $id } 阅读。
discord-channels = 请到那里找我：{ $channels }

permission-view_channel = 查看频道
permission-send_messages = 发送消息
permission-send_messages_in_threads = 在子区内发送消息
permission-embed_links = 嵌入链接
permission-attach_files = 附加文件
