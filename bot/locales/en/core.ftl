# What every platform says. One sentence a key; values in braces come from the code;
# an empty one arrives as "none", to be selected on.

## Errors: one for each MemberError of bot/errors.py
error-unknown-genre = { $given ->
    [none] Which genre? Choose one of: { $choices }.
   *[other] { $nearest ->
        [none] I don't know the genre “{ $given }”. Choose one of: { $choices }.
       *[other] I don't know the genre “{ $given }”. Did you mean { $nearest }? Choose one of: { $choices }.
    }
}
error-prompt-too-long = That opening has { $length } characters; I can take { $limit }. Please shorten it.
error-title-too-long = That title has { $length } characters; I can take { $limit }. Please shorten it.
error-line-too-long = That line has { $length } characters; I can take { $limit }. Please shorten it.
error-nothing-to-read = There is nothing to read in that. Please write a few words.
error-not-a-number = { $given ->
    [none] Which story? Give its number, such as 12.
   *[other] “{ $given }” is not a story's number. Give a number such as 12.
}
error-not-a-choice = { $given ->
    [none] Please say which { $what }: { $choices }.
   *[other] I don't know the { $what } “{ $given }”. Choose one of: { $choices }.
}
error-blocked-words = That has a word in it which is not welcome here. Please put it another way.
error-bad-pattern = I can't use the pattern { $given }. It may not match everything, and it can't look around or back.
error-word-list-too-long = The list takes { $entries } entries of up to { $length } characters each.
error-story-not-found = There is no story #{ $id } here.
error-story-hidden = Story #{ $id } is hidden until a moderator has looked at it.
error-own-report = That is your own story. You can delete it.
error-already-reported = You have reported story #{ $id } already. Thank you; the moderators know.
error-not-moderator = Only moderators can do that.
error-blocked-member = The moderators here don't let me do that for you.
error-no-stories = No stories here yet. Begin one with /story.
error-own-story = You can't vote on your own story. Others will.
error-not-yours = Only the author of story #{ $id } can do that.
error-not-finished = Story #{ $id } is not finished, so that can't be done with it.
error-already-ended = Story #{ $id } is not being written any more.
error-nothing-to-cancel = None of your stories is waiting or being written.
error-queue-full = So many stories are waiting that I can't take another now. Please try again in about { $minutes ->
    [one] a minute
   *[other] { $minutes } minutes
}.
error-too-many-pending = { $limit ->
    [one] You have a story waiting or being written already. Please wait for it to finish, or cancel it.
   *[other] You have { $limit } stories waiting or being written already. Please wait for one to finish, or cancel one.
}
error-quota-used = You have asked for { $limit ->
    [one] one story
   *[other] { $limit } stories
} in the last { $hours ->
    [one] hour
   *[other] { $hours } hours
}, which is as many as I may write for you. Please come back later.
error-cooling-down = Please wait { $seconds ->
    [one] a second
   *[other] { $seconds } seconds
} before your next story.
error-models-turn = I am just writing the next line. Please wait for it, then go on.
error-others-first = You wrote the last line. Please let others go on; in { $minutes ->
    [one] a minute
   *[other] { $minutes } minutes
} you may again.
error-too-many-rounds = { $limit } stories in turns are open here already. Go on with one of them, or end it.
error-lines-used = You have added { $limit } lines in the last { $hours ->
    [one] hour
   *[other] { $hours } hours
}, which is as many as I may answer. Please come back later.
error-only-in-servers = That works in a server only.
error-bot-needs = I need { $permissions } in #{ $channel }. Please ask whoever manages this server.
list-and = { $before } and { $last }
error-no-right-there = You may not write in #{ $channel } yourself.
error-not-posted = I could not post that in #{ $channel } just now. Please try again.
error-wrong-code = That code is wrong, used or older than ten minutes. /link gives you a new one.
error-own-code = That is your own code. Type it on your other platform.
error-platform-taken = Both of you have an account on { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
} already, and a person can link one on each platform. /unlink parts them.
error-not-linked = This account is not linked with any other.
error-too-many-tries = Those were too many wrong codes. Please try again in { $minutes ->
    [one] a minute
   *[other] { $minutes } minutes
}.
error-changed-meanwhile = Somebody else changed that while you did, and their change holds. Look at it, then make yours again.
error-store-busy = I am too busy to write that down right now, and nothing was changed. Please try again.
error-stopping = I am just shutting down. Please try again in a minute.
error-unexpected = Something went wrong on my side, and nothing was lost. Please try again.
error-out-of-bounds = “{ $given }” won't do. Please give a whole number from { $least } to { $most }.
error-not-manager = Only those who manage this community can do that.
error-not-in-this-channel = I write no stories in this channel.
error-adults-only = Here I write stories in age-restricted channels only.
error-unknown-command = I don't know the command { $command }. /help lists them all.

