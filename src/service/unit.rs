//! The text of the unit.

use llm_manager_policy::spec::Spec;
use std::path::Path;
use std::time::Duration;

/// What the unit is made from.
pub(super) struct Unit<'a> {
    pub(super) exe: &'a Path,
    pub(super) config: &'a Path,
    pub(super) spec: &'a Spec,
    /// Whose rights it has; `None`: a unit of the user's own manager, which has the user's anyway.
    pub(super) account: Option<&'a str>,
    /// It is part of a package, made before anybody knows the configuration.
    pub(super) packaged: bool,
}

/// The shortest `TimeoutStopSec` of a package's unit: models of a configuration to come may need long to stop.
const PACKAGED_STOP: Duration = Duration::from_secs(300);

/// A unit may not have ProtectClock, PrivateDevices or anything else that implies DeviceAllow: a systemd of before the end of
/// 2022 (that of Ubuntu 22.04 or Debian 11) leaves a unit with ProtectClock the clock and no other device.
const CARDS: &str = "\
# NVIDIA's library makes the devices of its cards when they are first used, by a program that is setuid root, which this unit's processes\n\
# can't run (NoNewPrivileges).\n\
ExecStartPre=-+/bin/sh -c 'if [ -x /usr/bin/nvidia-modprobe ]; then /usr/bin/nvidia-modprobe -c 0 -u; fi'\n";

impl Unit<'_> {
    pub(super) fn text(&self) -> String {
        let folder = self.config.parent().unwrap_or(Path::new("/"));
        let (account, wanted_by) = match self.account {
            Some(account) => (format!("User={account}\n"), "multi-user.target"),
            None => (String::new(), "default.target"),
        };
        let stop = self.longest_stop().as_secs();
        let (origin, state) = if self.packaged {
            let origin = "# Put changes of your own into `systemctl edit llm-manager`.\n";
            (origin, "StateDirectory=llm-manager\nStateDirectoryMode=0750\n")
        } else {
            let origin = "# Written by `llm-manager service install`, and overwritten by the next one. Put changes of your own\n\
                          # into `systemctl edit llm-manager`.\n";
            (origin, "")
        };
        // A unit of a user may not set up mounts, which these need.
        let system_only = if self.account.is_some() {
            format!(
                "ProtectSystem=full\nReadWritePaths={}\nProtectKernelTunables=yes\n\
                 ProtectKernelModules=yes\nProtectKernelLogs=yes\nProtectControlGroups=yes\n\
                 ProtectHostname=yes\n{}",
                quoted(&format!("-{}", folder.display())),
                // Root without its rights couldn't even read the files of others; it is left as it is.
                if matches!(self.account, Some("root" | "0")) { "" } else { "CapabilityBoundingSet=\n" }
            )
        } else {
            String::new()
        };
        format!(
            "{origin}\
             [Unit]\n\
             Description=LLM-Manager: one OpenAI-compatible address for many local model servers\n\
             After=network-online.target postgresql.service nvidia-persistenced.service\n\
             Wants=network-online.target\n\
             StartLimitIntervalSec=300\n\
             StartLimitBurst=10\n\
             \n\
             [Service]\n\
             Type=notify\n\
             NotifyAccess=main\n\
             ExecStart={exe} --config {config} serve\n\
             ExecReload=/bin/kill -HUP $MAINPID\n\
             {cards}\
             WorkingDirectory={folder}\n\
             {account}\
             {state}\
             Restart=on-failure\n\
             RestartSec=2\n\
             # The manager reports that it is alive every 30 s; one that hangs is killed and restarted.\n\
             WatchdogSec=60\n\
             TimeoutStartSec=300\n\
             # Time for running responses to finish, and for the backends' stop_timeout.\n\
             TimeoutStopSec={stop}\n\
             # The manager stops its backends itself; whatever is left afterwards is killed with the service.\n\
             KillMode=mixed\n\
             # A backend that the kernel kills for want of memory is one model's trouble: by default systemd would stop the manager,\n\
             # and all other models with it.\n\
             OOMPolicy=continue\n\
             LimitNOFILE=1048576\n\
             UMask=0077\n\
             # Backends have the same limits, and sudo doesn't work in scripts: give the service's user the rights\n\
             # itself (the groups video, render or docker, for example).\n\
             NoNewPrivileges=yes\n\
             RestrictSUIDSGID=yes\n\
             LockPersonality=yes\n\
             RestrictRealtime=yes\n\
             SystemCallArchitectures=native\n\
             {system_only}\
             \n\
             [Install]\n\
             WantedBy={wanted_by}\n",
            cards = if self.account.is_some() { CARDS } else { "" },
            exe = quoted(&self.exe.to_string_lossy()),
            config = quoted(&self.config.to_string_lossy()),
            folder = directory(folder),
        )
    }

    /// The longest that a stop in order may take.
    fn longest_stop(&self) -> Duration {
        let models = self.spec.models.iter().map(|model| model.stop_timeout).max().unwrap_or_default();
        let longest = self.spec.program.drain_timeout + models + Duration::from_secs(30);
        if self.packaged { longest.max(PACKAGED_STOP) } else { longest }
    }
}

