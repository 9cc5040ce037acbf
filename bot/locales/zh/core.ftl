# 简体中文。键名与变量同 ../en/core.ftl。

## 错误
error-unknown-genre = { $given ->
    [none] 要哪种类型？请选择：{ $choices }。
   *[other] { $nearest ->
        [none] 没有“{ $given }”这种类型。请选择：{ $choices }。
       *[other] 没有“{ $given }”这种类型。是不是想选 { $nearest }？请选择：{ $choices }。
    }
}
error-prompt-too-long = 这个开头有 { $length } 个字符，最多 { $limit } 个。请缩短一些。
error-title-too-long = 这个标题有 { $length } 个字符，最多 { $limit } 个。请缩短一些。
error-line-too-long = 这一行有 { $length } 个字符，最多 { $limit } 个。请缩短一些。
error-nothing-to-read = 里面没有可读的内容。请写几个字。
error-not-a-number = { $given ->
    [none] 哪个故事？请给出编号，例如 12。
   *[other] “{ $given }”不是故事编号。请给出编号，例如 12。
}
error-not-a-choice = { $given ->
    [none] 请选择（{ $what }）：{ $choices }。
   *[other] 没有“{ $given }”这个选项（{ $what }）。请选择：{ $choices }。
}
error-blocked-words = 里面有这里不欢迎的词。请换一种说法。
error-bad-pattern = 无法使用模式 { $given }。它不能匹配一切内容，也不能使用环视或反向引用。
error-word-list-too-long = 列表最多 { $entries } 条，每条最多 { $length } 个字符。
error-story-not-found = 这里没有故事 #{ $id }。
error-story-hidden = 故事 #{ $id } 已隐藏，等待管理员查看。
error-own-report = 这是你自己的故事，可以直接删除。
error-already-reported = 你已经举报过故事 #{ $id }。谢谢，管理员已经知道了。
error-not-moderator = 只有管理员可以这样做。
error-blocked-member = 这里的管理员不允许我为你做这件事。
error-no-stories = 这里还没有故事。用 /story 写一个吧。
error-own-story = 不能给自己的故事投票，别人会投的。
error-not-yours = 只有故事 #{ $id } 的作者可以这样做。
error-not-finished = 故事 #{ $id } 还没有写完，不能这样做。
error-already-ended = 故事 #{ $id } 已经不在写了。
error-nothing-to-cancel = 你没有正在等待或正在写的故事。
error-queue-full = 等待的故事太多，现在无法再接。请大约 { $minutes } 分钟后再试。
error-too-many-pending = 你已有 { $limit } 个故事在等待或正在写。请等一个写完，或取消一个。
error-quota-used = 最近 { $hours } 小时里你已经要了 { $limit } 个故事，已达上限。请晚些再来。
error-cooling-down = 请等 { $seconds } 秒再写下一个故事。
error-models-turn = 我正在写下一行。请等我写完再继续。
error-others-first = 上一行是你写的，请让别人接着写；{ $minutes } 分钟后你可以再写。
error-too-many-rounds = 这里已经有 { $limit } 个接龙故事在进行。请接着写其中一个，或者让它结束。
error-lines-used = 你在过去 { $hours } 小时里已经写了 { $limit } 行，我不能再接更多了。请稍后再来。
error-only-in-servers = 这只能在服务器里使用。
error-bot-needs = 我需要在 #{ $channel } 的权限：{ $permissions }。请告诉服务器的管理者。
list-and = { $before }和{ $last }
error-no-right-there = 你自己不能在 #{ $channel } 发言。
error-not-posted = 刚才没能发到 #{ $channel }。请再试一次。
error-wrong-code = 这个代码不对、已用过，或已超过十分钟。/link 会给你一个新的。
error-own-code = 这是你自己的代码。请在你的另一个平台上输入。
error-platform-taken = 你们双方在 { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
} 都已有账号，而一个人在每个平台只能关联一个。/unlink 可以分开。
error-not-linked = 这个账号没有与其他账号关联。
error-too-many-tries = 错误的代码太多了。请在 { $minutes } 分钟后再试。
error-changed-meanwhile = 在你修改时别人已经改过了，以他们的修改为准。请看一下，再重新修改。
error-store-busy = 现在太忙，没能记下来，也没有任何改动。请再试一次。
error-stopping = 我正在关闭。请一分钟后再试。
error-unexpected = 我这边出了问题，没有丢失任何东西。请再试一次。
error-out-of-bounds = “{ $given }”不行。请给出 { $least } 到 { $most } 之间的整数。
error-not-manager = 只有管理这个社区的人可以这样做。
error-not-in-this-channel = 我不在这个频道写故事。
error-adults-only = 在这里，我只在有年龄限制的频道写故事。
error-unknown-command = 没有命令 { $command }。/help 列出全部命令。

