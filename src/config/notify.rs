//! `notify:`: whom word goes out to, and in which form.

use std::path::{Path, PathBuf};

use llm_manager_policy::notify::NoticeKind;
use llm_manager_policy::spec::{BadUrl, DeliveryMethod, NotifySpec, Secret, UrlPlace, WebhookFormat};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::validate::command;
use super::{key_specs, suggest};

/// Where mail programs are, if not in PATH: that of a service often lacks these.
const SENDMAIL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// The entries in the order of the file.
pub(super) fn read(walk: &mut Walk<'_>, root: &Fields<'_>) -> Vec<NotifySpec> {
    let path = root.at("notify");
    let mut specs: Vec<NotifySpec> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (index, value) in root.value("notify").and_then(Value::as_sequence).into_iter().flatten().enumerate()
    {
        let fields = walk.fields(Section::Notify, &path.item(index), value);
        walk.refuse_unknown(&fields);
        let name = fields.text("name").unwrap_or_default();
        if let Err(why) = key_specs::check_word(name)
            && !name.is_empty()
        {
            walk.error(&fields.at("name"), why, None);
        }
        if let Some(other) = names.iter().position(|other| *other == name && !name.is_empty()) {
            let hint = Some("`llm-manager notify test NAME` must mean one of them: rename one".to_owned());
            walk.error(&fields.at("name"), format!("is also the name of entry {}", other + 1), hint);
        }
        names.push(name);
        let events = events(walk, &fields);
        if let Some(way) = way(walk, &fields) {
            specs.push(NotifySpec { name: name.to_owned(), way, events });
        }
    }
    specs
}

fn events(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<NoticeKind> {
    let words = || NoticeKind::ALL.into_iter().map(NoticeKind::text);
    let mut events = Vec::new();
    for (index, word) in fields.texts("events").into_iter().enumerate() {
        match NoticeKind::of(word) {
            Some(kind) if !events.contains(&kind) => events.push(kind),
            Some(_) => {}
            None => {
                let hint = suggest::hint(word, words(), || {
                    format!("the events are {}", words().collect::<Vec<_>>().join(", "))
                });
                walk.error(&fields.at("events").item(index), format!("unknown event {word:?}"), Some(hint));
            }
        }
    }
    if fields.value("events").is_some() && fields.texts("events").is_empty() {
        let hint = Some("leave it out for all of them, or remove the entry".to_owned());
        walk.error(&fields.at("events"), "is empty: nothing would be told", hint);
    }
    if events.is_empty() { NoticeKind::ALL.to_vec() } else { events }
}

/// `None`: what is said of it is wrong, and told.
fn way(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<DeliveryMethod> {
    let format = fields.text("format").unwrap_or_default().to_ascii_lowercase();
    let given = |name: &str| fields.is_given(name);
    let misplaced = |walk: &mut Walk<'_>, names: &[&str], with: &str| {
        for name in names.iter().filter(|name| given(name)) {
            let hint = Some("remove it".to_owned());
            walk.error(&fields.at(name), format!("has no meaning with {with}"), hint);
        }
    };
    if format == "mail" {
        misplaced(walk, &["webhook", "secret"], "`format: mail`");
        return mail(walk, fields);
    }
    misplaced(walk, &["to", "from"], &format!("`format: {format}`"));
    match (given("webhook"), given("command")) {
        (true, true) => {
            let hint = Some("keep one of them, and put the other into an entry of its own".to_owned());
            walk.error(&fields.at("command"), "there is a `webhook`, too", hint);
            None
        }
        (true, false) => {
            let form = WebhookFormat::of(&format)?;
            if form == WebhookFormat::Slack {
                misplaced(walk, &["secret"], "`format: slack`, whose address is the secret");
            }
            webhook(walk, fields, form)
        }
        (false, true) => {
            misplaced(walk, &["secret"], "a `command`: nothing is signed");
            if format != "json" {
                let hint = Some("leave it out: the command gets JSON on standard input".to_owned());
                walk.error(&fields.at("format"), format!("`{format}` is what a webhook speaks"), hint);
            }
            let words = program(walk, fields);
            if let Some(at) = script_with_words(&words) {
                let hint = r#"write `$1` there and the words behind it: ["sh", "-c", "notify-send \"$1\"", "sh", "{title}"]"#;
                let message = "a shell runs what is filled in here, and output of a backend is part of it";
                walk.warn(&fields.at("command").item(at), message, Some(hint.to_owned()));
            }
            (!words.is_empty()).then_some(DeliveryMethod::Command(words))
        }
        (false, false) => {
            if fields.is_mapping {
                let hint = "add `webhook: https://...`, `command: [...]`, or `format: mail` with `to`";
                walk.error(&fields.path, "says neither `webhook` nor `command`", Some(hint.to_owned()));
            }
            None
        }
    }
}

fn webhook(walk: &mut Walk<'_>, fields: &Fields<'_>, form: WebhookFormat) -> Option<DeliveryMethod> {
    let at = fields.at("webhook");
    let url = match key_specs::resolve(walk.base_dir, fields.text("webhook")?) {
        Ok(url) => url,
        Err(why) => {
            walk.error(&at, why, None);
            return None;
        }
    };
    let secret = match fields.text("secret").map(|text| key_specs::resolve(walk.base_dir, text)) {
        None => None,
        Some(Ok(secret)) => Some(Secret::new(secret)),
        Some(Err(why)) => {
            walk.error(&fields.at("secret"), why, None);
            return None;
        }
    };
    // Nothing that is told of it repeats more than its host.
    let place = match place(&url) {
        Ok(place) => place,
        Err(message) => {
            walk.error(&at, message, Some("write it like https://hooks.example.com/PATH".to_owned()));
            return None;
        }
    };
    if url.parse::<awc::http::Uri>().is_err() {
        let hint = Some("write it as a browser shows it, without spaces".to_owned());
        walk.error(&at, format!("what follows {} is no address", place.host), hint);
        return None;
    }
    let topic = url.split('/').skip(3).collect::<String>();
    if form == WebhookFormat::Ntfy && (topic.is_empty() || topic.contains(['?', '#'])) {
        let hint = Some("write the topic behind the server: https://ntfy.sh/my-topic".to_owned());
        walk.error(&at, "names no topic", hint);
        return None;
    }
    if !place.tls && !place.is_near() && (form != WebhookFormat::Json || secret.is_none()) {
        let hint = Some("write https://, if it speaks it".to_owned());
        walk.warn(&at, format!("what is told goes to {} unencrypted", place.host), hint);
    }
    Some(DeliveryMethod::Webhook { url: Secret::new(url), form, secret })
}

/// Where it is; its path is anybody's.
fn place(url: &str) -> Result<UrlPlace, &'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    UrlPlace::parse(&format!("{scheme}://{authority}/-")).map_err(|wrong| match wrong {
        BadUrl::Scheme => "begins with neither http:// nor https://",
        BadUrl::Port => "has a port that is none",
        BadUrl::User => "has a name or a password in it, which is not sent",
        _ => "names no host",
    })
}

