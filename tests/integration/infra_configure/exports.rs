//! The exports, held against the tools that they are for, where those are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sluice_tests::fleet::{Fleet, FleetDroplet};
use tokio::process::Command;

use super::secrets::ALL_IN_ONE;
use super::{FLEET, PASSWORD, fleet, only};

/// Names the program; without it the one on `PATH` is taken.
const ANSIBLE_VARIABLE: &str = "SLUICE_ANSIBLE_PLAYBOOK";

/// A document without the remarks before it.
fn document(folder: &Path, name: &str) -> Result<Value> {
    let text = std::fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"))?;
    let json: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
    serde_json::from_str(&json.join("\n")).with_context(|| format!("understand {name}"))
}

/// What ansible-playbook prints, with secrets as `secrets.sh` makes them.
async fn ansible(fleet: &Fleet, root: &Path, options: &str) -> Result<String> {
    let program = std::env::var(ANSIBLE_VARIABLE).unwrap_or_else(|_| "ansible-playbook".to_owned());
    let key = std::fs::read_to_string(fleet.folder().join(".sluice-infra/deploy.key"))?;
    let script =
        format!(". ./secrets.sh && \"$ANSIBLE\" -i inventory.yml playbook.yml -e sluice_root=\"$ROOT\" {options}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(fleet.folder().join("export/ansible")).stdin(Stdio::null());
    shell.env("ANSIBLE", program).env("ROOT", root).env("SLUICE_REDIS_PASSWORD", PASSWORD);
    shell.env("SLUICE_DEPLOY_KEY", key.trim()).env("ANSIBLE_PIPELINING", "1").env("ANSIBLE_NOCOLOR", "1");
    let output = shell.kill_on_drop(true).output().await.context("run ansible-playbook")?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}");
    Ok(said)
}

/// All files below a folder: path in it -> what they hold.
fn files(folder: &Path, inside: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => files(folder, &path, found)?,
            _ => drop(found.insert(path.clone(), std::fs::read(folder.join(&path))?)),
        }
    }
    Ok(())
}

