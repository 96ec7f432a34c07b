//! The icon and its menu on the screen. Everything here happens in one thread, which on Windows pumps messages.

use super::icon::icon;
use super::menu::{Action, Language, ManagerStatus, MenuEntry, MenuView, view};
use super::{link, login};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tray_icon::menu::{CheckMenuItem, IsMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tray_icon::{TrayIcon, TrayIconBuilder, TrayIconEvent};

/// What the thread of the icon is told.
pub(super) enum TrayEvent {
    Seen(ManagerStatus),
    /// The id of an item.
    Clicked(String),
}

/// On Windows nothing is taken out while the menu is open; then this is two hours of news.
const EVENTS: usize = 4096;
/// On Windows messages are looked for so often; elsewhere nothing happens then.
const BEAT: Duration = Duration::from_millis(if cfg!(windows) { 50 } else { 1000 });

/// Shows the icon until somebody quits it.
pub(crate) fn run(config: &Path) -> Result<(), String> {
    crate::config::load_program(config, &crate::cli::client::KEYS).map_err(|report| report.to_string())?;
    let language = language();
    let (events, inbox) = sync_channel(EVENTS);
    let clicked = events.clone();
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
        // Nobody clicks faster than this thread reads.
        let _ = clicked.try_send(TrayEvent::Clicked(event.id.0));
    }));
    // Whatever the pointer does above the icon would be kept for somebody to ask for it.
    TrayIconEvent::set_event_handler(Some(|_| {}));
    #[cfg(windows)]
    llm_manager_process::leave_own_console();
    let mut seen = ManagerStatus::Unknown;
    let mut shown = view(&seen, language, login::is_set());
    let tray = TrayIconBuilder::new()
        .with_id("llm-manager")
        .with_title("LLM-Manager")
        .with_tooltip(&shown.tooltip)
        .with_icon(icon(shown.look)?)
        .with_menu(Box::new(menu(&shown)?))
        .build()
        .map_err(|error| format!("no icon: {error}; is there a desktop with a tray here?"))?;
    let orders = link::start(config, events)?;
    loop {
        let clicked = match next(&inbox) {
            Some(TrayEvent::Seen(news)) => {
                seen = news;
                None
            }
            Some(TrayEvent::Clicked(id)) => serde_json::from_str(&id).ok(),
            None => continue,
        };
        match clicked {
            Some(Action::Quit) => return Ok(()),
            // More clicks than the link takes are dropped.
            Some(action) => drop(orders.try_send(action)),
            None => {}
        }
        let wanted = view(&seen, language, login::is_set());
        if wanted != shown {
            show(&tray, &shown, &wanted)?;
            shown = wanted;
        }
    }
}

fn show(tray: &TrayIcon, shown: &MenuView, wanted: &MenuView) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the icon can't be changed: {error}");
    if shown.look != wanted.look {
        tray.set_icon(Some(icon(wanted.look)?)).map_err(|error| wrong(&error))?;
    }
    if shown.tooltip != wanted.tooltip {
        tray.set_tooltip(Some(&wanted.tooltip)).map_err(|error| wrong(&error))?;
    }
    if shown.items != wanted.items {
        tray.set_menu(Some(Box::new(menu(wanted)?)));
    }
    Ok(())
}

/// The menu; an item's id is what it does, so what is done is what was shown, whatever has come since.
fn menu(view: &MenuView) -> Result<Menu, String> {
    let menu = Menu::new();
    let id = |action: &Action| serde_json::to_string(action).map_err(|error| format!("the menu: {error}"));
    for item in &view.items {
        let item: Box<dyn IsMenuItem> = match item {
            MenuEntry::Text(text) => Box::new(MenuItem::new(text, false, None)),
            MenuEntry::Separator => Box::new(PredefinedMenuItem::separator()),
            MenuEntry::Action { text, action, checked: None } => {
                Box::new(MenuItem::with_id(id(action)?, text, true, None))
            }
            MenuEntry::Action { text, action, checked: Some(checked) } => {
                Box::new(CheckMenuItem::with_id(id(action)?, text, true, *checked, None))
            }
        };
        menu.append(&*item).map_err(|error| format!("the menu: {error}"))?;
    }
    Ok(menu)
}

fn next(inbox: &Receiver<TrayEvent>) -> Option<TrayEvent> {
    #[cfg(windows)]
    llm_manager_process::pump_messages();
    inbox.recv_timeout(BEAT).ok()
}

#[cfg(not(windows))]
fn language() -> Language {
    let first = ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"];
    let set = first.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if set.is_some_and(|value| value.starts_with("zh")) { Language::Chinese } else { Language::English }
}

#[cfg(windows)]
fn language() -> Language {
    let chinese = llm_manager_process::speaks_chinese();
    if chinese { Language::Chinese } else { Language::English }
}
