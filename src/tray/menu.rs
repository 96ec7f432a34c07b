//! What icon and menu show, decided from what the manager last said. Pure, so that it is tested without a screen.

/// The language of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

/// What is known of the manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ManagerStatus {
    /// Nobody has been asked yet.
    Unknown,
    /// It doesn't answer; why, in one line.
    Lost(String),
    Up {
        /// Nothing is started on demand.
        paused: bool,
        models: Vec<ModelItem>,
        /// Devices, as `/api/devices` tells them.
        devices: Vec<DeviceItem>,
        /// What went wrong with the last order.
        note: Option<String>,
    },
}

/// A model, as `/api/models` tells it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct ModelItem {
    pub(super) name: String,
    pub(super) state: String,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(super) struct DeviceItem {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) plugin: String,
    pub(super) online: bool,
    pub(super) paused_until: Option<jiff::Timestamp>,
}

/// How the icon looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IconLook {
    Lost,
    Idle,
    Loading,
    Ready,
    Trouble,
}

/// What a click asks for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Action {
    OpenDashboard,
    Start(String),
    Stop(String),
    Pause(bool),
    /// The id of a device, and whether no model may use it for a while.
    NotNow(String, bool),
    AtLogin(bool),
    StopManager,
    Quit,
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MenuEntry {
    /// Can't be clicked.
    Text(String),
    Separator,
    Action {
        text: String,
        action: Action,
        checked: Option<bool>,
    },
}

/// Everything there is to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MenuView {
    pub(super) look: IconLook,
    pub(super) tooltip: String,
    pub(super) items: Vec<MenuEntry>,
}

/// For how long a click keeps models off a device; other times are in the dashboard.
pub(super) const PAUSE_HOURS: u32 = 2;
/// A longer menu doesn't fit on a screen; the dashboard has the rest.
const MOST_MODELS: usize = 25;

/// What to show. `at_login`: whether the icon comes by itself; `None` where that can't be had.
pub(super) fn view(seen: &ManagerStatus, language: Language, at_login: Option<bool>) -> MenuView {
    let say = |english: &str, chinese: &str| match language {
        Language::English => english.to_owned(),
        Language::Chinese => chinese.to_owned(),
    };
    let action = |text: String, action| MenuEntry::Action { text, action, checked: None };
    let mut items =
        vec![action(say("Open dashboard", "打开管理页面"), Action::OpenDashboard), MenuEntry::Separator];
    let (look, tooltip) = match seen {
        ManagerStatus::Unknown => (IconLook::Lost, say("looking for the manager", "正在寻找管理器")),
        ManagerStatus::Lost(why) => {
            items.push(MenuEntry::Text(why.clone()));
            (IconLook::Lost, say("the manager doesn't answer", "管理器没有应答"))
        }
        ManagerStatus::Up { paused, models, devices, note } => {
            if models.is_empty() {
                items.push(MenuEntry::Text(say("no models", "没有模型")));
            }
            for model in models.iter().take(MOST_MODELS) {
                items.push(line(model, language));
            }
            if let Some(more) = models.len().checked_sub(MOST_MODELS).filter(|more| *more > 0) {
                items.push(MenuEntry::Text(say(
                    &format!("{more} more in the dashboard"),
                    &format!("其余 {more} 个见管理页面"),
                )));
            }
            items.extend(note.clone().map(MenuEntry::Text));
            items.push(MenuEntry::Separator);
            items.extend(devices.iter().filter(|one| one.online && one.plugin != "cpu").map(|device| {
                let paused = device.paused_until;
                let text = match paused {
                    Some(until) => {
                        let until =
                            until.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string();
                        say(
                            &format!("{}: not before {until}", device.name),
                            &format!("{}：{until} 前不使用", device.name),
                        )
                    }
                    None => say(
                        &format!("{}: not now, for {PAUSE_HOURS} hours", device.name),
                        &format!("{}：{PAUSE_HOURS} 小时内不使用", device.name),
                    ),
                };
                let action = Action::NotNow(device.id.clone(), paused.is_none());
                MenuEntry::Action { text, action, checked: Some(paused.is_some()) }
            }));
            items.push(MenuEntry::Action {
                text: say("Pause all starts", "暂停所有启动"),
                action: Action::Pause(!paused),
                checked: Some(*paused),
            });
            (look(models), summary(models, *paused, language))
        }
    };
    if let Some(set) = at_login {
        let text = say("Show this icon at log-in", "登录时显示此图标");
        items.push(MenuEntry::Action { text, action: Action::AtLogin(!set), checked: Some(set) });
    }
    items.push(MenuEntry::Separator);
    if matches!(seen, ManagerStatus::Up { .. }) {
        items.push(action(say("Stop the manager", "停止管理器"), Action::StopManager));
    }
    items.push(action(say("Quit this icon", "退出托盘图标"), Action::Quit));
    MenuView { look, tooltip: format!("LLM-Manager: {tooltip}"), items }
}

/// A model with its state; a click starts or stops it.
fn line(model: &ModelItem, language: Language) -> MenuEntry {
    let running =
        matches!(model.state.as_str(), "ready" | "starting" | "queued" | "waking" | "parking" | "parked");
    let leaving = matches!(model.state.as_str(), "draining" | "stopping");
    let text = format!("{} ({})", model.name, state(&model.state, language));
    if leaving {
        return MenuEntry::Text(text);
    }
    let name = model.name.clone();
    let action = if running { Action::Stop(name) } else { Action::Start(name) };
    MenuEntry::Action { text, action, checked: Some(running) }
}

