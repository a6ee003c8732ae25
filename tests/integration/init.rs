//! A first edge: what `sluice init` writes is taken, and can be run.

use anyhow::{Context, Result};
use sluice_tests::process::{Process, binary, sluice};
use tokio::process::Command;

#[tokio::test]
async fn what_init_writes_is_checked_explained_and_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let edge = folder.path().join("edge");
    let edge = edge.to_str().context("a path that is text")?;
    let (status, told, _) = sluice(&["init", edge]).await?;
    assert_eq!(status, 0);
    assert!(told.contains("routes.d/app.toml") && told.contains("sluice check"), "{told}");

    let (status, told, complaint) = sluice(&["check", edge]).await?;
    assert_eq!((status, told.trim()), (0, "ok: 2 routes, 0 plugins, 2 tests"), "{complaint}");
    let (status, told, _) = sluice(&["explain", "GET", "http://example.org/old/cats", edge]).await?;
    assert_eq!(status, 0);
    assert!(told.contains("answered 301") && told.contains("http://example.org/new/cats"), "{told}");

    let file = format!("{edge}/sluice.toml");
    let settings = std::fs::read_to_string(&file)?.replace(":8080", ":0").replace(":9900", ":0");
    std::fs::write(&file, settings)?;
    let mut router = Process::start("sluice", Command::new(binary("sluice")?).args(["run", "--config", &file]))?;
    router.line("ready edge=").await?;
    assert!(router.terminate().await?.success(), "{}", router.output());
    Ok(())
}

#[tokio::test]
async fn init_overwrites_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let edge = folder.path().to_str().context("a path that is text")?;
    std::fs::write(folder.path().join("sluice.toml"), "# mine")?;
    let (status, _, complaint) = sluice(&["init", edge]).await?;
    assert_eq!(status, 1);
    assert!(complaint.contains("sluice.toml is there already"), "{complaint}");
    assert!(!folder.path().join("routes.d").exists());
    assert_eq!(std::fs::read_to_string(folder.path().join("sluice.toml"))?, "# mine");
    Ok(())
}

#[tokio::test]
async fn a_check_says_what_is_wrong_and_whether_there_is_anything_to_check() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let edge = folder.path().to_str().context("a path that is text")?;
    let (status, _, complaint) = sluice(&["check", edge]).await?;
    assert_eq!(status, 2, "nothing to check");
    assert!(complaint.contains("sluice init"), "{complaint}");
    sluice(&["init", edge]).await?;
    let file = folder.path().join("routes.d/app.toml");
    let policy = std::fs::read_to_string(&file)?;
    let broken = policy.replace("retries =", "retrys =").replace("status = 301 }\n\n#", "status = 302 }\n\n#");
    std::fs::write(&file, broken.replace("to = \"app\"", "to = \"ap\""))?;
    let (status, told, _) = sluice(&["check", edge]).await?;
    assert_eq!(status, 1);
    for part in ["routes.d/app.toml:", "retrys", "did you mean `retries`", "did you mean `app`", "2 faults"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "no colour where there is no terminal: {told}");
    std::fs::write(&file, broken.replace("retrys", "retries"))?;
    let (status, told, _) = sluice(&["check", edge]).await?;
    assert_eq!(status, 1, "a test of the policy does not hold");
    assert!(told.contains("302") && told.contains("1 fault"), "{told}");
    Ok(())
}
