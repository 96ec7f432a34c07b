//! Talks to the running manager.

use crate::{config, tls};
use awc::error::SendRequestError;
use awc::http::{Method, header};
use awc::{Client, ClientResponse, Connector};
use llm_manager_policy::spec::ProgramSpec;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The manager that this configuration would serve.
pub(crate) struct ManagerClient {
    client: Client,
    base: String,
    key: Option<String>,
    config: PathBuf,
}

/// The address under which this computer reaches the manager, without a path.
pub(super) fn origin(program: &ProgramSpec) -> String {
    let host = match program.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    };
    // An IPv6 address stands in brackets in a URL.
    let host = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let scheme = if program.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{host}:{}", program.port)
}

/// The variable with the key to be sent, if it is none of the configuration's. No backend sees it.
pub(crate) const KEY: &str = config::CLIENT_KEY;
/// Of `program`, what this needs to know.
pub(crate) const KEYS: [&str; 5] = ["host", "port", "api_keys", "tls", "base_path"];

impl ManagerClient {
    /// The manager of the configuration at `path`, of which `program` is known. Blocks for a moment. An error is ready to be
    /// printed.
    pub(crate) fn of(path: &Path, program: &ProgramSpec) -> Result<Self, String> {
        let mut connector = Connector::new().timeout(Duration::from_secs(5));
        if let Some(tls) = &program.tls {
            connector = connector.rustls_0_23(Arc::new(tls::client(tls)?));
        }
        // A start may take as long as the model needs.
        let client = Client::builder().disable_timeout().connector(connector).finish();
        let given = std::env::var(KEY).ok().filter(|key| !key.is_empty());
        let key = given.or_else(|| program.api_keys.first().cloned()).or_else(|| config::operator_key(path));
        Ok(Self { client, base: origin(program), key, config: path.to_owned() })
    }

    /// Where it is.
    #[cfg(feature = "tray")]
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Whether anybody is there to be asked.
    pub(super) async fn answers(&self) -> bool {
        self.client.get(format!("{}/health", self.base)).timeout(Duration::from_secs(5)).send().await.is_ok()
    }

    /// Sends a request; an error of the manager's is an error here, in its own words.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<ClientResponse, String> {
        self.send(method, path, None).await
    }

    /// Sends a request with a body in JSON.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &Value) -> Result<(), String> {
        self.send(method, path, Some(body)).await.map(|_| ())
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<ClientResponse, String> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {key}")));
        }
        // Who ordered it, for the audit. Names that are no header are left out.
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let user = user.and_then(|user| header::HeaderValue::from_str(&user).ok());
        if let Some(user) = user {
            request = request.insert_header((header::HeaderName::from_static("x-llm-manager-user"), user));
        }
        let sent = match body {
            Some(body) => request.send_json(body),
            None => request.send(),
        };
        let mut response = sent.await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response.body().await.unwrap_or_default();
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let words = answer.pointer("/error/message").and_then(|message| message.as_str());
        if response.status().as_u16() == 401 {
            let words = words.unwrap_or("it wants a key");
            let hint = format!(
                "put the secret of a key with the scope `operate` or `admin` into {KEY}. If the keys in the file have just been changed: the \
                 manager has the former ones until the file is applied, with one of those in {KEY} or with SIGHUP"
            );
            return Err(format!("{}: {words}\nhint: {hint}", self.base));
        }
        Err(words.map_or_else(|| format!("{} answered {}", self.base, response.status()), str::to_owned))
    }

    /// The same for an answer in JSON.
    pub(crate) async fn ask_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, String> {
        let mut response = self.ask(method, path).await?;
        let body =
            response.body().limit(256 << 20).await.map_err(|error| format!("{}: {error}", self.base))?;
        serde_json::from_slice(&body)
            .map_err(|error| format!("{} answered what this version can't read: {error}", self.base))
    }

    fn unreachable(&self, error: &SendRequestError) -> String {
        let hint = match super::ledger::holder(&self.config) {
            Some(holder) => format!(
                "the manager of this configuration runs ({holder}), but not there: it listens where the file said at its start. Put \
                 `host`, `port` and `tls` back, or restart it"
            ),
            None => "is it running (`llm-manager serve`), with this configuration?".to_owned(),
        };
        format!("no manager answers at {}: {error}\nhint: {hint}", self.base)
    }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_name_becomes_one_segment() {
        assert_eq!(segment("qwen-14b"), "qwen-14b");
        assert_eq!(segment("a/b c"), "a%2Fb%20c");
        assert_eq!(segment("模"), "%E6%A8%A1");
    }
}