fn state(state: &str, language: Language) -> &str {
    if language == Language::English {
        return state;
    }
    match state {
        "stopped" => "已停止",
        "queued" => "等待显存",
        "starting" => "启动中",
        "ready" => "就绪",
        "draining" => "收尾中",
        "stopping" => "停止中",
        "failed" => "失败",
        "parking" => "休眠中",
        "parked" => "已休眠",
        "waking" => "唤醒中",
        other => other,
    }
}

/// The worst goes first: what needs somebody, then what needs time.
fn look(models: &[ModelItem]) -> IconLook {
    let any = |states: &[&str]| models.iter().any(|model| states.contains(&model.state.as_str()));
    if any(&["failed"]) {
        IconLook::Trouble
    } else if any(&["queued", "starting", "waking", "draining", "stopping", "parking"]) {
        IconLook::Loading
    } else if any(&["ready"]) {
        IconLook::Ready
    } else {
        IconLook::Idle
    }
}

fn summary(models: &[ModelItem], paused: bool, language: Language) -> String {
    let count = |wanted: &str| models.iter().filter(|model| model.state == wanted).count();
    let (ready, failed) = (count("ready"), count("failed"));
    let mut text = match language {
        Language::English => format!("{ready} of {} ready", models.len()),
        Language::Chinese => format!("{} 个模型中 {ready} 个就绪", models.len()),
    };
    if failed > 0 {
        text.push_str(&match language {
            Language::English => format!(", {failed} failed"),
            Language::Chinese => format!("，{failed} 个失败"),
        });
    }
    if paused {
        text.push_str(match language {
            Language::English => ", starts are paused",
            Language::Chinese => "，启动已暂停",
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(models: &[(&str, &str)]) -> ManagerStatus {
        let entry = |(name, state): &(&str, &str)| ModelItem { name: (*name).into(), state: (*state).into() };
        ManagerStatus::Up {
            paused: false,
            models: models.iter().map(entry).collect(),
            devices: Vec::new(),
            note: None,
        }
    }

    #[test]
    fn a_click_on_a_card_keeps_models_off_it_and_another_lets_them_back() {
        let card = |id: &str, plugin: &str, online, paused_until: Option<&str>| DeviceItem {
            id: id.into(),
            name: id.into(),
            plugin: plugin.into(),
            online,
            paused_until: paused_until.map(|text| text.parse().unwrap()),
        };
        let devices = vec![
            card("v100", "nvidia", true, None),
            card("npu", "exec", true, Some("2026-01-01T10:00:00Z")),
            card("cpu", "cpu", true, None),
            card("gone", "nvidia", false, None),
        ];
        let seen = ManagerStatus::Up { paused: false, models: Vec::new(), devices, note: None };
        let shown = view(&seen, Language::English, None).items;
        let cards: Vec<_> = shown
            .iter()
            .filter_map(|item| match item {
                MenuEntry::Action { text, action: Action::NotNow(id, on), checked } => {
                    Some((&**text, &**id, *on, *checked))
                }
                _ => None,
            })
            .collect();
        assert_eq!(cards.len(), 2, "{shown:?}");
        assert_eq!(cards[0], ("v100: not now, for 2 hours", "v100", true, Some(false)));
        assert!(cards[1].0.starts_with("npu: not before ") && !cards[1].2, "{cards:?}");
    }

    fn shown(seen: &ManagerStatus) -> MenuView {
        view(seen, Language::English, None)
    }

    #[test]
    fn the_icon_shows_the_worst() {
        for (models, expected) in [
            (&[][..], IconLook::Idle),
            (&[("a", "stopped")], IconLook::Idle),
            (&[("a", "stopped"), ("b", "ready")], IconLook::Ready),
            (&[("a", "starting"), ("b", "ready")], IconLook::Loading),
            (&[("a", "starting"), ("b", "failed"), ("c", "ready")], IconLook::Trouble),
        ] {
            assert_eq!(shown(&up(models)).look, expected, "{models:?}");
        }
        assert_eq!(shown(&ManagerStatus::Lost("gone".into())).look, IconLook::Lost);
        assert_eq!(shown(&ManagerStatus::Unknown).look, IconLook::Lost);
    }

    #[test]
    fn a_click_on_a_model_does_what_its_state_leaves_to_do() {
        let click = |state: &str| match &shown(&up(&[("m", state)])).items[2] {
            MenuEntry::Action { action, .. } => Some(action.clone()),
            _ => None,
        };
        for state in ["stopped", "failed"] {
            assert_eq!(click(state), Some(Action::Start("m".into())), "{state}");
        }
        for state in ["ready", "starting", "queued", "parked"] {
            assert_eq!(click(state), Some(Action::Stop("m".into())), "{state}");
        }
        assert_eq!(click("stopping"), None);
    }

    #[test]
    fn a_lost_manager_can_be_neither_stopped_nor_paused() {
        let lost = shown(&ManagerStatus::Lost("no manager answers".into()));
        assert!(lost.items.contains(&MenuEntry::Text("no manager answers".into())));
        let actions = |view: MenuView| {
            let action = |item| match item {
                MenuEntry::Action { action, .. } => Some(action),
                _ => None,
            };
            view.items.into_iter().filter_map(action).collect::<Vec<_>>()
        };
        assert_eq!(actions(lost), [Action::OpenDashboard, Action::Quit]);
        let all = actions(view(&up(&[]), Language::Chinese, Some(true)));
        let expected = [
            Action::OpenDashboard,
            Action::Pause(true),
            Action::AtLogin(false),
            Action::StopManager,
            Action::Quit,
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn many_models_are_cut_and_counted() {
        let names: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
        let models: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "ready")).collect();
        let view = shown(&up(&models));
        assert!(view.items.contains(&MenuEntry::Text("15 more in the dashboard".into())), "{view:?}");
        assert_eq!(view.tooltip, "LLM-Manager: 40 of 40 ready");
    }
}