## 故事为什么失败
failure-error = 故事没能写成。用 /retry { $id } 再试一次。
failure-empty = 这个开头没能让我想到什么。试试 /retry { $id }，或换一个开头。
failure-gave-up = 这个故事屡写屡败，我放弃了。请换一个开头。
failure-lost = 我跟丢了这个故事；下次重启后会写完。

## 故事的一生
story-queued = { $position ->
    [1] 下一个就是你。
   *[other] 你排在第 { $position } 位。
}
story-queued-wait = { $position ->
    [1] 下一个就是你
   *[other] 你排在第 { $position } 位
}，大约还要 { $wait }。
story-waiting = 正在等待写作者。
story-thinking = 构思中 …
story-cancelled = 已取消。
story-cancelled-id = 故事 #{ $id } 已取消。
story-hidden = 有成员举报了这个故事。它已隐藏，等待管理员查看。
story-deleted = 这个故事已删除。
story-byline = #{ $id } · { $genre } · { $author }
story-written-by = 由 { $model } 写成，种子 { $seed }
story-continues = 续 #{ $id }
story-version-of = #{ $id } 的另一版本
story-versions = 各版本：
story-author-forgotten = 已离开的人
wait-seconds = { $n } 秒
wait-minutes = { $n } 分钟

## 列表
top-title = 最佳故事
top-title-genre = 最佳故事：{ $genre }
top-everywhere = 所有社区
top-every-genre = 所有类型
top-nothing = 这里什么也没有。请换一种类型或时间。
period-all = 全部时间
period-day = 今日
period-week = 本周
period-month = 本月
profile-stories = { $n } 个故事
profile-votes = 得票：👍 { $ups } 👎 { $downs }
profile-genre = 最擅长：{ $genre }
profile-best = 最佳故事：{ $title } · #{ $id }
stats-title = 投票与故事
stats-about = { $stories } 个故事，{ $votes } 票。
stats-by-genre = 各类型得票
stats-by-day = 最近 30 天
stats-up = 赞成
stats-down = 反对
stats-stories = 故事
stats-votes = 投票
mine-title = 你的故事
queue-line = { $waiting } 个故事在等待，{ $writing } 个正在写。
queue-wait = 新故事大约 { $wait } 后开始。
queue-mine-waiting = 你的故事 #{ $id } 排在第 { $position } 位。
queue-mine-writing = 你的故事 #{ $id } 正在写。
genres-title = 类型与开头

## 投票
vote-counted-up = 已给故事 #{ $id } 投 👍。现有 { $ups } 赞成，{ $downs } 反对。
vote-counted-down = 已给故事 #{ $id } 投 👎。现有 { $ups } 赞成，{ $downs } 反对。
vote-cleared = 已收回你对故事 #{ $id } 的投票。现有 { $ups } 赞成，{ $downs } 反对。
vote-held-young = 这一票已保存但不计入：你的账号在这里还太新。以后请再投一次。
vote-held-burst = 这一票已保存但暂不计入：许多新来者同时投了一样的票。管理员可以让它计入。

## One person on several platforms
link-account = { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
} 上的 { $name }
link-with = 在这里你们是同一个人：{ $accounts }。
link-code = 你的代码是 { $code }。请在十分钟内到你的另一个平台上对我输入 /link { $code }，两个账号在这里就是同一个人：每个故事一票，一份个人资料，一份每日数量。不要把代码给别人：它是你在这里一切的钥匙。
link-ask = { $account } 是你吗？如果代码是别人发给你的，请到此为止：之后从任一账号都能导出、删除和忘记双方的一切。如果是你：两个账号成为同一个人，每个故事一票（投过两次的以后一次为准），一份个人资料，一份每日数量。
link-done = 完成。你和 { $account } 在这里是同一个人了。/unlink 可以再分开。
link-undone = 完成。这个账号重新独立，保留在这个平台上所做的一切。

## 关于
about-text =
    我按你选的类型写电影短故事；大家投票，好故事名列前茅。
