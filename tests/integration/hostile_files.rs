//! Whatever somebody puts into the plugin folder, under traffic: no request fails, what served goes on serving, and
//! the fault names the file and the reason until it is gone.
//!
//! Files that are what they seem, but change in unusual ways: `file_life.rs`.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sluice_tests::component::{CORE_MODULE, MANIFEST_SECTION, importing, with_manifest, with_section};
use sluice_tests::eventually;
use sluice_tests::load::Load;
use sluice_tests::process::plugins;
use sluice_tests::router::Router;
use sluice_tests::stack::{Stack, StoreKind};

const FOLDER: &str = "plugins.d";
/// A plugin that the policy names.
const NAMED: &str = "plugins.d/canary.wasm";
/// A file that no policy names.
const UNNAMED: &str = "plugins.d/x.wasm";
/// Files of one folder that the router looks at.
const FILES_MAX: usize = 1_024;
/// What a file of 200 MB may cost to refuse.
const REFUSAL_BYTES_MAX: u64 = 32 << 20;
const HUGE_BYTES: u64 = 200 << 20;
/// Sixteen times what a manifest may have.
const LONG_MANIFEST_BYTES: usize = 1 << 20;

/// Puts something at a path where there is nothing.
type Put = dyn Fn(&Path) -> Result<()>;

/// One way to be no plugin.
struct Case {
    /// What people must be told.
    says: &'static str,
    put: Box<Put>,
}

impl Case {
    fn new(says: &'static str, put: impl Fn(&Path) -> Result<()> + 'static) -> Self {
        Self { says, put: Box::new(put) }
    }

    fn bytes(says: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(says, move |path| Ok(std::fs::write(path, &bytes)?))
    }
}

/// Takes away whatever is there, a folder too.
fn clear(path: &Path) -> Result<()> {
    let metadata = std::fs::symlink_metadata(path).with_context(|| format!("look at {}", path.display()))?;
    if metadata.is_dir() {
        std::fs::remove_dir_all(path)?
    } else {
        std::fs::remove_file(path)?
    }
    Ok(())
}

/// What the router serves, as far as files decide it.
async fn served(router: &Router) -> Result<(u64, String)> {
    let digest = router.plugin("canary").await?["digest"].to_string();
    Ok((router.revision().await?, digest))
}

/// Puts it where the policy names a plugin and where it names none, sees that everybody is told and nothing changes,
/// and takes it away.
async fn is_told_and_changes_nothing(stack: &Stack, load: &Load, case: &Case) -> Result<()> {
    let router = &stack.router;
    let good = std::fs::read(plugins()?.join("canary.wasm"))?;
    let before = served(router).await?;
    for file in [NAMED, UNNAMED] {
        if file == NAMED {
            clear(&router.path(file))?;
        }
        (case.put)(&router.path(file))?;
        router.fault_in(file, case.says).await;
        ensure!(served(router).await? == before, "{file}: something else serves");
    }
    load.answers(20).await;
    clear(&router.path(UNNAMED))?;
    clear(&router.path(NAMED))?;
    router.replace(NAMED, &good)?;
    router.healthy().await;
    ensure!(served(router).await? == before, "the same file makes no other revision");
    Ok(())
}

