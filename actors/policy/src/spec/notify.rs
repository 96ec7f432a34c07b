//! `notify:`: to whom word goes out, and in which form.

use super::Secret;
use crate::notify::NoticeKind;

/// One entry of `notify:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySpec {
    /// By which it is tested, and known in the log.
    pub name: String,
    /// How word gets there.
    pub way: DeliveryMethod,
    /// What it is told; never empty.
    pub events: Vec<NoticeKind>,
}

/// How word gets to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryMethod {
    /// A POST.
    Webhook {
        /// http or https. It is a secret: whoever knows that of Slack can write there.
        url: Secret,
        /// What the server understands.
        form: WebhookFormat,
        /// With what a notice is signed, or what opens the server.
        secret: Option<Secret>,
    },
    /// A program that gets the notice as JSON; `{title}`, `{text}`, `{event}` and `{subject}` are filled in.
    Command(Vec<String>),
    /// A program that takes a mail, such as `sendmail -i -t`.
    Mail {
        /// Program and arguments.
        command: Vec<String>,
        /// Addresses; never empty.
        to: Vec<String>,
        /// Whose mail it is; `None`: the program decides.
        from: Option<String>,
    },
}

/// What a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFormat {
    /// The manager's own.
    Json,
    /// ntfy's, on ntfy.sh or a server of one's own.
    Ntfy,
    /// An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat, Discord's `/slack`).
    Slack,
    /// A custom bot of Feishu or Lark.
    Feishu,
}

impl DeliveryMethod {
    /// The word for it, as `format` has it; a command without a format is `json`.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Webhook { form, .. } => form.text(),
            Self::Command(_) => "json",
            Self::Mail { .. } => "mail",
        }
    }

    /// Where word goes, without what is secret: the host of a webhook, the program of a command.
    pub fn place(&self) -> String {
        match self {
            Self::Webhook { url, .. } => {
                let url = url.reveal();
                let after = url.find("://").map_or(0, |at| at + 3);
                let end = url.get(after..).and_then(|rest| rest.find(['/', '?', '#'])).map(|at| after + at);
                url.get(..end.unwrap_or(url.len())).unwrap_or_default().to_owned()
            }
            Self::Command(words) => words.first().cloned().unwrap_or_default(),
            Self::Mail { to, .. } => to.join(", "),
        }
    }

    /// What of it may stand in no log.
    pub fn secrets(&self) -> Vec<String> {
        let Self::Webhook { url, secret, .. } = self else { return Vec::new() };
        let whole = url.reveal();
        // A server may repeat the path alone.
        let after = whole.find("://").map_or(0, |at| at + 3);
        let path = whole.get(after..).and_then(|rest| rest.find('/').and_then(|at| rest.get(at + 1..)));
        let path = path.filter(|path| path.len() >= 16).map(str::to_owned);
        let secret = secret.as_ref().map(|secret| secret.reveal().to_owned());
        [Some(whole.to_owned()).filter(|_| path.is_some()), path, secret].into_iter().flatten().collect()
    }
}

impl WebhookFormat {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ntfy => "ntfy",
            Self::Slack => "slack",
            Self::Feishu => "feishu",
        }
    }

    /// The form of this word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Json, Self::Ntfy, Self::Slack, Self::Feishu].into_iter().find(|form| form.text() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str) -> DeliveryMethod {
        DeliveryMethod::Webhook {
            url: Secret::new(url.to_owned()),
            form: WebhookFormat::Slack,
            secret: Some(Secret::new("s-1".to_owned())),
        }
    }

    #[test]
    fn a_place_tells_no_secret() {
        for (url, place) in [
            ("https://hooks.slack.com/services/T0/B0/abcdef", "https://hooks.slack.com"),
            ("http://[::1]:80?key=x", "http://[::1]:80"),
            ("http://box", "http://box"),
            ("https://a.b/hook/x", "https://a.b"),
            ("box/x", "box"),
        ] {
            assert_eq!(webhook(url).place(), place);
        }
        let long = "https://hooks.slack.com/services/T0/B0/abcdef";
        assert_eq!(webhook(long).secrets(), [long, "services/T0/B0/abcdef", "s-1"]);
        let short = "https://a.b/0123456789abcdef";
        assert_eq!(webhook(short).secrets(), [short, "0123456789abcdef", "s-1"]);
        assert_eq!(webhook("http://box/hook").secrets(), ["s-1"], "a short path is part of too many words");
    }
}