## Why a story failed
failure-error = The story could not be written. Try again with /retry { $id }.
failure-empty = Nothing came to me for that opening. Try /retry { $id }, or another opening.
failure-gave-up = Writing this story failed again and again, so I gave it up. Try another opening.
failure-lost = I lost sight of this story; it will be finished after my next restart.

## A story's life
story-queued = { $position ->
    [one] You are next.
   *[other] You are number { $position } in line.
}
story-queued-wait = { $position ->
    [one] You are next
   *[other] You are number { $position } in line
}, about { $wait }.
story-waiting = Waiting for a writer.
story-thinking = Thinking …
story-cancelled = Cancelled.
story-cancelled-id = Story #{ $id } is cancelled.
story-hidden = Members reported this story. It is hidden until a moderator has looked at it.
story-deleted = This story was deleted.
story-byline = #{ $id } · { $genre } by { $author }
story-written-by = written by { $model }, seed { $seed }
story-continues = continues #{ $id }
story-version-of = another version of #{ $id }
story-versions = Versions:
story-author-forgotten = someone who left
wait-seconds = { $n ->
    [one] a second
   *[other] { $n } seconds
}
wait-minutes = { $n ->
    [one] a minute
   *[other] { $n } minutes
}

## Lists
top-title = The best stories
top-title-genre = The best { $genre } stories
top-everywhere = everywhere
top-every-genre = every genre
top-nothing = Nothing here. Choose another genre or time.
period-all = all time
period-day = day
period-week = week
period-month = month
profile-stories = { $n ->
    [one] One story
   *[other] { $n } stories
}
profile-votes = Votes received: 👍 { $ups } 👎 { $downs }
profile-genre = Best at: { $genre }
profile-best = Best story: { $title } · #{ $id }
stats-title = Votes and stories
stats-about = { $stories ->
    [one] One story
   *[other] { $stories } stories
}, { $votes ->
    [one] one vote
   *[other] { $votes } votes
}.
stats-by-genre = Votes by genre
stats-by-day = By day, in the last 30
stats-up = up
stats-down = down
stats-stories = stories
stats-votes = votes
mine-title = Your stories
queue-line = { $waiting ->
    [0] Nobody is waiting
    [one] One story is waiting
   *[other] { $waiting } stories are waiting
}, { $writing ->
    [0] none is being written
    [one] one is being written
   *[other] { $writing } are being written
}.
queue-wait = A new story would begin in about { $wait }.
queue-mine-waiting = Your story #{ $id } is number { $position } in line.
queue-mine-writing = Your story #{ $id } is being written.
genres-title = Genres and ways to begin

## Voting
vote-counted-up = 👍 for story #{ $id }. It has { $ups } up, { $downs } down.
vote-counted-down = 👎 for story #{ $id }. It has { $ups } up, { $downs } down.
vote-cleared = Your vote on story #{ $id } is taken back. It has { $ups } up, { $downs } down.
vote-held-young = It is kept, but not counted: your account is too young for that here. Give it again when it is older.
vote-held-burst = It is kept, but not counted for now: many newcomers vote alike on this story. A moderator can count it.

## One person on several platforms
link-account = { $name } on { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
}
link-with = You are one person here: { $accounts }.
link-code = Your code is { $code }. Type /link { $code } to me on your other platform within ten minutes, and both accounts are one person here: one vote on a story, one profile, one number of stories a day. Give the code to nobody else: it is the key to what you have here.
link-ask = Are you { $account }? If somebody sent you this code, stop here: from either account everything of both can then be exported, deleted and forgotten. If it is you: both become one person, with one vote on a story (of two, the later counts), one profile and one number of stories a day.
link-done = Done. You and { $account } are one person here. /unlink parts you again.
link-undone = Done. This account stands by itself again, with what was done on this platform.

