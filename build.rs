//! Tells cargo that the dashboard's build is a part of the program: `src/http/api/webui.rs` embeds it.

fn main() {
    println!("cargo::rerun-if-changed=webui/dist");
}
