//! From a commit to a release that serves: real git over real ssh, droplets of the local cloud, real hooks, a real router
//! under load.

mod site;

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use site::{Shared, Site, gate, outcomes};
use sluice_infra_deploy::RELEASE_REF;
use sluice_infra_deploy::operator::{self, DeployError, TargetOutcome};
use sluice_infra_host::{Remote as _, Ssh, SshSettings, Standing, init};
use sluice_tests::eventually;
use sluice_tests::load::Load;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Requests on either side of an event.
const ANSWERS: u64 = 200;

fn failure(outcome: &TargetOutcome) -> Result<&str> {
    match outcome {
        TargetOutcome::Failed { reason } => Ok(reason),
        other => bail!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_costs_no_request() -> Result<()> {
    let site = Site::start(&["canary", "stable"]).await?;
    let first = site.release("One").await?;
    assert_eq!(site.served()?, [first.clone(), first.clone()], "both variants");
    let load = Load::start(&site.edge());
    load.answers(ANSWERS).await;
    let second = site.release("Two").await?;
    assert_eq!(site.served()?, [second.clone(), second]);
    load.answers(ANSWERS).await;
    let answered = load.finish().await?;
    println!("deploy: {answered} requests, 0 failed");
    let said = site.said();
    for line in ["[test] # pass 4", "[lint] passed in", "[test-canary-0] ", "[test-stable-1] "] {
        assert!(said.contains(line), "{line}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_costs_no_request() -> Result<()> {
    let site = Site::start(&["stable"]).await?;
    let first = site.release("One").await?;
    let second = site.release("Two").await?;
    let load = Load::start(&site.edge());
    load.answers(ANSWERS).await;
    for (wanted, commit) in [(None, &first), (Some(&second[..8]), &second)] {
        let reports = operator::roll_back(&site.app, wanted, &site.targets, &|line| site.say(line)).await;
        assert_eq!(reports[0].outcome, TargetOutcome::Serves, "{}", site.said());
        assert_eq!(site.served()?, [commit.as_str()]);
        load.answers(ANSWERS).await;
    }
    println!("two rollbacks: {} requests, 0 failed", load.finish().await?);
    Ok(())
}

/// Scale-in: a droplet takes its leave, and here thinks better of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_costs_no_request() -> Result<()> {
    let site = Site::start(&["stable", "stable"]).await?;
    site.release("One").await?;
    let load = Load::start(&site.edge());
    load.answers(ANSWERS).await;
    let leaving = &site.targets[1].ssh;
    let program = leaving.layout().programs().join("sluice-infra").display().to_string();
    let drained = leaving.run(&[&program, "agent", "drain"], &[]).await?;
    assert_eq!((drained.status, &*drained.stderr), (0, ""), "nobody is connected any more");
    // It may go: whoever still came here would be refused.
    let running = site.releases()?[1].running.clone();
    let init = init::of_this_machine(leaving.layout());
    init.stop(&running[0].service).await?;
    load.answers(ANSWERS).await;
    init.start(&running[0].service).await?;
    eventually("it listens again", async || Ok(TcpStream::connect(&running[0].address).await?)).await;
    let back = leaving.run(&[&program, "agent", "undrain"], &[]).await?;
    assert_eq!(back.status, 0, "{}", back.stderr);
    load.answers(ANSWERS).await;
    println!("drain and back: {} requests, 0 failed", load.finish().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_gate_pushes_nothing() -> Result<()> {
    let site = Site::start(&["canary"]).await?;
    site.edit("app.js", "Hello, ", "Bye, ")?;
    site.commit("Be impolite").await?;
    let Err(DeployError::Gate { gate, how, last }) = site.deploy().await else { bail!("deployed:\n{}", site.said()) };
    assert_eq!((&*gate, &*how), ("test", "failed (exit status: 1)"));
    assert!(last.iter().any(|line| line.contains("Hello, Ann!")), "the reason is shown: {last:#?}");
    assert_eq!(site.releases()?[0].running, []);
    let (_, tips) = site.push("HEAD:refs/heads/none").await?;
    assert!(tips.contains("only refs/heads/release is taken"), "{tips}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_release_is_taken_back_and_production_is_not_asked() -> Result<()> {
    let mut site = Site::start(&["canary", "stable"]).await?;
    site.app.health.deadline = std::time::Duration::from_secs(2);
    let good = site.release("One").await?;
    site.edit(
        "server.js",
        "const { status, body } =",
        "console.log('my foot hurts'); process.exit(7); const { status, body } =",
    )?;
    site.commit("Break").await?;
    let report = site.deploy().await?;
    let outcomes = outcomes(&report);
    let reason = failure(outcomes["test-canary-0"])?;
    assert!(reason.contains("it ended while it was being started") || reason.contains("was not healthy"), "{reason}");
    assert_eq!(outcomes["test-stable-1"], &TargetOutcome::Skipped);
    let said = site.said();
    assert!(said.contains("[test-canary-0]   my foot hurts"), "its log is shown: {said}");
    assert_eq!(site.served()?, [good.clone(), good], "what served before serves on");
    site.edit("server.js", "console.log('my foot hurts'); process.exit(7); ", "")?;
    site.commit("Mend").await?;
    let mended = site.deploy_as("ann", "HEAD", true).await?;
    assert_eq!(mended.droplets[0].outcome, TargetOutcome::Serves, "{}", site.said());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_leaves_what_serves() -> Result<()> {
    let mut site = Site::start(&["stable"]).await?;
    let first = site.release("One").await?;
    let load = Load::start(&site.edge());
    load.answers(ANSWERS).await;
    site.redis.kill().await?;
    site.commit("Two").await?;
    let report = site.deploy().await?;
    let reason = failure(&report.droplets[0].outcome)?;
    assert!(reason.contains("the store did not take the lease"), "{reason}");
    assert_eq!(site.served()?, [first], "what served before serves on");
    load.answers(ANSWERS).await;
    println!("a deploy without a store: {} requests, 0 failed", load.finish().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_come_through_the_gates_is_refused() -> Result<()> {
    let site = Site::start(&["canary"]).await?;
    site.release("One").await?;
    let first = site.commit("Two").await?;
    let to_release = |commit: &str| format!("{commit}:{RELEASE_REF}");

    let (pushed, said) = site.push(&to_release(&first)).await?;
    assert!(!pushed && said.contains("force push:"), "another history: {said}");
    let (pushed, said) = site.push(&format!(":{RELEASE_REF}")).await?;
    assert!(!pushed && said.contains("is not removed"), "{said}");

    // On top of what is there, by hand, with the seal of the release before.
    let repository = site.targets[0].ssh.layout().repository("greeter").display().to_string();
    site.git(&["fetch", "--quiet", &repository, RELEASE_REF]).await?;
    let sealed = site.git(&["log", "-1", "--format=%B", "FETCH_HEAD"]).await?;
    let replayed = site.git(&["commit-tree", "HEAD^{tree}", "-p", "FETCH_HEAD", "-m", &sealed]).await?;
    let (pushed, said) = site.push(&to_release(&replayed)).await?;
    assert!(!pushed && said.contains("has no valid seal"), "{said}");
    let unsigned = site.git(&["commit-tree", "HEAD^{tree}", "-p", "FETCH_HEAD", "-m", "mine"]).await?;
    let (pushed, said) = site.push(&to_release(&unsigned)).await?;
    assert!(!pushed && said.contains("it lacks `Source-Commit`"), "{said}");

    // Through the gates, and still nothing that may lie on a droplet.
    std::os::unix::fs::symlink("/etc/passwd", site.work_tree().join("users"))?;
    site.commit("Look around").await?;
    let report = site.deploy().await?;
    let reason = failure(&report.droplets[0].outcome)?;
    assert!(reason.contains("the link `users` leads to `/etc/passwd`"), "{reason}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_a_time_one_is_refused() -> Result<()> {
    let site: Shared = Arc::new(Site::start(&["canary"]).await?);
    site.release("One").await?;
    site.commit("Two").await?;
    let (mut deploys, shared) = (JoinSet::new(), Arc::clone(&site));
    deploys.spawn(async move { shared.deploy_as("ann", "HEAD", false).await });
    eventually("the first has begun on the droplet", async || {
        let releases = site.releases()?;
        ensure!(releases[0].running.len() == 2, "{releases:?}");
        Ok(())
    })
    .await;
    let Err(DeployError::Busy { who, .. }) = site.deploy_as("ann", "HEAD", false).await else { bail!("two at a time") };
    assert!(who.starts_with("ann ("), "{who}");
    // Somebody else, from another machine; what is pushed stands on what the first pushed.
    site.commit("Three").await?;
    let second = site.deploy_as("bob", "HEAD", false).await?;
    let reason = failure(&second.droplets[0].outcome)?;
    assert!(reason.contains("is being deployed here since"), "{reason}\n{}", site.said());
    let first = deploys.join_next().await.context("the first deploy")???;
    assert_eq!(first.droplets[0].outcome, TargetOutcome::Serves, "{}", site.said());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_hook_is_put_right_by_the_next_deploy() -> Result<()> {
    let site: Shared = Arc::new(Site::start(&["canary"]).await?);
    site.release("One").await?;
    site.commit("Two").await?;
    let (mut deploys, shared) = (JoinSet::new(), Arc::clone(&site));
    deploys.spawn(async move { shared.deploy().await });
    eventually("both releases serve", async || {
        let releases = site.releases()?;
        ensure!(releases[0].running.iter().filter(|one| one.standing == Standing::Serving).count() == 2);
        Ok(())
    })
    .await;
    let root = site.targets[0].ssh.layout().root().display().to_string();
    let hooks = procfs::process::all_processes()?.flatten().filter(|process| {
        let is_hook = process
            .cmdline()
            .is_ok_and(|words| words.iter().any(|word| word == "release") && words.iter().any(|word| word == "agent"));
        let is_ours = process.environ().is_ok_and(|all| all.values().any(|value| value.to_string_lossy() == root));
        is_hook && is_ours
    });
    let killed: Vec<i32> = hooks.map(|process| process.pid).collect();
    ensure!(!killed.is_empty(), "there is a hook");
    for pid in killed {
        let pid = rustix::process::Pid::from_raw(pid).context("a process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    }
    let report = deploys.join_next().await.context("the deploy")???;
    let reason = failure(&report.droplets[0].outcome)?;
    assert!(reason.contains("its hook broke off"), "{reason}");
    let again = site.deploy().await?;
    assert_eq!(again.droplets[0].outcome, TargetOutcome::Serves, "the same commit again: {}", site.said());
    assert_eq!(site.served()?, [again.commit]);
    let third = site.release("Three").await?;
    assert_eq!(site.served()?, [third]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_commit_makes_the_same_release_and_promote_brings_it_to_production() -> Result<()> {
    let mut site = Site::start(&["canary", "stable"]).await?;
    site.app.pipeline.steps.push(gate("build", "echo made > built.txt"));
    site.app.pipeline.artifacts.push("built.txt".into());
    let canary_only = site.deploy_as("ann", "HEAD", true).await?;
    assert_eq!(outcomes(&canary_only)["test-stable-1"], &TargetOutcome::Skipped);
    let elsewhere = site.deploy_as("bob", "HEAD", true).await?;
    assert_eq!(elsewhere.release, canary_only.release, "on another machine");
    assert_eq!(elsewhere.droplets[0].outcome, TargetOutcome::ServedAlready);
    let promoted = operator::promote(&site.app, &site.targets, &|line| site.say(line)).await?;
    assert_eq!(promoted[0].outcome, TargetOutcome::Serves, "{}", site.said());
    assert_eq!(site.served()?, [canary_only.commit.clone(), canary_only.commit.clone()]);
    let built = site.targets[1].ssh.layout().releases("greeter").join(&canary_only.commit).join("built.txt");
    assert_eq!(std::fs::read_to_string(built)?, "made\n", "what the gates made is part of it");

    site.app.pipeline.steps.push(gate("date", "date +%N > built.txt"));
    let differs = site.deploy_as("ann", "HEAD", true).await?;
    assert_eq!(differs.release, canary_only.release, "the one that was made first stays");
    assert!(site.said().contains("its build is not reproducible. 1 files, first: built.txt"), "{}", site.said());

    site.app.pipeline.artifacts.push("forgotten.txt".into());
    let Err(DeployError::Artifact { path }) = site.deploy().await else { bail!("deployed:\n{}", site.said()) };
    assert_eq!(path, "forgotten.txt");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_droplet_that_is_not_reached_or_leaves_is_said_to() -> Result<()> {
    let mut site = Site::start(&["canary", "stable"]).await?;
    let leaving = &site.targets[0].ssh;
    let program = leaving.layout().programs().join("sluice-infra").display().to_string();
    assert_eq!(leaving.run(&[&program, "agent", "drain"], &[]).await?.status, 0);
    let refused = site.deploy().await?;
    let reason = failure(&refused.droplets[0].outcome)?;
    assert!(reason.starts_with("this droplet is draining"), "{reason}");
    assert_eq!(leaving.run(&[&program, "agent", "undrain"], &[]).await?.status, 0);

    // Nobody listens there.
    let settings = SshSettings { port: 1, ..site.targets[1].ssh.settings().clone() };
    site.targets[1].ssh = Ssh::new(settings)?;
    let report = site.deploy().await?;
    let outcomes = outcomes(&report);
    assert_eq!(outcomes["test-canary-0"], &TargetOutcome::Serves, "{}", site.said());
    assert!(failure(outcomes["test-stable-1"])?.contains("test-stable-1 is not reached"), "{outcomes:?}");
    Ok(())
}

/// The original story, by hand: a commit is all it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_all_it_takes() -> Result<()> {
    let site = Site::start(&["canary", "stable"]).await?;
    let work = site.work_tree().display().to_string();
    site.fleet.succeeds(&["deploy", "init", &work]).await?;
    std::fs::write(site.work_tree().join("notes"), "one")?;
    site.git(&["add", "notes"]).await?;
    let shown = site.git_shows(&["commit", "--quiet", "--message", "Note"]).await?;
    let commit = site.git(&["rev-parse", "HEAD"]).await?;
    for part in ["[test] # pass 4", "[test-canary-0] ", "DROPLET", "test-stable-1"] {
        assert!(shown.contains(part), "{part} is shown to who commits: {shown}");
    }
    assert_eq!(site.served()?, [commit.clone(), commit.clone()], "{shown}");

    let releases = site.fleet.succeeds(&["releases"]).await?;
    let lines: Vec<&str> = releases.lines().collect();
    assert!(lines[0].starts_with("DROPLET") && lines.len() == 3, "{releases}");
    assert!(lines[1].starts_with("test-canary-0") && lines[1].contains(&commit[..12]), "{releases}");
    assert!(lines[2].contains("serving") && lines[2].contains("healthy"), "{releases}");
    let logs = site.fleet.succeeds(&["logs", "greeter", "--pool", "stable"]).await?;
    assert!(logs.starts_with("test-stable-1  listening on http://"), "{logs}");

    // A commit that fails its gate stays a commit, and goes nowhere.
    site.edit("app.js", "Hello, ", "Bye, ")?;
    let shown = site.git_shows(&["commit", "--quiet", "--all", "--message", "Be impolite"]).await?;
    assert!(shown.contains("error: gate `test` failed"), "{shown}");
    assert_eq!(site.served()?, [commit.clone(), commit]);
    let ended = site.fleet.run(&["rollback", "greeter"]).await?;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("there is no release before this one"), "{ended:?}");
    Ok(())
}

/// The same where a team pushes to: the outcome is shown to who pushes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_to_a_bare_repository_is_all_it_takes() -> Result<()> {
    let site = Site::start(&["canary"]).await?;
    let bare = site.fleet.folder().join("team.git").display().to_string();
    site.git(&["init", "--quiet", "--bare", "--initial-branch=main", &bare]).await?;
    site.fleet.succeeds(&["deploy", "init", &bare]).await?;
    let topic = site.git_shows(&["push", &bare, "HEAD:refs/heads/topic"]).await?;
    assert!(!topic.contains("[test]"), "another branch: {topic}");
    let shown = site.git_shows(&["push", &bare, "HEAD:refs/heads/main"]).await?;
    let commit = site.git(&["rev-parse", "HEAD"]).await?;
    assert!(shown.contains("remote: [test] passed in") && shown.contains("remote: [test-canary-0] "), "{shown}");
    assert_eq!(site.served()?, [commit]);
    Ok(())
}

/// The second app of the demo: what a Node app goes through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_app_goes_through_npm_and_eslint() -> Result<()> {
    let mut site = Site::start(&["canary"]).await?;
    let npm = std::env::var("SLUICE_NPM").unwrap_or_else(|_| "npm".to_owned());
    site.app.pipeline.steps = vec![
        gate("install", &format!("{npm} ci --no-audit --no-fund")),
        gate("test", &format!("{npm} test")),
        gate("lint", "npx eslint ."),
    ];
    site.release("One").await?;
    site.edit("app.js", "export const", "const unused = 1;\nexport const")?;
    site.commit("Leave something lying around").await?;
    let Err(DeployError::Gate { gate, last, .. }) = site.deploy().await else { bail!("deployed:\n{}", site.said()) };
    assert_eq!(gate, "lint");
    assert!(last.iter().any(|line| line.contains("'unused' is assigned a value but never used")), "{last:#?}");
    Ok(())
}