## About
about-text =
    I write short film stories in a genre you choose; you vote, and the best rise.
about-model = Model: { $model } (revision { $revision }), { $parameters } million parameters, on { $device }. Licence: { $licence }.
about-adapter = Genre adapter: { $hash }.
about-no-model = No model is loaded yet; stories wait until one is.
privacy-text =
    I keep your name and id on this platform, the stories you ask for with the words you give me, your votes, your reports, what you do in running a community, and which accounts you linked. That is all, and it goes nowhere else.
    /export gives you all of it as a file. /forget removes it, of all accounts you linked: your stories lose their words, your votes stop counting, what you did loses your name. Where you are blocked, your id stays on the list. Messages that stand in a chat already stay there.
export-done = Here is everything I keep about you.
forget-ask = This removes your stories' words and your votes for good, those of linked accounts too; /unlink first would keep them. Are you sure?
forget-done = Done. { $stories ->
    [0] There were no stories
    [one] One story lost its words
   *[other] { $stories } stories lost their words
} and { $votes ->
    [0] there were no votes
    [one] one vote is gone
   *[other] { $votes } votes are gone
}.

## Help: what a command does
help-title = What I can do
help-story = write a story: a genre, then if you like a "title" and how it begins
help-continue = go on with a finished story
help-retry = another version of a story; the old one stays
help-cancel = stop your story, waiting or being written
help-read = read a story
help-random = any story
help-top = the best stories, by genre and of the day, week, month or all time
help-mine = your stories
help-vote = vote up or down, or clear your vote
help-queue = how long the line is
help-genres = the genres, with suggested openings
help-about = what writes the stories
help-link = be one person here with your account on another platform
help-unlink = part this account from those on other platforms
help-privacy = what I keep about you
help-export = your data as a file
help-forget = remove your data
help-help = this list

## Help: what to type, where a platform has only text
usage-story = /story GENRE ["TITLE"] [OPENING] [length:long]
usage-continue = /continue ID [OPENING]
usage-retry = /retry ID
usage-cancel = /cancel [ID]
usage-read = /read ID
usage-random = /random [GENRE]
usage-top = /top [GENRE] [day|week|month|all] [everywhere]
usage-mine = /mine
usage-vote = /vote ID up|down|clear
usage-queue = /queue
usage-genres = /genres
usage-about = /about
usage-link = /link [CODE]
usage-unlink = /unlink
usage-privacy = /privacy
usage-export = /export
usage-forget = /forget
usage-help = /help

## Running a community
language-name = English
length-short = short
length-medium = medium
length-long = long
settings-title = Settings
settings-pick = What would you like to change?
setting-channels = Channels
setting-genres = Genres
setting-length = Usual length
setting-longest = Longest story
setting-daily_quota = Stories a day
setting-cooldown_s = Pause between stories
setting-exempt_roles = Exempt roles
setting-age_restricted_only = Adults only
setting-min_account_age_days = Account age for votes
setting-burst_protection = Against bursts of votes
setting-report_threshold = Reports that hide
setting-in_global_top = In the list of all
setting-digest = Digest
setting-digest_channel = Digest's channel
setting-digest_hour = Digest's hour
setting-hall_channel = Hall of fame
setting-hall_votes = Votes for the hall
setting-words = Unwelcome words
setting-language = Language
setting-about-channels = Where stories may be asked for
setting-about-genres = Which genres may be asked for
setting-about-length = Of stories whose author names no length
setting-about-longest = Longer ones are cut to this length
setting-about-daily_quota = How many one member may ask for in 24 hours
setting-about-cooldown_s = Seconds between two stories of one member
setting-about-exempt_roles = Free of your daily number and your pause
setting-about-age_restricted_only = Stories in age-restricted channels only
setting-about-min_account_age_days = Days; votes of younger accounts are kept, but not counted
setting-about-burst_protection = Votes of many newcomers at once are kept, but not counted
setting-about-report_threshold = Reports that hide a story until a moderator looks
setting-about-in_global_top = Your best may be listed and read in other communities
setting-about-digest = How often I post the best stories
setting-about-digest_channel = Where I post the digest
setting-about-digest_hour = O'clock, UTC; a week's digest comes on Monday
setting-about-hall_channel = Where I post a story once more when many like it
setting-about-hall_votes = Up votes less down votes that a story needs
setting-about-words = One a line; /colou?r/ is a pattern
setting-about-language = Of what everybody reads here
setting-default-channels = everywhere
setting-default-genres = all
setting-default-daily_quota = as many as the bot allows
setting-default-cooldown_s = none
setting-default-exempt_roles = none
setting-default-min_account_age_days = any
setting-default-report_threshold = none
setting-default-digest_channel = nowhere
setting-default-hall_channel = nowhere
setting-default-words = those of the bot's operator
setting-default-language = the community's own
setting-days = { $n ->
    [one] a day
   *[other] { $n } days
}
setting-yes = yes
setting-no = no
setting-oclock = { $hour }:00 UTC
digest-off = off
digest-day = every day
digest-week = every week
digest-title-day = The best of the day
digest-title-week = The best of the week
setting-entries = { $n ->
    [one] one of your own
   *[other] { $n } of your own
}
audit-title = Who changed what
audit-nothing = Nothing has been changed yet.
audit-setting = { $actor } changed “{ $setting }” from { $before } to { $after }.
audit-cancel = { $actor } cancelled story #{ $id }.
audit-end = { $actor } ended story #{ $id }.
audit-keep = { $actor } kept story #{ $id }.
audit-delete = { $actor } deleted story #{ $id }.
audit-release = { $actor } let the votes held back on story #{ $id } count.
audit-block = { $actor } blocked { $member }.
audit-unblock = { $actor } let { $member } in again.
help-stats = votes by genre and day, as a picture
help-member = a member's stories, votes and best genre
help-together = write a story in turns: you add a line, I add the next
help-moderate = reported stories, votes not counted, and who is blocked; for moderators
help-settings = what holds for stories here; for those who manage this community

