//! What a variant asks of Kubernetes.

use std::fmt;

/// What a variant asks of a Kubernetes cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRequest {
    /// Of the kubeconfig; `None`: the current one, or the Pod's own service account.
    pub context: Option<String>,
    /// `None`: the context's, or the Pod's own.
    pub namespace: Option<String>,
    /// The image of the server; `None`: the template's.
    pub image: Option<String>,
    /// The server's container in the template; `None`: the only one, or the first.
    pub container: Option<String>,
    /// The user's own Pod, as JSON.
    pub template: Option<String>,
}

/// For people.
impl fmt::Display for PodRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kubernetes")?;
        for word in [&self.context, &self.namespace].into_iter().flatten() {
            write!(f, " {word}")?;
        }
        Ok(())
    }
}
