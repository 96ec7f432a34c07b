//! `devices:`: the user's own plugins, and what a device is to leave to other programs.

use llm_manager_policy::devices::{Requirement, SharedDevice};
use llm_manager_policy::spec::DevicePluginSpec;
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::validate::command;

/// Both, in the order of the file.
pub(super) fn read(walk: &mut Walk<'_>, root: &Fields<'_>) -> (Vec<DevicePluginSpec>, Vec<SharedDevice>) {
    let (mut plugins, mut shared) = (Vec::new(), Vec::new());
    let mut names: Vec<&str> = Vec::new();
    let path = root.at("devices");
    let entries = root.value("devices").and_then(Value::as_sequence).into_iter().flatten();
    for (index, entry) in entries.enumerate() {
        let fields = walk.fields(Section::Device, &path.item(index), entry);
        walk.refuse_unknown(&fields);
        let name = fields.text("name").unwrap_or_default();
        let at = fields.at("name");
        if !name.is_empty() && names.contains(&name) {
            walk.error(&at, format!("another device has the name {name:?}"), None);
        }
        names.push(name);
        if fields.is_given("command") {
            if name.eq_ignore_ascii_case("cpu") {
                let hint = Some("choose another name".to_owned());
                walk.error(&at, "`cpu` is the name of a built-in device", hint);
            }
            let command = command(walk, &fields, "command");
            plugins.push(DevicePluginSpec { name: name.to_owned(), command });
        }
        let (keep_free_mib, give_way) =
            (fields.whole("keep_free_mb").unwrap_or_default(), fields.flag("give_way"));
        if keep_free_mib > 0 || give_way {
            match Requirement::parse(name) {
                Ok(device) => shared.push(SharedDevice { device, keep_free_mib, give_way }),
                Err(why) if !name.is_empty() => walk.error(&at, format!("{name:?} {why}"), None),
                Err(_) => {}
            }
        } else if !fields.is_given("command") && fields.is_mapping {
            let hint = "write `command` for a device of your own, `keep_free_mb` or `give_way` for one that is built in";
            walk.error(&fields.path, "says nothing about the device", Some(hint.to_owned()));
        }
        if give_way && keep_free_mib == 0 {
            let hint = "write in `keep_free_mb` what another program may take at once, such as 2000";
            walk.warn(
                &fields.at("give_way"),
                "models make way only when another program has taken their memory already",
                Some(hint.to_owned()),
            );
        }
    }
    (plugins, shared)
}