/// A path as a word of a command: in quotes, without anything that systemd would fill in.
fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => word.extend(['\\', letter]),
            '%' | '$' => word.extend([letter, letter]),
            _ => word.push(letter),
        }
    }
    word.push('"');
    word
}

/// A path that is a whole value: quotes would be a part of it.
fn directory(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(account: Option<&str>) -> String {
        let yaml = b"program: {drain_timeout: 20}\nLocal-Models:\n  m: {mode: Chat, stop_timeout: 40, V: {command: [sh]}}\n";
        let spec = crate::config::parse(yaml, Path::new("/srv/my models/config.yaml")).unwrap().spec;
        let exe = Path::new("/opt/50% \"off\"/llm-manager");
        Unit { exe, config: Path::new("/srv/my models/config.yaml"), spec: &spec, account, packaged: false }
            .text()
    }

    #[test]
    fn the_package_has_this_unit() {
        let config = Path::new("/etc/llm-manager/config.yaml");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let yaml = std::fs::read(root.join("packaging/debian/config.yaml")).unwrap();
        let spec = crate::config::parse(&yaml, config).unwrap().spec;
        let exe = Path::new("/usr/bin/llm-manager");
        let unit = Unit { exe, config, spec: &spec, account: Some("llm-manager"), packaged: true };
        crate::reference::assert_fresh("packaging/debian/llm-manager.service", &unit.text());
    }

    #[test]
    fn paths_are_words_whatever_they_hold() {
        let text = text(Some("ai"));
        let start = "\nExecStart=\"/opt/50%% \\\"off\\\"/llm-manager\" --config \"/srv/my models/config.yaml\" serve\n";
        assert!(text.contains(start), "{text}");
        assert!(text.contains("\nWorkingDirectory=/srv/my models\n"), "{text}");
        assert!(text.contains("\nReadWritePaths=\"-/srv/my models\"\n"), "{text}");
    }

    #[test]
    fn an_account_loses_the_rights_of_root_but_root_keeps_them() {
        assert!(text(Some("ai")).contains("\nCapabilityBoundingSet=\n"));
        assert!(!text(Some("root")).contains("CapabilityBoundingSet") && !text(None).contains("Protect"));
    }

    #[test]
    fn no_setting_takes_the_cards_away() {
        for account in [Some("ai"), Some("root"), None] {
            let text = text(account);
            for setting in ["ProtectClock", "PrivateDevices", "DevicePolicy", "DeviceAllow"] {
                assert!(!text.contains(&format!("\n{setting}=")), "{setting}");
            }
            // Only systemd of the whole machine can make devices.
            assert_eq!(text.contains("\nExecStartPre=-+/bin/sh"), account.is_some());
        }
    }

    #[test]
    fn a_stop_has_the_time_that_the_configuration_gives() {
        assert!(text(None).contains("\nTimeoutStopSec=90\n"));
    }

    #[test]
    fn a_user_has_no_account_to_change() {
        let (system, user) = (text(Some("ai")), text(None));
        assert!(
            system.contains("\nUser=ai\n") && system.ends_with("\nWantedBy=multi-user.target\n"),
            "{system}"
        );
        assert!(!user.contains("User=") && user.ends_with("\nWantedBy=default.target\n"), "{user}");
        for text in [system, user] {
            assert!(text.contains("\nType=notify\n") && text.contains("\nNoNewPrivileges=yes\n"), "{text}");
            assert!(text.lines().all(|line| !line.starts_with(' ')), "{text}");
        }
    }
}
