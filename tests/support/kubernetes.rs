//! A Kubernetes cluster of one node for all tests of a run (`tests/kubernetes/cluster.sh`): API server, scheduler, kubelet.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The cluster that `tests/kubernetes.sh` has started. Tests share it, each with models of its own.
pub(crate) struct Cluster {
    folder: PathBuf,
    template: tempfile::TempDir,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

impl Cluster {
    /// `None`, with a word: nobody has started one.
    pub(crate) fn find() -> Option<Self> {
        let Ok(folder) = std::env::var("KUBERNETES_CLUSTER") else {
            eprintln!("skipped: there is no Kubernetes cluster (tests/kubernetes.sh starts one)");
            return None;
        };
        let template = tempfile::tempdir().unwrap();
        let server = env!("CARGO_BIN_EXE_fake-model-server");
        let bin = Path::new(server).parent().unwrap().display().to_string();
        let mounted = ["/lib", "/lib64", "/usr", "/tmp", bin.as_str()];
        let names = || mounted.iter().enumerate();
        let mounts: Vec<_> = names()
            .map(|(at, path)| serde_json::json!({"name": format!("v{at}"), "mountPath": path}))
            .collect();
        let volumes: Vec<_> = names()
            .map(|(at, path)| serde_json::json!({"name": format!("v{at}"), "hostPath": {"path": path}}))
            .collect();
        let pod = serde_json::json!({"spec": {"volumes": volumes, "containers": [{
            "name": "server", "image": "llm-manager.test/empty:1", "imagePullPolicy": "Never", "volumeMounts": mounts,
        }]}});
        std::fs::write(template.path().join("pod.yaml"), pod.to_string()).unwrap();
        Some(Self { folder: folder.into(), template })
    }

    /// The template, with something changed (a JSON merge of its own by `work`).
    pub(crate) fn template(&self, work: impl FnOnce(&mut serde_json::Value)) -> String {
        let text = std::fs::read_to_string(self.template.path().join("pod.yaml")).unwrap();
        let mut pod: serde_json::Value = serde_json::from_str(&text).unwrap();
        work(&mut pod);
        let mut number = 0;
        let path = loop {
            let path = self.template.path().join(format!("pod-{number}.json"));
            if !path.exists() {
                break path;
            }
            number += 1;
        };
        std::fs::write(&path, pod.to_string()).unwrap();
        path.display().to_string()
    }

    /// Whether a kubelet runs the Pods, not what stands for one.
    pub(crate) fn has_kubelet(&self) -> bool {
        self.folder.join("kubelet.yaml").exists()
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.folder.join("kubeconfig").display().to_string()
    }

    /// What kubectl prints, as an administrator, in the namespace of the tests.
    pub(crate) fn kubectl(&self, line: &str) -> String {
        let bin =
            std::env::var("KUBERNETES_BIN").map_or_else(|_| root().join(".kubernetes/bin"), PathBuf::from);
        let admin = self.folder.join("admin");
        let command = format!("{} --kubeconfig {} {line}", bin.join("kubectl").display(), admin.display());
        let done = output(Command::new("sh").args(["-c", &command]));
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
            .trim()
            .to_owned()
    }

    /// The folder of credentials that a Pod with this service account of the namespace has, and its variables.
    pub(crate) fn credentials_of_pod(&self, account: &str, folder: &Path) -> [(&'static str, String); 2] {
        let asks = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}"#;
        std::fs::create_dir_all(folder).unwrap();
        let request = folder.join("request");
        std::fs::write(&request, asks).unwrap();
        let path = format!("/api/v1/namespaces/llm/serviceaccounts/{account}/token");
        let told = self.kubectl(&format!("create --raw {path} -f {}", request.display()));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
        std::fs::write(folder.join("token"), told["status"]["token"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join("namespace"), "llm").unwrap();
        std::fs::copy(self.folder.join("certs/apiserver.crt"), folder.join("ca.crt")).unwrap();
        let port = std::fs::read_to_string(self.folder.join("port")).unwrap().trim().to_owned();
        [("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()), ("KUBERNETES_SERVICE_PORT", port)]
    }

    /// Stops or starts the API server.
    pub(crate) fn api(&self, what: &str) {
        let script = root().join("tests/kubernetes/cluster.sh");
        let done = output(Command::new(script).arg("api").arg(&self.folder).arg(what));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