fn mail(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<DeliveryMethod> {
    let to = match fields.value("to") {
        Some(Value::String(one)) => vec![one.clone()],
        _ => fields.texts("to").into_iter().map(str::to_owned).collect(),
    };
    if to.is_empty() && (!fields.is_given("to") || fields.value("to").is_some()) {
        let hint = Some("add `to: ops@example.com`".to_owned());
        walk.error(&fields.path, "says not to whom the mail goes", hint);
    }
    let from = fields.text("from").map(str::to_owned);
    for (name, address) in to.iter().map(|to| ("to", to)).chain(from.iter().map(|from| ("from", from))) {
        // It stands in a line of its own in the mail, and ASCII is what every server takes.
        let fits =
            address.is_ascii() && !address.contains([',', ';', '\r', '\n']) && !address.starts_with('-');
        if !fits || address.trim().is_empty() {
            let hint = Some("write it like ops@example.com, or `Ops <ops@example.com>`".to_owned());
            walk.error(&fields.at(name), format!("expected a mail address, got {address:?}"), hint);
        }
    }
    let command = if fields.is_given("command") { program(walk, fields) } else { sendmail(walk, fields) };
    (!command.is_empty() && !to.is_empty()).then_some(DeliveryMethod::Mail { command, to, from })
}

fn sendmail(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let program = in_path("sendmail").then(|| "sendmail".to_owned());
    let program =
        program.or_else(|| SENDMAIL.into_iter().find(|path| Path::new(path).is_file()).map(str::to_owned));
    let Some(program) = program else {
        let hint = Some("install one (msmtp-mta, postfix, ...), or name another in `command`".to_owned());
        walk.error(&fields.at("format"), "this machine has no program `sendmail`", hint);
        return Vec::new();
    };
    [&program, "-i", "-t"].map(str::to_owned).into()
}

/// `command`, of which the program must be there: when it is wanted, nobody looks.
fn program(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let words = command(walk, fields, "command");
    if let Some(program) = words.first().filter(|program| !program.contains(['/', std::path::MAIN_SEPARATOR]))
        && !in_path(program)
    {
        let hint = Some("install it, or write its full path".to_owned());
        walk.error(&fields.at("command").item(0), format!("there is no program {program:?} in PATH"), hint);
    }
    words
}

/// Which of these words a shell runs as its script, with something to fill in.
fn script_with_words(words: &[String]) -> Option<usize> {
    let program = words.first()?.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
    let program = program.strip_suffix(".exe").unwrap_or(&program);
    let is_script = |flag: &str| match program {
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "fish" => {
            flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('c')
        }
        "cmd" => flag.eq_ignore_ascii_case("/c") || flag.eq_ignore_ascii_case("/k"),
        "powershell" | "pwsh" => flag.eq_ignore_ascii_case("-command") || flag.eq_ignore_ascii_case("-c"),
        _ => false,
    };
    let at = words.iter().position(|word| is_script(word))? + 1;
    let filled = ["{title}", "{text}", "{subject}", "{event}"];
    words.get(at).filter(|script| filled.iter().any(|word| script.contains(word))).map(|_| at)
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |folder: PathBuf| {
        let file = folder.join(program);
        file.is_file() || (cfg!(windows) && file.with_extension("exe").is_file())
    };
    std::env::split_paths(&path).any(is_there)
}

#[cfg(test)]
mod tests {
    use super::script_with_words;

    #[test]
    fn words_that_a_shell_would_run_are_found() {
        let of = |words: &[&str]| {
            script_with_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["sh", "-c", "notify-send {title}"]), Some(2));
        assert_eq!(of(&["/bin/bash", "-x", "-lc", "say '{text}'"]), Some(3));
        assert_eq!(of(&["cmd.exe", "/C", "echo {subject}"]), Some(2));
        assert_eq!(of(&["pwsh", "-Command", "Show {event}"]), Some(2));
        assert_eq!(of(&["sh", "-c", "notify-send \"$1\"", "sh", "{title}"]), None);
        assert_eq!(of(&["sh", "-c", "cat > /dev/null"]), None);
        assert_eq!(of(&["notify-send", "-c", "{title}"]), None);
        assert_eq!(of(&["sh", "notify.sh", "{title}"]), None);
        assert_eq!(of(&[]), None);
    }
}