about-model = 模型：{ $model }（修订 { $revision }），{ $parameters } 百万参数，运行于 { $device }。许可：{ $licence }。
about-adapter = 类型适配器：{ $hash }。
about-no-model = 还没有载入模型；故事会等到有模型为止。
privacy-text =
    我保存你在这个平台的名字和编号、你要的故事和你给我的文字、你的投票、你的举报、你管理社区时所做的事，以及你关联了哪些账号。仅此而已，也不会传到别处。
    /export 把这一切作为文件给你。/forget 将其删除（包括你关联的所有账号）：你的故事失去文字，你的投票不再计数，你做过的事不再带你的名字。在屏蔽你的地方，你的编号仍留在名单上。聊天中已有的消息会留在那里。
export-done = 这是我保存的关于你的一切。
forget-ask = 这会永久删除你的故事的文字和你的投票，关联的账号也包括在内；先用 /unlink 则可保留它们。确定吗？
forget-done = 完成。{ $stories } 个故事失去了文字，{ $votes } 票已删除。

## 帮助
help-title = 我能做什么
help-story = 写一个故事：选类型，也可以给出“标题”和开头
help-continue = 续写一个写完的故事
help-retry = 一个故事的另一版本；原来的保留
help-cancel = 停止你等待中或正在写的故事
help-read = 读一个故事
help-random = 随便一个故事
help-top = 最佳故事，按类型，以及今日、本周、本月或全部时间
help-mine = 你的故事
help-vote = 投赞成或反对，或收回投票
help-queue = 排队的情况
help-genres = 各类型和推荐的开头
help-about = 故事是谁写的
help-link = 与你在另一平台的账号成为同一个人
help-unlink = 把这个账号与其他平台的账号分开
help-privacy = 我保存了你的什么
help-export = 以文件取得你的数据
help-forget = 删除你的数据
help-help = 这份列表

## 只有文字的平台上怎样输入
usage-story = /story 类型 ["标题"] [开头] [length:long]
usage-continue = /continue 编号 [开头]
usage-retry = /retry 编号
usage-cancel = /cancel [编号]
usage-read = /read 编号
usage-random = /random [类型]
usage-top = /top [类型] [day|week|month|all] [everywhere]
usage-mine = /mine
usage-vote = /vote 编号 up|down|clear
usage-queue = /queue
usage-genres = /genres
usage-about = /about
usage-link = /link [CODE]
usage-unlink = /unlink
usage-privacy = /privacy
usage-export = /export
usage-forget = /forget
usage-help = /help

## 管理社区
language-name = 简体中文
length-short = 短
length-medium = 中
length-long = 长
settings-title = 设置
settings-pick = 想改什么？
setting-channels = 频道
setting-genres = 类型
setting-length = 通常长度
setting-longest = 最长故事
setting-daily_quota = 每日故事数
setting-cooldown_s = 故事间隔
setting-exempt_roles = 豁免身份组
setting-age_restricted_only = 仅限成人
setting-min_account_age_days = 投票所需账号年龄
setting-burst_protection = 防止集中投票
setting-report_threshold = 隐藏所需举报数
setting-in_global_top = 列入总榜
setting-digest = 精选
setting-digest_channel = 精选频道
setting-digest_hour = 精选时间
setting-hall_channel = 名人堂
setting-hall_votes = 入堂票数
setting-words = 不欢迎的词
setting-language = 语言
setting-about-channels = 可以在哪里要故事
setting-about-genres = 可以要哪些类型
setting-about-length = 作者没有指定长度时
setting-about-longest = 更长的会截到这个长度
setting-about-daily_quota = 一名成员 24 小时内可以要几个
setting-about-cooldown_s = 同一成员两个故事之间的秒数
setting-about-exempt_roles = 不受你们的每日数量和间隔限制
setting-about-age_restricted_only = 只在有年龄限制的频道写故事
setting-about-min_account_age_days = 天；更新的账号的票会保存但不计入
setting-about-burst_protection = 许多新来者同时投的票会保存但不计入
setting-about-report_threshold = 多少次举报会隐藏故事，等管理员查看
setting-about-in_global_top = 你们的最佳故事可在其他社区列出和阅读
setting-about-digest = 多久发布一次最佳故事
setting-about-digest_channel = 在哪里发布精选
setting-about-digest_hour = UTC 整点；每周精选在星期一
setting-about-hall_channel = 很多人喜欢的故事在哪里再发一次
setting-about-hall_votes = 赞成票减反对票要达到的数目
setting-about-words = 每行一个；/colou?r/ 是模式
setting-about-language = 这里所有人读到的内容所用的语言
setting-default-channels = 不限
setting-default-genres = 全部
setting-default-daily_quota = 以机器人允许的为准
setting-default-cooldown_s = 无
setting-default-exempt_roles = 无
setting-default-min_account_age_days = 不限
setting-default-report_threshold = 不隐藏
setting-default-digest_channel = 无
setting-default-hall_channel = 无
setting-default-words = 以机器人运营者的为准
setting-default-language = 社区自己的语言
setting-days = { $n } 天
setting-yes = 是
setting-no = 否
setting-oclock = { $hour }:00 UTC
digest-off = 关闭
digest-day = 每天
digest-week = 每周
digest-title-day = 今日最佳
digest-title-week = 本周最佳
setting-entries = 自己的 { $n } 条
audit-title = 谁改了什么
audit-nothing = 还没有任何改动。
audit-setting = { $actor } 把“{ $setting }”从 { $before } 改为 { $after }。
audit-cancel = { $actor } 取消了故事 #{ $id }。
audit-end = { $actor } 结束了故事 #{ $id }。
audit-keep = { $actor } 保留了故事 #{ $id }。
audit-delete = { $actor } 删除了故事 #{ $id }。
audit-release = { $actor } 让故事 #{ $id } 被扣下的票计入。
audit-block = { $actor } 屏蔽了 { $member }。
audit-unblock = { $actor } 解除了对 { $member } 的屏蔽。
help-stats = 各类型和每天的投票，以图片显示
help-member = 一名成员的故事、得票和最擅长的类型
help-together = 一起写接龙故事：你写一行，我接下一行
help-moderate = 被举报的故事、未计入的票、被屏蔽的人；供管理员使用
help-settings = 这里的故事规则；供管理社区的人使用

