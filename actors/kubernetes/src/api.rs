//! The API servers: one thread for all traffic with them, because a kubeconfig may name a program that has to be waited for
//! (`aws eks get-token`), and each question with a limit of its own.
//!
//! The client repeats nothing by itself: a POST that wasn't answered may have been obeyed, and only who has sent it knows by
//! which name to look.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams};
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config};
use llm_manager_process::far::Fence;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// For one question with its answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
const CONNECT_FAILED: &str = "client error (Connect)";
const CONNECT: Duration = Duration::from_secs(10);
/// A stream that is silent for so long has lost its connection, or is opened once more for nothing.
const SILENCE: Duration = Duration::from_secs(300);

/// Why a question has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is no such thing.
    Gone,
    /// One of this name is there already.
    Exists,
    /// The API server said no.
    Refused {
        /// The status.
        status: u16,
        /// In its own words.
        words: String,
    },
    /// There was no connection: it was not heard.
    Unreached {
        /// What is known.
        words: String,
    },
    /// It wasn't asked: another manager leads.
    Fenced,
    /// Nobody knows whether it was heard.
    Unanswered {
        /// What is known.
        words: String,
    },
    /// There is no way to ask: no credentials, no kubeconfig.
    NoWay {
        /// What is missing.
        words: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it isn't there"),
            Self::Exists => f.write_str("one of this name is there already"),
            Self::Refused { status: 401, words } => write!(
                f,
                "the API server doesn't accept the credentials ({words}); try `kubectl get pods` as the user who runs the manager"
            ),
            Self::Refused { status: 403, words } if !words.contains("quota") => write!(
                f,
                "the API server forbids it: {words}; contrib/kubernetes/role.yaml lists the rights that the manager needs"
            ),
            Self::Refused { words, .. } => write!(f, "the API server refuses it: {words}"),
            Self::Fenced => write!(f, "the API server was not asked: {}", Fence::CLOSED),
            Self::Unreached { words } => write!(f, "the API server can't be reached: {words}"),
            Self::Unanswered { words } => write!(f, "the API server doesn't answer: {words}"),
            Self::NoWay { words } => f.write_str(words),
        }
    }
}

/// All causes of an error, outermost first, for most of kube's say little by themselves.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => of_status(status.code, &status.reason, &status.message),
            other => {
                let words = chain(&other);
                // hyper's own word for it; its type is no part of kube's.
                if words.contains(CONNECT_FAILED) {
                    Self::Unreached { words }
                } else {
                    Self::Unanswered { words }
                }
            }
        }
    }
}

/// What a status says of what was asked.
fn of_status(code: u16, reason: &str, message: &str) -> CallError {
    let words = if message.is_empty() { format!("status {code} {reason}") } else { message.to_owned() };
    match code {
        404 => CallError::Gone,
        409 if reason == "AlreadyExists" => CallError::Exists,
        // A conflict passes, and so does what a server says that is overloaded or ending.
        409 | 429 | 500.. | 0 => CallError::Unanswered { words },
        status => CallError::Refused { status, words },
    }
}

/// A context and a namespace, as far as they are said.
type Where = (Option<String>, Option<String>);

/// The thread. It ends when the last handle is dropped, those of its clusters included.
#[derive(Clone)]
pub(crate) struct Line {
    handle: Handle,
    fence: Fence,
    open: Rc<oneshot::Sender<()>>,
    clusters: Rc<RefCell<BTreeMap<Where, Cluster>>>,
}

impl Line {
    /// Starts the thread. Nothing is made or removed while the fence is closed.
    pub(crate) fn open(fence: Fence) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (open, closed) = oneshot::channel::<()>();
        std::thread::Builder::new().name("kubernetes".to_owned()).spawn(move || {
            // The answer is that nobody can send one any more.
            let _ = runtime.block_on(closed);
            // A program for credentials may still be waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, fence, open: Rc::new(open), clusters: Rc::default() })
    }

    /// The cluster of a context and a namespace.
    ///
    /// # Errors
    /// No credentials are found.
    pub(crate) async fn cluster(
        &self,
        context: Option<String>,
        namespace: Option<String>,
    ) -> Result<Cluster, CallError> {
        let id = (context, namespace);
        if let Some(cluster) = self.clusters.borrow().get(&id) {
            return Ok(cluster.clone());
        }
        let (context, namespace) = id.clone();
        let made = self.handle.spawn(async move {
            let mut config = config(context).await?;
            config.default_retry = false;
            config.connect_timeout = Some(CONNECT);
            config.read_timeout = Some(SILENCE);
            config.reset_reader_on_write = true;
            let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
            let server = config.cluster_url.to_string();
            let client = Client::try_from(config);
            let client = client.map_err(|error| CallError::NoWay { words: chain(&error) })?;
            Ok::<_, CallError>((client, namespace, server))
        });
        let (client, namespace, server) = made.await.map_err(lost)??;
        log::info!("kubernetes: Pods are made in the namespace {namespace} of {server}");
        let cluster = Cluster {
            handle: self.handle.clone(),
            fence: self.fence.clone(),
            client,
            namespace: namespace.into(),
            _open: Rc::clone(&self.open),
        };
        // Two may have come at once.
        Ok(self.clusters.borrow_mut().entry(id).or_insert(cluster).clone())
    }
}

/// A named context is the kubeconfig's. Without a name it is the current one, or the service account of the manager's own Pod.
async fn config(context: Option<String>) -> Result<Config, CallError> {
    let no_way = |words: String| CallError::NoWay { words };
    match context {
        Some(_) => {
            let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
            Config::from_kubeconfig(&options).await.map_err(|error| no_way(chain(&error)))
        }
        None => Config::infer().await.map_err(|error| {
            no_way(format!(
                "no credentials are found, neither a kubeconfig (KUBECONFIG, ~/.kube/config) nor a service account: {}",
                chain(&error)
            ))
        }),
    }
}

fn lost(_: tokio::task::JoinError) -> CallError {
    CallError::Unanswered { words: "the thread that asks has ended".to_owned() }
}

/// One namespace of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) handle: Handle,
    fence: Fence,
    client: Client,
    namespace: Rc<str>,
    _open: Rc<oneshot::Sender<()>>,
}

