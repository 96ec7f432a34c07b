//! `/api/config/files`: what lies on this machine, for whoever looks for the file of a new model.

use super::config::{ConfigFile, blocking, trusted};
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::config::real_path;
use crate::http::api::management::ManagementState;
use crate::http::error::{Answered, ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::fs::DirEntry;
use std::io;
use std::path::Path;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/config/files", read().to(list)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/config/files", "A folder of this machine", schemas.of::<FolderView>())
            .refused("folder_not_found")
            .query("folder")
            .words(
                "`folder` (default: that of the configuration) with its folders, weights and scripts, for \
                 whoever adds a model: `{folder, written, parent, entries: [{name, path, written, \
                 bytes}], cut}`; `written` is the path as the configuration has it",
            ),
    ]
}

/// Nobody finds a file among more.
const MOST: usize = 2000;
/// What a model can be started from: weights and scripts.
const ENDINGS: [&str; 7] = ["gguf", "safetensors", "sh", "bat", "cmd", "ps1", "py"];

/// Programs that are known by their names.
const PROGRAMS: &[&str] = if cfg!(windows) { &["exe"] } else { &[] };

/// Which folder; relative ones start at that of the configuration, which is also the one without a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FolderOptions {
    #[serde(default)]
    folder: String,
}

/// A folder, and what of it can be chosen.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Folder"), schemars(rename = "Folder"))]
pub(crate) struct FolderView {
    folder: String,
    /// As the configuration writes it: relative, if it lies below that.
    written: String,
    /// Null: there is nothing above.
    parent: Option<String>,
    /// Folders first.
    entries: Vec<EntryView>,
    /// There is more in it than is listed.
    cut: bool,
}

/// A folder, a file of weights, or a script.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "FolderEntry"), schemars(rename = "FolderEntry"))]
struct EntryView {
    name: String,
    path: String,
    /// As the configuration writes it.
    written: String,
    /// Of a file; null: a folder.
    bytes: Option<u64>,
}

/// `GET /api/config/files`
async fn list(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    wanted: web::Query<FolderOptions>,
) -> Answered {
    trusted(&shared, &request)?;
    let path = config.path().to_owned();
    let folder = wanted.into_inner().folder;
    let found = blocking(move || {
        let base = std::path::absolute(path.parent().unwrap_or(Path::new("")))?;
        look(&base, &base.join(&folder)).map_err(|error| {
            io::Error::new(error.kind(), format!("the folder `{}` can't be read: {error}", quoted(&folder)))
        })
    });
    let found =
        found.await?.map_err(|error| ApiError::new(ApiErrorKind::FolderNotFound, error.to_string()))?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(found))
}

fn look(base: &Path, folder: &Path) -> io::Result<FolderView> {
    // `..` is taken away where it can be, so that the way up doesn't get longer with each step.
    let folder = real_path(folder).or_else(|_| std::path::absolute(folder))?;
    let mut entries = Vec::new();
    let mut cut = false;
    for entry in std::fs::read_dir(&folder)? {
        let Some(view) = entry.ok().and_then(|entry| EntryView::of(base, &entry)) else { continue };
        if entries.len() == MOST {
            cut = true;
            break;
        }
        entries.push(view);
    }
    entries
        .sort_by_cached_key(|one| (one.bytes.is_some(), one.name.starts_with('.'), one.name.to_lowercase()));
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Ok(FolderView {
        written: written(base, &folder),
        parent: folder.parent().map(text),
        folder: text(&folder),
        entries,
        cut,
    })
}

impl EntryView {
    /// `None`: it can't be chosen, or nobody could write its name.
    fn of(base: &Path, entry: &DirEntry) -> Option<Self> {
        let (path, name) = (entry.path(), entry.file_name().into_string().ok()?);
        // Through links: Hugging Face's folders are full of them.
        let about = path.metadata().ok()?;
        let is_wanted = || {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            ENDINGS.iter().chain(PROGRAMS).any(|known| ending.eq_ignore_ascii_case(known))
        };
        let bytes = match about.is_dir() {
            true => None,
            false if about.is_file() && is_wanted() => Some(about.len()),
            false => return None,
        };
        Some(Self { name, written: written(base, &path), path: path.to_str()?.to_owned(), bytes })
    }
}

fn written(base: &Path, path: &Path) -> String {
    let base = real_path(base).unwrap_or_else(|_| base.to_owned());
    let below = path.strip_prefix(base).ok().filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_shows_what_can_be_chosen_as_it_is_written() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().canonicalize().unwrap().join("manager");
        fs::create_dir_all(base.join("models/.hidden")).unwrap();
        fs::create_dir(base.join("models/Sub")).unwrap();
        for name in ["b.GGUF", "a.gguf", "notes.txt", "run.sh"] {
            fs::write(base.join("models").join(name), "12345").unwrap();
        }
        let seen = look(&base, &base.join("models")).unwrap();
        let told: Vec<_> = seen.entries.iter().map(|one| (one.written.as_str(), one.bytes)).collect();
        let file = Some(5);
        assert_eq!(
            told,
            [
                ("models/Sub", None),
                ("models/.hidden", None),
                ("models/a.gguf", file),
                ("models/b.GGUF", file),
                ("models/run.sh", file)
            ]
        );
        assert_eq!((seen.written.as_str(), seen.parent.as_deref()), ("models", base.to_str()));
        let above = look(&base, &base.join("..")).unwrap();
        assert_eq!(above.folder, base.parent().unwrap().to_str().unwrap());
        assert_eq!(above.entries[0].written, base.to_str().unwrap(), "the folder itself has no shorter name");
        assert!(look(&base, &base.join("nowhere")).is_err());
    }
}
