use super::*;

fn ours<'a>(command: Option<&'a [String]>, env: &'a [(String, String)]) -> Merged<'a> {
    Merged {
        name: "llm-1-2-m",
        state: "1",
        folder: "/s/kubernetes",
        host: "h",
        model: "org/M",
        known_as: "org/M",
        variant: "V",
        run: 7,
        command,
        env,
        port: 8000,
        grace: 10,
    }
}

fn ask(template: &str) -> PodRequest {
    PodRequest { template: Some(template.to_owned()), ..PodRequest::default() }
}

const TWO: &str = r#"{"metadata":{"labels":{"team":"x"},"annotations":null},"spec":{"nodeSelector":{"a":"b"},"somethingNew":[1],
    "containers":[{"name":"proxy","image":"p"},{"name":"srv","image":"i","command":["x"],"args":["y"],
    "env":[{"name":"A","value":"$(PORT)"},{"name":"VLLM_API_KEY","value":"mine"},{"name":"B","value":"t"}]}]}}"#;

#[test]
fn ours_is_merged_into_the_users_own() {
    let ask = PodRequest { container: Some("srv".to_owned()), ..ask(TWO) };
    let command = ["s".to_owned(), "--at={host}:{port}".to_owned(), "{model}".to_owned()];
    let env = [("B".to_owned(), "v".to_owned())];
    let pod = pod(&ask, &ours(Some(&command), &env)).unwrap();
    assert_eq!((&pod["kind"], &pod["apiVersion"]), (&json!("Pod"), &json!("v1")));
    assert_eq!(pod["metadata"]["name"], "llm-1-2-m");
    let labels = &pod["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels[STATE], &labels["llm-manager/model"]),
        (&json!("x"), &json!("1"), &json!("org-M"))
    );
    assert_eq!(pod["metadata"]["annotations"][FOLDER], "/s/kubernetes");
    let spec = &pod["spec"];
    assert_eq!((&spec["restartPolicy"], &spec["nodeSelector"]["a"]), (&json!("Never"), &json!("b")));
    assert_eq!(spec["somethingNew"], json!([1]), "what isn't known here isn't lost");
    assert_eq!(
        (&spec["automountServiceAccountToken"], &spec["enableServiceLinks"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(spec["containers"][0], json!({"name": "proxy", "image": "p"}));
    let server = &spec["containers"][1];
    assert_eq!(server["command"], json!(["s", "--at=$(HOST):8000", "org/M"]));
    assert_eq!((&server["args"], &server["image"]), (&Value::Null, &json!("i")));
    assert_eq!(server["ports"], json!([{"containerPort": 8000}]));
    let names: Vec<_> =
        server["env"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let wanted = ["HOST", "PORT", "MODEL_NAME", "LLM_MANAGER_KEY", "LLAMA_API_KEY", "A", "VLLM_API_KEY", "B"];
    assert_eq!(names, wanted, "ours first, so that the user's may name them; the user's own last");
    assert_eq!((&server["env"][6]["value"], &server["env"][7]["value"]), (&json!("mine"), &json!("v")));
}

#[test]
fn without_a_template_the_image_is_enough_and_the_key_is_in_the_secret_alone() {
    let ask = PodRequest { image: Some("i".to_owned()), ..PodRequest::default() };
    let merged = ours(None, &[]);
    let made = pod(&ask, &merged).unwrap();
    let server = &made["spec"]["containers"][0];
    assert_eq!(
        (&server["name"], &server["image"], &server["command"]),
        (&json!("server"), &json!("i"), &Value::Null)
    );
    let secret = secret(&merged, "s3cret");
    assert_eq!(
        (&secret["metadata"]["name"], &secret["stringData"]["key"]),
        (&json!("llm-1-2-m"), &json!("s3cret"))
    );
    assert!(!made.to_string().contains("s3cret"));
    assert_eq!(server["env"][3]["valueFrom"]["secretKeyRef"], json!({"name": "llm-1-2-m", "key": "key"}));
    assert_eq!(super::server(&ask), Ok(("server".to_owned(), false)));
}

#[test]
fn what_can_be_no_template_is_told() {
    for (template, words) in [
        (r#"{"kind":"Deployment"}"#, "isn't Pod"),
        (r#"{"apiVersion":"v2"}"#, "apiVersion"),
        (r#"{"metadata":{"name":"x"}}"#, "metadata.name has no place"),
        (r#"{"metadata":{"namespace":"x"}}"#, "on.kubernetes.namespace"),
        (r#"{"metadata":{"labels":{"llm-manager/state":"x"}}}"#, "label of the manager's own"),
        (r#"{"spec":{"restartPolicy":"Always","containers":[]}}"#, "spec.restartPolicy has no place"),
        (r#"{"spec":{"containers":[{"name":"a"}]}}"#, "which image"),
        (r#"{"spec":{"containers":{}}}"#, "no list"),
        (r#"{"spec":[]}"#, "no mapping"),
        ("[]", "no mapping"),
        ("{}", "which image"),
    ] {
        let told = check(&ask(template)).unwrap_err();
        assert!(told.contains(words), "{template}: {told}");
    }
    let other = PodRequest { container: Some("z".to_owned()), ..ask(TWO) };
    assert!(check(&other).unwrap_err().contains("no container \"z\""));
    assert_eq!(check(&ask(TWO)), Ok(()));
}

#[test]
fn labels_hold_what_labels_may_hold() {
    assert_eq!(label("org/Qwen 3:8b"), "org-Qwen-3-8b");
    assert_eq!(label("--x--"), "x");
    assert_eq!(label("模型"), "");
    assert!(label(&"a".repeat(100)).len() == 63);
}