impl Cluster {
    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Two of one namespace are the same for whoever watches it.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Asks on the thread, with the limit.
    async fn call<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, kube::Error>> + Send + 'static,
    ) -> Result<T, CallError> {
        // The limit is kept here, for the thread may stand still.
        match tokio::time::timeout(LIMIT, self.handle.spawn(work)).await {
            Ok(answer) => answer.map_err(lost)?.map_err(CallError::from),
            Err(_) => {
                Err(CallError::Unanswered { words: format!("nothing came within {} s", LIMIT.as_secs()) })
            }
        }
    }

    /// Asks for a change, if this manager may.
    async fn change<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, kube::Error>> + Send + 'static,
    ) -> Result<T, CallError> {
        if self.fence.is_open() { self.call(work).await } else { Err(CallError::Fenced) }
    }

    /// Makes a thing of a kind (`pods`, `secrets`) as it is written: what this client doesn't know isn't lost on the way, and
    /// what the server doesn't know is refused.
    pub(crate) async fn create(&self, kind: &str, thing: &Value) -> Result<(), CallError> {
        let address = format!("/api/v1/namespaces/{}/{kind}?fieldValidation=Strict", self.namespace);
        let request = http::Request::post(address)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(thing.to_string().into_bytes());
        let request = request.map_err(|error| CallError::NoWay { words: error.to_string() })?;
        let client = self.client.clone();
        self.change(async move { client.request::<serde::de::IgnoredAny>(request).await }).await.map(drop)
    }

    /// The Pod of this name, if it is there.
    pub(crate) async fn pod(&self, name: &str) -> Result<Option<Pod>, CallError> {
        let (pods, name) = (self.pods(), name.to_owned());
        self.call(async move { pods.get_opt(&name).await }).await
    }

    /// The Pods with these labels.
    pub(crate) async fn list_pods(&self, labels: &str) -> Result<Vec<Pod>, CallError> {
        let (pods, params) = (self.pods(), ListParams::default().labels(labels));
        self.call(async move { pods.list(&params).await }).await.map(|list| list.items)
    }

    /// Tells a Pod to end, in so many seconds.
    pub(crate) async fn delete_pod(&self, name: &str, grace: u32) -> Result<(), CallError> {
        let (pods, name) = (self.pods(), name.to_owned());
        let params = DeleteParams { grace_period_seconds: Some(grace), ..DeleteParams::default() };
        let told = self.change(async move { pods.delete(&name, &params).await.map(drop) }).await;
        if told == Err(CallError::Gone) { Ok(()) } else { told }
    }

    /// Removes a Secret, if it is there.
    pub(crate) async fn delete_secret(&self, name: &str) -> Result<(), CallError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = name.to_owned();
        let told =
            self.change(async move { secrets.delete(&name, &DeleteParams::default()).await.map(drop) }).await;
        if told == Err(CallError::Gone) { Ok(()) } else { told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_it_may_have_been_obeyed() {
        assert_eq!(of_status(404, "NotFound", "x"), CallError::Gone);
        assert_eq!(of_status(409, "AlreadyExists", "x"), CallError::Exists);
        for code in [0, 409, 429, 500, 503, 504] {
            assert!(matches!(of_status(code, "Conflict", ""), CallError::Unanswered { .. }), "{code}");
        }
        for code in [400, 401, 403, 422] {
            assert_eq!(
                of_status(code, "", "why"),
                CallError::Refused { status: code, words: "why".to_owned() }
            );
        }
        assert!(of_status(403, "Forbidden", "pods is forbidden").to_string().contains("role.yaml"));
        assert!(!of_status(403, "Forbidden", "exceeded quota: q").to_string().contains("role.yaml"));
    }
}
