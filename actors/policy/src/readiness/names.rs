//! By which name a backend may know a model, in the order in which it is asked.

use crate::spec::Launch;

/// What the configuration calls a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelNames {
    own: NameCandidate,
    aliases: Vec<String>,
    /// `served_name`.
    served: Option<NameCandidate>,
    /// The words of the command that started it: mlx_lm.server and others know a model by the path that they were given.
    launch: Vec<String>,
}

/// A model in a backend's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name there.
    pub name: String,
    /// Whether the backend says that it is loaded.
    pub loaded: bool,
    /// Tokens of context, if it says so.
    pub context: Option<u64>,
}

/// A backend's list of models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In its order.
    pub models: Vec<ListedModel>,
    /// Who wrote it, as `owned_by` says of the first.
    pub owner: Option<String>,
}

impl Listing {
    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        self.models.iter().map(|model| model.name.clone()).collect()
    }

    /// Whether another manager wrote it.
    pub(super) fn is_of_manager(&self) -> bool {
        self.owner.as_deref() == Some("llm-manager")
    }

    fn has(&self, name: &str) -> bool {
        self.models.iter().any(|model| model.name == name)
    }

    /// The context of the model of this name, or of the only one.
    pub(super) fn context(&self, name: &str) -> Option<u64> {
        let named = self.models.iter().find(|model| model.name == name);
        let only = || match &self.models[..] {
            [only] => Some(only),
            _ => None,
        };
        named.or_else(only)?.context
    }

    /// Whether it has models, that name is none of theirs, and names matter.
    pub(super) fn lists_others_than(&self, name: &str) -> bool {
        !self.models.is_empty() && !self.has(name) && !self.takes_any_name()
    }

    /// llama-server serves its one model under any name. As a router, it lists several.
    fn takes_any_name(&self) -> bool {
        self.models.len() == 1 && self.owner.as_deref() == Some("llamacpp")
    }
}

/// A name to ask by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameCandidate {
    pub(super) name: String,
    /// Requests must be sent on under this name once it is accepted.
    pub(super) forced: bool,
}

impl ModelNames {
    /// The names of a model; `served` is `served_name`.
    pub fn new(own: &str, aliases: &[String], served: Option<&str>) -> Self {
        let candidate = |name: &str, forced| NameCandidate { name: name.to_owned(), forced };
        Self {
            own: candidate(own, false),
            aliases: aliases.to_vec(),
            served: served.map(|name| candidate(name, true)),
            launch: Vec::new(),
        }
    }

    /// The same for a backend that was started with this command.
    #[must_use]
    pub fn launched_by(mut self, launch: &Launch) -> Self {
        if let Launch::Command(words) = launch {
            self.launch.clone_from(words);
        }
        self
    }

    /// Whether the command names it, as a word of its own or behind `--model=`. A relative path is listed from the root.
    fn is_launched(&self, name: &str) -> bool {
        let is_name = |word: &str| {
            let path = word.strip_prefix("./").unwrap_or(word);
            let below =
                name.strip_suffix(path).is_some_and(|root| root.starts_with('/') && root.ends_with('/'));
            word == name || (word.contains('/') && below)
        };
        self.launch.iter().any(|word| {
            let value =
                word.split_once('=').filter(|(flag, _)| flag.starts_with('-')).map(|(_, value)| value);
            is_name(word.as_str()) || value.is_some_and(is_name)
        })
    }

    pub(super) fn own(&self) -> NameCandidate {
        self.own.clone()
    }

    pub(super) fn fallback(&self) -> &NameCandidate {
        self.served.as_ref().unwrap_or(&self.own)
    }

    /// Never the first of a list because it is the first: that may load a foreign model, or cost money.
    pub(super) fn candidates(&self, listing: Option<&Listing>) -> Vec<NameCandidate> {
        if let Some(served) = &self.served {
            return vec![served.clone()];
        }
        let nothing = Listing::default();
        let listing = listing.unwrap_or(&nothing);
        let forced = |name: &str| NameCandidate { name: name.to_owned(), forced: true };
        if listing.takes_any_name() {
            return vec![self.own()];
        }
        if listing.has(&self.own.name) {
            return vec![forced(&self.own.name)];
        }
        if let Some(alias) = self.aliases.iter().find(|alias| listing.has(alias)) {
            return vec![forced(alias)];
        }
        let mut loaded = listing.models.iter().filter(|model| model.loaded);
        if let (Some(only), None) = (loaded.next(), loaded.next()) {
            return vec![forced(&only.name)];
        }
        let mut launched = listing.models.iter().filter(|model| self.is_launched(&model.name));
        if let (Some(only), None) = (launched.next(), launched.next()) {
            return vec![forced(&only.name)];
        }
        let aliases = self.aliases.iter().map(|alias| forced(alias));
        let only = match &listing.models[..] {
            [only] => Some(forced(&only.name)),
            _ => None,
        };
        // The one that is listed before aliases: it is there.
        std::iter::once(self.own()).chain(only).chain(aliases).collect()
    }

    /// The name for a server that is asked nothing but what it has: the configured one, else one that it lists.
    pub(super) fn elsewhere(&self, listing: Option<&Listing>) -> String {
        let own = &self.fallback().name;
        let Some(listing) = listing.filter(|_| self.served.is_none()) else { return own.clone() };
        let known = std::iter::once(own).chain(&self.aliases).find(|name| listing.has(name));
        match (known, &listing.models[..]) {
            (Some(known), _) => known.clone(),
            (None, [only]) => only.name.clone(),
            (None, _) => own.clone(),
        }
    }

    /// An alias to try on a backend that has taken the model's own name from its list: does it take any?
    pub(super) fn curious(
        &self,
        accepted: &NameCandidate,
        listing: Option<&Listing>,
    ) -> Option<NameCandidate> {
        let is_own = self.served.is_none() && accepted.forced && accepted.name == self.own.name;
        let alias = self.aliases.first().filter(|_| is_own)?;
        let known = listing.is_some_and(|listing| listing.has(alias));
        (!known).then(|| NameCandidate { name: alias.clone(), forced: false })
    }
}

/// Whether an answer says that the model isn't known by the name that was asked for. Engines have no common form
/// for that; what they have in common is that they speak of the model, or repeat the name.
pub(super) fn says_wrong_name(status: u16, text: &str, asked: &str) -> bool {
    const UNKNOWN: [&str; 20] = [
        "not found",
        "not_found",
        "notfound",
        "does not exist",
        "doesn't exist",
        "not exist",
        "no such",
        "no model",
        "unknown",
        "cannot find",
        "can't find",
        "could not find",
        "couldn't find",
        "invalid model",
        "pinned",
        "not available",
        "not loaded",
        "not recognized",
        "unsupported model",
        "not served",
    ];
    const OF_A_PATH: [&str; 5] = ["url", "route", "endpoint", "file not found", "page not found"];
    if !matches!(status, 400 | 404 | 422) {
        return false;
    }
    let text = text.to_lowercase();
    let unknown = UNKNOWN.iter().any(|words| text.contains(words));
    let of_model = text.contains("model") || (!asked.is_empty() && text.contains(&asked.to_lowercase()));
    let of_path = OF_A_PATH.iter().any(|words| text.contains(words));
    let names_it = !asked.is_empty() && text.contains(&asked.to_lowercase());
    match status {
        // A path that isn't there is answered with 404, too, in few words.
        404 => unknown && (names_it || !of_path) && (of_model || text.contains("find")),
        _ => unknown && of_model,
    }
}