/// What the playbook made is what `configure` made, but for the root before paths.
fn assert_same(made: &Path, droplet: &FleetDroplet) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    files(made, Path::new(""), &mut found)?;
    ensure!(found.len() > 10, "only {} files", found.len());
    let (here, there) = (made.display().to_string(), droplet.root.display().to_string());
    for (path, bytes) in found {
        let theirs = std::fs::read(droplet.root.join(&path)).with_context(|| format!("only ansible makes {path:?}"))?;
        match (String::from_utf8(bytes), String::from_utf8(theirs)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours.replace(&here, &there), theirs, "{path:?}"),
            (ours, theirs) => assert!(ours == theirs, "{path:?}"),
        }
        let mode = |root: &Path| std::fs::metadata(root.join(&path)).map(|found| found.permissions().mode() & 0o7777);
        assert_eq!(mode(made)?, mode(&droplet.root)?, "{path:?}");
    }
    for path in
        ["etc/sluice/secrets.json", "etc/sluice/redis/users.acl", "opt/sluice/bin/sluice", "etc/sluice/agent.json"]
    {
        assert!(made.join(path).is_file(), "ansible makes {path}, too");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_configure_ansible_playbook_makes_the_same_files() -> Result<()> {
    let fleet = fleet(ALL_IN_ONE)?;
    fleet.succeeds(&["up", "--yes"]).await?;
    fleet.succeeds(&["export", "ansible"]).await?;
    let root = tempfile::tempdir()?;
    let local = "-e ansible_connection=local";
    ansible(&fleet, root.path(), "--syntax-check").await?;
    let first = ansible(&fleet, root.path(), local).await?;
    assert!(!first.contains("changed=0"), "{first}");
    assert_same(root.path(), &only(&fleet, "all")?)?;
    let second = ansible(&fleet, root.path(), local).await?;
    ensure!(second.contains("changed=0") && second.contains("failed=0"), "{second}");
    Ok(())
}

#[tokio::test]
async fn infra_configure_exports_a_fleet_that_is_only_planned() -> Result<()> {
    let fleet = fleet(FLEET)?;
    for format in ["ansible", "cloud-init", "terraform"] {
        fleet.succeeds(&["export", format]).await?;
    }
    let folder = fleet.folder().join("export");
    let hosts = &document(&folder.join("ansible"), "inventory.yml")?["all"];
    assert_eq!(hosts["children"]["pool_app"]["hosts"].as_object().map(serde_json::Map::len), Some(2));
    let edge = &hosts["children"]["pool_edge"]["hosts"]["cats-edge-1"]["sluice_address"];
    assert!(edge.as_str().is_some_and(|address| address.starts_with("192.0.2.")), "{hosts}");
    assert_eq!(&hosts["vars"]["sluice_redis_address"], edge);
    let plays = document(&folder.join("ansible"), "playbook.yml")?;
    let modules =
        plays.as_array().context("plays")?.iter().flat_map(|play| play["tasks"].as_array().into_iter().flatten());
    for task in modules {
        let module = task.as_object().into_iter().flatten().find(|(name, _)| name.starts_with("ansible.builtin."));
        assert!(module.is_some() && task["name"].is_string(), "{task}");
    }
    cloud_init(&folder.join("cloud-init"))?;
    terraform(&folder.join("terraform")).await
}

/// Everything of a role is in its document, and nothing of the agent is needed to put it there.
fn cloud_init(folder: &Path) -> Result<()> {
    for (pool, service, package) in [("edge", "sluice-redis", "redis-server"), ("app", "sluice-agent", "git")] {
        let name = format!("{pool}.yml");
        let text = std::fs::read_to_string(folder.join(&name))?;
        assert!(text.starts_with("#cloud-config\n") && text.is_ascii() && text.len() <= 64 * 1024);
        let document = document(folder, &name)?;
        let has = |key: &str, wanted: &str| document[key].to_string().contains(wanted);
        assert!(has("packages", package) && has("users", "sluice"), "{text}");
        assert!(has("write_files", &format!("/etc/systemd/system/{service}.service")), "{text}");
        assert!(has("write_files", "@SLUICE_REDIS_PASSWORD_") && has("write_files", "@SLUICE_ADDRESS@"), "{text}");
        assert!(has("runcmd", "sha256sum -c") && !has("runcmd", "converge"), "{text}");
        assert!(!text.contains("203.0.113.") && !text.contains("@sluice:"), "blanks of ours are left: {text}");
        let digests = std::fs::read_to_string(folder.join("blobs.txt"))?;
        assert!(digests.lines().any(|line| has("runcmd", &line[..64])), "{digests}");
    }
    Ok(())
}

/// Structure and references; and Terraform itself reads it, where it is installed.
async fn terraform(folder: &Path) -> Result<()> {
    let document = document(folder, "main.tf.json")?;
    let resources = &document["resource"];
    assert_eq!(resources["digitalocean_droplet"]["app"]["count"], 2);
    let rules = resources["digitalocean_firewall"]["cats-app"]["inbound_rule"].as_array().context("rules")?;
    let of_app = rules.iter().find(|rule| rule["port_range"] == "8001-8016").context("the ports of releases")?;
    assert_eq!(of_app["source_tags"], serde_json::json!(["${digitalocean_tag.sluice_cats_role_router.name}"]));
    assert!(of_app["source_addresses"].is_null());
    let text = document.to_string();
    for reference in text.split("${digitalocean_tag.").skip(1) {
        let name = reference.split(".name}").next().unwrap_or_default();
        assert!(resources["digitalocean_tag"][name].is_object(), "{name} is named and not made");
    }
    let read = Command::new("terraform").args(["providers", "-no-color"]).current_dir(folder).output().await;
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => bail!("run terraform: {error}"),
        Ok(read) => {
            let said = format!("{}{}", String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
            ensure!(read.status.success() && said.contains("digitalocean/digitalocean"), "{said}");
            Ok(())
        }
    }
}
