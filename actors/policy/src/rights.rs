//! Rights: what a key may do, and of which models it may ask.

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Send requests to models.
    Infer,
    /// Look at what the manager shows.
    Read,
    /// Start and stop models; includes `Read`.
    Operate,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 4] = [Self::Infer, Self::Read, Self::Operate, Self::Admin];

    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The scope of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.text() == word)
    }

    /// Whether whoever has this scope may do what wants the other one.
    pub fn includes(self, wanted: Self) -> bool {
        self == Self::Admin || self == wanted || (self == Self::Operate && wanted == Self::Read)
    }
}

/// The scope that a request to the management wants; `path` below `/api`. What is not known to be harmless is an admin's.
pub fn wanted(method: &str, path: &str) -> Scope {
    let is_below =
        |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // They hold secrets, or commands that run as the manager's user.
    if ["/config", "/keys", "/debug"].into_iter().any(is_below) && path != "/config/schema" {
        return Scope::Admin;
    }
    // Other people's words.
    if path.starts_with("/requests/") && path.ends_with("/capture") {
        return Scope::Admin;
    }
    if matches!(method, "GET" | "HEAD") {
        return Scope::Read;
    }
    let operates =
        ["/models", "/devices", "/pause", "/resume", "/requests", "/notify"].into_iter().any(is_below);
    if operates { Scope::Operate } else { Scope::Admin }
}

/// Whether one of these patterns is meant by one of these names. No pattern: everything is.
pub fn may_use<'a>(patterns: &[String], names: impl Iterator<Item = &'a str> + Clone) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| names.clone().any(|name| matches(pattern, name)))
}

/// Whether `pattern`, in which `*` stands for any letters and `?` for one, is `text`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last star was, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(one) if *one == '?' || one == letter => (at, seen) = (at + 1, seen + 1),
            _ => {
                let Some((back, taken)) = star else { return false };
                star = Some((back, taken + 1));
                (at, seen) = (back + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("bge*", "bge-m3", true),
            ("bge*", "my-bge", false),
            ("*14b*", "qwen-14b-chat", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybz", false),
            ("模*", "模型", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
        let long = "a".repeat(2000);
        assert!(!matches(&"*a".repeat(500), &format!("{long}b")), "no explosion");
        assert!(may_use(&[], ["any"].into_iter()));
        assert!(may_use(&["gpt*".to_owned()], ["qwen", "gpt-4"].into_iter()));
        assert!(!may_use(&["gpt*".to_owned()], ["qwen"].into_iter()));
    }

    #[test]
    fn scopes() {
        use Scope::{Admin, Infer, Operate, Read};
        let included = |scope: Scope| Scope::ALL.into_iter().filter(move |wanted| scope.includes(*wanted));
        assert_eq!(included(Infer).collect::<Vec<_>>(), [Infer]);
        assert_eq!(included(Read).collect::<Vec<_>>(), [Read]);
        assert_eq!(included(Operate).collect::<Vec<_>>(), [Read, Operate]);
        assert_eq!(included(Admin).collect::<Vec<_>>(), Scope::ALL);
        for (method, path, scope) in [
            ("GET", "/models", Read),
            ("POST", "/models/a/start", Operate),
            ("POST", "/requests/1/cancel", Operate),
            ("POST", "/notify/ops/test", Operate),
            ("GET", "/config", Admin),
            ("GET", "/config/schema", Read),
            ("GET", "/configuration", Read),
            ("POST", "/config/reload", Admin),
            ("GET", "/keys", Admin),
            ("PUT", "/billing/a", Admin),
            ("DELETE", "/storage/a", Admin),
            ("POST", "/shutdown", Admin),
            ("POST", "/something/new", Admin),
        ] {
            assert_eq!(wanted(method, path), scope, "{method} {path}");
        }
    }
}