## Beginning a story
begin-title = A new story
begin-ask = What kind of story shall it be?
begin-genre = A genre
begin-how = Choose a way to begin, or write your own:
begin-opening = An opening
begin-give-back = Your words, so that they are not lost:

## Sharing and deleting
share-ask = Where shall I post story #{ $id }?
share-where = A channel or thread
share-done = Story #{ $id } is in #{ $channel } now.
delete-ask = This removes the words and votes of story #{ $id } for good, here and wherever it was posted. Are you sure?
delete-done = Story #{ $id } is deleted.

## Reports
report-title = Report a story
report-reason = What is wrong with it? You need not say.
report-done = Thank you. The moderators will look at story #{ $id }.
report-done-hidden = Thank you. Story #{ $id } is hidden until a moderator has looked at it.
moderate-title = Reported story { $number } of { $total }
moderate-nothing = No story waits for a moderator.
moderate-reports = { $n ->
    [one] one report
   *[other] { $n } reports
}
moderate-is-hidden = hidden
moderate-is-shown = still shown
moderate-jump = to the message
blocked-title = Blocked members
blocked-nobody = Nobody is blocked.
blocked-about = They can read, but not ask for stories, vote or report.
blocked-add = Block a member
blocked-remove = Let someone in again

## Votes that are not counted
held-title = Votes not counted: story { $number } of { $total }
held-votes = { $n ->
    [one] one vote
   *[other] { $n } votes
} not counted: { $young ->
    [one] one young account
   *[other] { $young } young accounts
}, { $burst } in a burst
held-about = They are in no count and no ranking until you let them count; what you let count stays so.
held-nothing = No votes are held back here.

## Rounds: stories in turns
round-title = A story in turns
round-members-turn = Line { $n } of { $most } at most. { $author ->
    [none] Anybody may go on.
   *[other] { $author } wrote last; now others may go on.
}
round-models-turn = I am writing the next line …
round-line = What happens next?
round-first-line = How it begins; I go on
round-whole = The whole story so far

## Buttons
button-enter = Enter a number
button-edit-list = Edit the list
button-history = Who changed what
button-own-opening = My own opening
button-no-opening = Surprise me
button-line = Add a line
button-whole = From the beginning
button-end = The end
button-share = Share
button-report = Report
button-delete-yes = Yes, delete it
button-keep = Keep
button-delete = Delete
button-held = Votes not counted
button-release = Let them count
button-block = Block author
button-blocked = Blocked members
button-back = Back
button-newer = Newer
button-older = Older
button-continue = Continue
button-retry = Another version
button-cancel = Cancel
button-link = Yes, that is me
button-forget = Yes, forget me