## 开始一个故事
begin-title = 新故事
begin-ask = 想要哪种故事？
begin-genre = 类型
begin-how = 选一个开头，或自己写：
begin-opening = 开头
begin-give-back = 你写的文字，以免丢失：

## 分享与删除
share-ask = 把故事 #{ $id } 发到哪里？
share-where = 频道或子区
share-done = 故事 #{ $id } 已发到 #{ $channel }。
delete-ask = 这会永久删除故事 #{ $id } 的文字和投票，包括这里和所有发过的地方。确定吗？
delete-done = 故事 #{ $id } 已删除。

## 举报
report-title = 举报故事
report-reason = 有什么问题？可以不说。
report-done = 谢谢。管理员会查看故事 #{ $id }。
report-done-hidden = 谢谢。故事 #{ $id } 已隐藏，等待管理员查看。
moderate-title = 被举报的故事 { $number } / { $total }
moderate-nothing = 没有等待处理的故事。
moderate-reports = { $n } 次举报
moderate-is-hidden = 已隐藏
moderate-is-shown = 仍在显示
moderate-jump = 查看消息
blocked-title = 被屏蔽的成员
blocked-nobody = 没有人被屏蔽。
blocked-about = 他们可以阅读，但不能要故事、投票或举报。
blocked-add = 屏蔽一名成员
blocked-remove = 解除屏蔽

## Votes that are not counted
held-title = 未计入的票：第 { $number } 个故事，共 { $total } 个
held-votes = { $n } 票未计入：{ $young } 票来自新账号，{ $burst } 票来自集中投票
held-about = 在你让它们计入之前，它们不在任何票数和排名里；已计入的不会再被扣下。
held-nothing = 这里没有被扣下的票。

## 接龙故事
round-title = 接龙故事
round-members-turn = 第 { $n } 行，最多 { $most } 行。{ $author ->
    [none] 谁都可以接着写。
   *[other] 上一行是 { $author } 写的，现在请其他人接着写。
}
round-models-turn = 我正在写下一行……
round-line = 接下来发生了什么？
round-first-line = 故事的开头；我接着写
round-whole = 到目前为止的全文

## 按钮
button-enter = 输入数字
button-edit-list = 编辑列表
button-history = 谁改了什么
button-own-opening = 自己写开头
button-no-opening = 给我惊喜
button-line = 写一行
button-whole = 从头看
button-end = 结束
button-share = 分享
button-report = 举报
button-delete-yes = 是的，删除
button-keep = 保留
button-delete = 删除
button-held = 未计入的票
button-release = 让它们计入
button-block = 屏蔽作者
button-blocked = 被屏蔽的成员
button-back = 返回
button-newer = 较新
button-older = 较旧
button-continue = 续写
button-retry = 另一版本
button-cancel = 取消
button-link = 是的，是我
button-forget = 是的，忘记我
