//! The developer kit: what `sluice plugin new` writes is tested, built and served, and `pack` makes plugins of components.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sluice_tests::process::{binary, sluice};
use sluice_tests::router::Router;
use sluice_tests::{client, eventually};
use tokio::process::Command;

/// A router with nothing but an upstream where nobody listens: what is answered here, the plugin answers.
const POLICY: &str = "\
[upstreams.app]
servers = [\"127.0.0.1:9\"]

[plugins.hello]
file = \"hello.wasm\"
config = { greeting = \"hello\", header = \"x-hello\" }
grants = { state = [\"flag:quiet\"], edits = true, log = true }
on_failure = { load = \"open\" }

[[routes]]
name = \"hello\"
match = { path = { prefix = \"/\" } }
plugins = [\"hello\"]
to = \"app\"
";

/// Where a crate is written and built: below the workspace's own target and at the same place each time, so that what it
/// depends on is built once and not for each run, and nothing piles up. Ours until it is dropped.
struct Place {
    folder: PathBuf,
    _lock: File,
}

impl Place {
    fn take() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugin-kit");
        std::fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("wait for another run of this test")?;
        match std::fs::remove_dir_all(folder.join("hello")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("remove the crate of the last run"),
            Ok(()) | Err(_) => Ok(Self { folder, _lock: lock }),
        }
    }

    /// The crate.
    fn hello(&self) -> PathBuf {
        self.folder.join("hello")
    }

    /// `sluice plugin build`, to its end; its stdout. It compiles for a while, so no bound but that of the test runner.
    async fn build(&self, more: &[&str]) -> Result<String> {
        let mut command = Command::new(binary("sluice")?);
        command.args(["plugin", "build"]).arg(self.hello()).args(more);
        command.env("CARGO_TARGET_DIR", self.folder.join("target")).kill_on_drop(true);
        let output = command.output().await.context("start sluice")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}");
        ensure!(!told.contains("warning"), "an author is not to begin with warnings: {told}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

async fn answer(router: &Router, path: &str) -> Result<(u16, String)> {
    let response = client::http().get(format!("{}{path}", router.edge)).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_plugin_is_tested_built_and_served_and_its_successor_too() -> Result<()> {
    let place = Place::take()?;
    let hello = place.hello();
    let (status, told, complaint) = sluice(&["plugin", "new", "hello", "--dir", &hello.display().to_string()]).await?;
    assert_eq!(status, 0, "{complaint}");
    assert!(told.contains("sluice plugin build"), "the next step is told: {told}");

    let router = Router::start("").await?;
    let edge = router.path("sluice.toml").display().to_string();
    let file =
        router.path("plugins.d/hello.wasm").canonicalize().unwrap_or_else(|_| router.path("plugins.d/hello.wasm"));
    let printed = place.build(&["--install", &edge]).await?;
    assert_eq!(printed.trim(), file.display().to_string(), "stdout is the file");
    let cases = hello.join("tests.toml").display().to_string();
    let (status, told, complaint) = sluice(&["plugin", "test", printed.trim(), "--cases", &cases]).await?;
    assert_eq!(status, 0, "its cases hold: {told}{complaint}");
    router.publish(|router| router.replace(sluice_tests::router::POLICY_FILE, POLICY.as_bytes())).await?;
    assert_eq!(answer(&router, "/hello?name=ann").await?, (200, "hello, ann\n".to_owned()));
    assert_eq!(answer(&router, "/cats").await?.0, 503, "the plugin lets it pass, and no server is there");

    let written = file.metadata()?.modified()?;
    place.build(&["--install", &edge, "--no-test"]).await?;
    assert_eq!(file.metadata()?.modified()?, written, "an unchanged file is not touched");

    let source = hello.join("src/lib.rs");
    let changed = std::fs::read_to_string(&source)?.replace("{greeting}, {name}", "{greeting} again, {name}");
    std::fs::write(&source, changed)?;
    let refused = place.build(&["--install", &edge]).await.unwrap_err().to_string();
    assert!(refused.contains("it_answers_hello_itself ... FAILED") && refused.contains("--no-test"), "{refused}");
    assert_eq!(file.metadata()?.modified()?, written, "what fails its tests is not installed");
    place.build(&["--install", &edge, "--no-test"]).await?;
    eventually("the successor serves", async || {
        let (status, text) = answer(&router, "/hello?name=ann").await?;
        ensure!((status, text.as_str()) == (200, "hello again, ann\n"), "{status} {text}");
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn new_overwrites_nothing_and_says_what_to_type_instead() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().display().to_string();
    let (status, _, complaint) = sluice(&["plugin", "new", "hello", "--dir", &dir]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("is there already") && complaint.contains("--dir"), "{complaint}");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    let (status, _, complaint) = sluice(&["plugin", "new", "Hello_World"]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("`hello-world`"), "{complaint}");
    let (status, _, complaint) = sluice(&["plugin", "build", &dir]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("sluice plugin new NAME"), "{complaint}");
    Ok(())
}

#[tokio::test]
async fn pack_makes_a_plugin_of_a_component_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    // The preamble of a component, and nothing in it.
    std::fs::write(at("component.wasm"), b"\0asm\x0d\0\x01\0")?;
    std::fs::write(at("manifest.json"), r#"{"name":"a","version":"1","contract":"0.2","needs":{"edits":true}}"#)?;
    let (component, manifest, packed) = (at("component.wasm"), at("manifest.json"), at("a.wasm"));
    let (status, told, complaint) =
        sluice(&["plugin", "pack", &component, "--manifest", &manifest, "-o", &packed]).await?;
    assert_eq!((status, told.trim()), (0, packed.as_str()), "{complaint}");
    let (status, _, complaint) = sluice(&["plugin", "pack", &packed, "--manifest", &manifest, "-o", &packed]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("has a manifest already"), "{complaint}");
    std::fs::write(at("manifest.json"), r#"{"name":"a","version":"1","contract":"0.2","needs":{"edit":true}}"#)?;
    let (status, _, complaint) =
        sluice(&["plugin", "pack", &component, "--manifest", &manifest, "-o", &packed]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("`edit`"), "a misspelt need is told by name: {complaint}");
    Ok(())
}