async fn all_are_told_and_change_nothing(stack: Stack, cases: Vec<Case>) -> Result<()> {
    let load = Load::start(&stack.edge("/version"));
    for case in &cases {
        is_told_and_changes_nothing(&stack, &load, case).await.with_context(|| format!("case: {}", case.says))?;
    }
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_plugin_is_told_and_changes_nothing() -> Result<()> {
    let canary = std::fs::read(plugins()?.join("canary.wasm"))?;
    let long = format!("{{\"name\":\"{}\"}}", "n".repeat(LONG_MANIFEST_BYTES));
    let other = br#"{"name":"a","version":"1","contract":"9.9"}"#;
    let unknown = br#"{"name":"a","version":"1","contract":"0.1","needs":{"files":true}}"#;
    let noise: Vec<u8> = (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases = vec![
        Case::bytes("not a WebAssembly component", Vec::new()),
        Case::bytes("not a WebAssembly component", noise),
        Case::bytes("a core module, not a component", CORE_MODULE.to_vec()),
        Case::bytes("a core module, not a component", [CORE_MODULE, &[0xff; 64]].concat()),
        Case::bytes("contract \"9.9\"", with_manifest(other)),
        Case::bytes("unknown field `files`", with_manifest(unknown)),
        Case::bytes("the manifest is not valid", with_manifest(&[0xff; 64])),
        Case::bytes("at most 65536", with_manifest(long.as_bytes())),
        Case::bytes("two manifests", with_section(&canary, MANIFEST_SECTION, other)),
        Case::bytes("forbidden imports: evil:filesystem/files@", importing(&canary, "evil:filesystem/files")?),
    ];
    all_are_told_and_change_nothing(Stack::start(StoreKind::Embedded).await?, cases).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_cut_off_anywhere_is_told_and_changes_nothing() -> Result<()> {
    let canary = std::fs::read(plugins()?.join("canary.wasm"))?;
    let whole = canary.len();
    let lengths = [1, 4, 7, 8, 9, 64, 1_000, whole / 4, whole * 3 / 4, whole - 100, whole - 1];
    // The preamble alone is a valid component, of which nothing is known.
    let says = |length| match length {
        ..8 => "not a WebAssembly component",
        8 => "no manifest",
        _ => "the file is damaged: unexpected end-of-file",
    };
    let cases = lengths.into_iter().map(|length| Case::bytes(says(length), canary[..length].to_vec())).collect();
    all_are_told_and_change_nothing(Stack::start(StoreKind::Embedded).await?, cases).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_told_and_changes_nothing() -> Result<()> {
    let cases = vec![
        Case::new("is a directory, not a file", |path| Ok(std::fs::create_dir(path)?)),
        Case::new("is a pipe, not a file", |path| Ok(mkfifo(path)?)),
        // Bound, then left: the socket stays in the folder.
        Case::new("is a socket, not a file", |path| Ok(std::os::unix::net::UnixListener::bind(path).map(drop)?)),
        Case::new("is a device, not a file", |path| Ok(symlink("/dev/zero", path)?)),
        Case::new("a link that leads nowhere", |path| Ok(symlink("nowhere", path)?)),
        Case::new("a link that leads nowhere", |path| Ok(symlink(path, path)?)),
        Case::new("is a directory, not a file", |path| Ok(symlink("..", path)?)),
    ];
    all_are_told_and_change_nothing(Stack::start(StoreKind::Embedded).await?, cases).await
}

fn mkfifo(path: &Path) -> rustix::io::Result<()> {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_be_read_is_told_and_changes_nothing() -> Result<()> {
    let canary = std::fs::read(plugins()?.join("canary.wasm"))?;
    let locked = Case::new("Permission denied", move |path| {
        std::fs::write(path, &canary)?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000))?)
    });
    all_are_told_and_change_nothing(Stack::start_unprivileged().await?, vec![locked]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_are_refused_without_reading_them() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let before = stack.router.process.resident_bytes()?;
    let huge = || Case::new("is larger than", |path| Ok(File::create(path)?.set_len(HUGE_BYTES)?));
    let process = stack.router.process.id()?;
    let load = Load::start(&stack.edge("/version"));
    for _ in 0..3 {
        is_told_and_changes_nothing(&stack, &load, &huge()).await?;
    }
    load.finish().await?;
    let status = procfs::process::Process::new(i32::try_from(process)?)?.status()?;
    let peak = status.vmhwm.context("the kernel keeps the peak of memory")? << 10;
    assert!(peak < before + REFUSAL_BYTES_MAX, "from {before} to {peak} bytes at the peak");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_names_are_told_whole_and_break_no_line() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let longest = format!("{}.wasm", "n".repeat(255 - ".wasm".len()));
    // What is shown of a name has no control characters: they would act on the terminal that shows it.
    let names = [
        ("line\nbreak.wasm", "line\\nbreak.wasm"),
        ("\u{1b}[2Jclear.wasm", "\\u{1b}[2Jclear.wasm"),
        ("kätzchen 猫.wasm", "kätzchen 猫.wasm"),
        (" .wasm", " .wasm"),
        ("a\"b'$(c).wasm", "a\"b'$(c).wasm"),
        (&longest, &longest),
    ];
    for (name, shown) in names {
        let path = router.path(FOLDER).join(name);
        std::fs::write(&path, b"")?;
        router.fault_in(&format!("{FOLDER}/{shown}"), "not a WebAssembly component").await;
        let output = router.check(&[]).await?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(text.lines().any(|line| line.starts_with(&format!("{FOLDER}/{shown}: "))), "no {shown:?} in\n{text}");
        std::fs::remove_file(path)?;
        router.healthy().await;
    }
    let too_long = router.path(FOLDER).join(format!("{}.wasm", "n".repeat(300)));
    ensure!(std::fs::write(too_long, b"").is_err(), "Linux takes names of 255 bytes");
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_too_many_files_is_told_and_changes_nothing() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let before = served(router).await?;
    // Three are there; one more than the bound.
    let names: Vec<String> = (0..=FILES_MAX - 3).map(|number| format!("{FOLDER}/x{number:04}.wasm")).collect();
    for name in &names {
        std::fs::write(router.path(name), b"")?;
    }
    let fault = router.fault("more than 1024 files").await;
    assert!(fault["subject"].as_str().is_some_and(|folder| folder.ends_with(FOLDER)), "{fault}");
    assert_eq!(served(router).await?, before);
    // What is in the folder is not known: nothing is said to be missing.
    router.fault("the plugin folder cannot be read").await;
    let status = router.get("/v1/status").await?;
    ensure!(!status.to_string().contains("there is no file"), "{status}");
    load.answers(50).await;

    std::fs::remove_file(router.path(&names[0]))?;
    eventually("at the bound the folder is read", async || {
        let status = router.get("/v1/status").await?;
        ensure!(!status["faults"].to_string().contains("more than 1024 files"), "it is not");
        Ok(())
    })
    .await;
    assert_eq!(served(router).await?, before);
    for name in &names[1..] {
        std::fs::remove_file(router.path(name))?;
    }
    router.healthy().await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_starts_beside_whatever_lies_in_the_folder() -> Result<()> {
    let mut stack = Stack::start(StoreKind::Embedded).await?;
    let before = served(&stack.router).await?;
    stack.router.keep_ports()?;
    assert_eq!(stack.router.process.terminate().await?.code(), Some(0));
    let path = |name: &str| stack.router.path(FOLDER).join(name);
    mkfifo(&path("pipe.wasm"))?;
    std::fs::create_dir(path("folder.wasm"))?;
    symlink("loop.wasm", path("loop.wasm"))?;
    File::create(path("huge.wasm"))?.set_len(HUGE_BYTES)?;
    std::fs::write(path("empty.wasm"), b"")?;

    stack.router.restart().await?;
    for name in ["pipe", "folder", "loop", "huge", "empty"] {
        stack.router.fault_in(&format!("{FOLDER}/{name}.wasm"), "").await;
    }
    eventually("the servers are back", async || {
        let status = sluice_tests::client::http().get(stack.edge("/version")).send().await?.status();
        ensure!(status.is_success(), "{status}");
        Ok(())
    })
    .await;
    assert_eq!(served(&stack.router).await?.1, before.1);
    Ok(())
}
