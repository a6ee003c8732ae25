//! `cargo xtask demo --fleet`: the original story on a fleet of this machine's own droplets, told by itself, a line per step.
//!
//! Nothing in it is staged: real droplets of the local cloud, real ssh, git, Redis, mail and load; visitors come all the
//! while, and none of their requests may fail. Each chapter waits for what it tells.

mod mailbox;
mod site;
mod tool;
mod visitors;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sluice_plugin_build::{process, toolchain};

use self::mailbox::Mailbox;
use self::site::Site;
use self::tool::{Tool, git_command, shown};
use self::visitors::{Edge, Stream};
use crate::demo::child::{self, Child};
use crate::demo::interrupts::{Interrupted, Interrupts};
use crate::workspace::Workspace;
use crate::{droplets, plugins, say};

/// The plugins that the routers' policy names.
const PLUGINS: [&str; 3] = ["feature-flags", "canary", "upload-alert"];
/// Programs that the fleet runs or is run by.
const PROGRAMS: [&str; 2] = ["sluice", "sluice-infra"];
/// Set by the tests, which have just built the programs.
const BUILT: &str = "SLUICE_PROGRAMS_BUILT";
/// For what takes a moment: a mail, a lease, an answer.
const SOON: Duration = Duration::from_secs(60);
/// For what takes a new droplet, or the end of one.
const WHILE: Duration = Duration::from_secs(180);
/// For a program to end.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Users that are counted.
const USERS: u32 = 400;
/// Their share on the canary, in users: 25 % and four standard deviations of a fair draw (8.7 users).
const CANARY_USERS: std::ops::RangeInclusive<u32> = 65..=135;
/// Largest image that is no offence.
const IMAGE_BYTES_MAX: usize = 50_000;

/// Runs the story to its end, and takes everything away again.
pub(crate) fn run(plugins: &plugins::Options, stay: bool) -> Result<()> {
    toolchain::check()?;
    let workspace = Workspace::load()?;
    let built = plugins::build(&workspace, &PLUGINS.map(str::to_owned), plugins)?;
    if std::env::var_os(BUILT).is_none() {
        say::step(format_args!("building {}", PROGRAMS.join(" and ")));
        let packages = PROGRAMS.iter().flat_map(|name| ["--package", name]);
        process::run(process::cargo().current_dir(workspace.root()).args(["build", "--bins"]).args(packages))?;
    }
    let sshd = droplets::sshd().context("droplets of this machine need OpenSSH's server")?;
    say::note(format_args!("droplets run {}", sshd.display()));
    let interrupts = Interrupts::listen()?;
    let site = Site::create()?;
    let password = random_word()?;
    let fleet = format!("demo-{}", random_word()?.get(..6).context("a random word is longer")?);
    let secrets = vec![("SLUICE_REDIS_PASSWORD", password)];
    let program = site.take_programs(&workspace, &PROGRAMS)?.join("sluice-infra");
    let tool = Tool::new(program, site.infra(), secrets);
    let mut story = Story { workspace: &workspace, interrupts: &interrupts, site, tool, beside: Vec::new() };
    let told = story.tell(&built, &fleet, stay);
    let ended = story.end();
    match told {
        Err(error) if !error.is::<Interrupted>() => Err(error),
        Ok(()) | Err(_) => ended,
    }
}

/// What the story is told with, and what runs beside the fleet meanwhile.
struct Story<'a> {
    workspace: &'a Workspace,
    interrupts: &'a Interrupts,
    site: Site,
    tool: Tool,
    beside: Vec<Child>,
}

impl Story<'_> {
    fn tell(&mut self, plugins: &Path, fleet: &str, stay: bool) -> Result<()> {
        say::step("an operator writes one file, infra.toml: a router with Redis, two production servers, one canary");
        let plugins = plugins.to_str().context("the path of the plugins is text")?;
        self.tool.run(&["init", "--plugins", plugins])?;
        self.site.write_infra(self.workspace, fleet)?;
        say::step("`sluice-infra apply`: the cloud makes four droplets");
        self.tool.run(&["apply", "--yes"])?;
        let router = self.droplet("edge")?;
        let mailbox = self.mailbox(router.address)?;
        say::step("`sluice-infra configure`: Redis, router, app servers, firewalls");
        self.tool.run(&["configure"])?;
        let edge = Edge::new(&format!("http://{}:8080", router.address));
        self.first_release(&edge)?;
        say::step("visitors come, dozens a second, until the story ends");
        let stream = Stream::start(&edge);
        let told = self.everyday(&edge, &mailbox).and_then(|()| self.load(&edge, &mailbox));
        let stayed = if stay && told.is_ok() { self.stay(&edge) } else { Ok(()) };
        let (sent, failures) = stream.end()?;
        told.and(stayed)?;
        ensure!(failures.is_empty(), "of {sent} requests of visitors some failed:\n{}", failures.join("\n"));
        say::step(format_args!("the visitors sent {sent} requests meanwhile, and none failed"));
        say::result(format_args!("told requests={sent} failed=0"));
        Ok(())
    }

    /// A real mail server that the droplets reach, and the routers' configuration that names it.
    fn mailbox(&mut self, router: IpAddr) -> Result<Mailbox> {
        say::step("a mailbox for those who are told of alerts");
        let logs = self.site.logs();
        let (mailbox, process) = Mailbox::start(self.workspace, &logs, host_of(router), self.interrupts)?;
        self.beside.push(process);
        self.site.add_sink(&mailbox.sink(), &logs.join(Mailbox::CERTIFICATE))?;
        Ok(mailbox)
    }

    /// The first commit of the app brings it to every server.
    fn first_release(&self, edge: &Edge) -> Result<()> {
        say::step("a developer's repository: from now on, a commit on main is a deployment");
        self.site.write_repository(self.workspace)?;
        let repository = self.site.repository();
        self.tool.run(&["deploy", "init", repository.to_str().context("the path of the repository is text")?])?;
        say::step("`git commit`: build, unit tests, static analysis, then the canary, then production");
        self.commit("the first release")?;
        self.interrupts
            .wait("a request to come through", SOON, || Ok((edge.status("/recent").ok() == Some(200)).then_some(())))
    }

    /// Canary, flag, a commit that is refused, one that is deployed, an offending upload.
    fn everyday(&mut self, edge: &Edge, mailbox: &Mailbox) -> Result<()> {
        let canary = self.interrupts.wait("the rollout's share of the users", SOON, || {
            Ok(Some(edge.on_canary(USERS)?).filter(|users| CANARY_USERS.contains(users)))
        })?;
        say::step(format_args!("of {USERS} users, {canary} are on the canary: 25 %, each always on the same side"));

        let before = edge.status("/set")?;
        let admin = self.tunnel()?;
        let answer = admin.text("/on")?;
        let after = self
            .interrupts
            .wait("/set to be there", SOON, || Ok(Some(edge.status("/set")?).filter(|status| *status == 200)))?;
        say::step(format_args!(
            "the feature flag: GET /set {before}; GET /on at the admin port ({}); GET /set {after}",
            answer.trim()
        ));

        say::step("a commit that breaks a unit test: refused, nothing reaches a server");
        self.site.break_a_test()?;
        let before = releases(edge)?;
        self.commit("cats bark")?;
        ensure!(releases(edge)? == before, "a commit with a failing unit test was deployed");
        self.site.undo()?;
        say::step("the next commit: deployed to the canary and to production, while visitors come");
        self.site.change("Cats of this release purr.")?;
        self.commit("cats purr")?;
        ensure!(releases(edge)? != before, "the commit was not deployed");

        for bytes in [IMAGE_BYTES_MAX, IMAGE_BYTES_MAX + 1] {
            let status = edge.upload(bytes)?;
            ensure!(status == 200, "an image of {bytes} bytes was answered by {status}");
        }
        let left = edge.on_canary(USERS)?;
        ensure!(left == 0, "{left} users are on the canary after the offending upload");
        say::step(format_args!("an upload of {} bytes: the canary gets nobody any more", IMAGE_BYTES_MAX + 1));
        self.mail(mailbox, "upload-size")
    }

    /// A busy server, one server more, and one less when it is quiet again.
    fn load(&mut self, edge: &Edge, mailbox: &Mailbox) -> Result<()> {
        let before = servers(edge)?;
        say::step(format_args!("`sluice-infra controller` watches the fleet; /listservers lists {before} servers"));
        let controller = Child::start("controller", self.tool.command(&["controller"]), "", &self.site.logs())?;
        self.beside.push(controller);
        say::step("somebody starts a batch job on a production server");
        let busy = self.droplet("production")?.name;
        let seconds = "40";
        let job = ["ssh", busy.as_str(), "--", "timeout", seconds, "sh", "-c", "while :; do :; done"];
        self.beside.push(Child::start("batch-job", self.tool.command(&job), "", &self.site.logs())?);
        self.mail(mailbox, "cpu-high")?;
        let more = self.interrupts.wait("one more server in /listservers", WHILE, || {
            Ok(Some(servers(edge)?).filter(|servers| *servers > before))
        })?;
        say::step(format_args!("one droplet more: /listservers lists {more} servers"));
        self.tool.run(&["servers"])?;
        self.tool.run(&["scale", "explain", "production"])?;
        self.interrupts.wait("the server to leave again", WHILE, || Ok((servers(edge)? == before).then_some(())))?;
        say::step("quiet again: the droplet was drained and is gone");
        Ok(())
    }

    /// Until the user has seen enough.
    fn stay(&self, edge: &Edge) -> Result<()> {
        say::step(format_args!(
            "the fleet stays at {} until ctrl-c; its files are in {}",
            edge.address(),
            self.site.infra().display()
        ));
        loop {
            self.interrupts.pause()?;
        }
    }

    /// Waits for a mail with this in its subject, and shows that.
    fn mail(&self, mailbox: &Mailbox, text: &str) -> Result<()> {
        let subject = self.interrupts.wait(&format!("a mail about {text}"), WHILE, || mailbox.subject(text))?;
        say::step(format_args!("a mail came: {subject}"));
        Ok(())
    }

    /// Commits what is staged; the hook shows what becomes of it.
    fn commit(&self, message: &str) -> Result<()> {
        let mut command =
            git_command(&self.site.repository(), &["commit", "--allow-empty", "--quiet", "--message", message]);
        self.tool.surround(&mut command);
        shown(command, "git commit")
    }

    /// The admin API of a router, which listens on the router's own loopback.
    fn tunnel(&mut self) -> Result<Edge> {
        let mut tunnel = Child::start("tunnel", self.tool.command(&["tunnel"]), "admin=", &self.site.logs())?;
        let line = self.interrupts.wait("the tunnel to the router's admin API", SOON, || {
            if let Some(status) = tunnel.ended()? {
                bail!("{}", tunnel.obituary(status));
            }
            Ok(tunnel.announced())
        })?;
        self.beside.push(tunnel);
        Ok(Edge::new(line.trim_start_matches("admin=")))
    }

    /// The first droplet of a pool.
    fn droplet(&self, pool: &str) -> Result<Droplet> {
        let status = self.tool.json(&["status"])?;
        let droplets = status["droplets"].as_array().context("status lists droplets")?;
        let found = droplets.iter().find(|droplet| droplet["pool"] == pool);
        let droplet = &found.with_context(|| format!("no droplet is in the pool {pool}"))?["droplet"];
        let text = |key: &str| droplet[key].as_str().with_context(|| format!("status says no {key}"));
        Ok(Droplet {
            name: text("name")?.to_owned(),
            address: text("private_address")?.parse().context("read an address")?,
        })
    }

    /// Ends what runs beside the fleet, then the fleet.
    fn end(mut self) -> Result<()> {
        say::step("`sluice-infra destroy`: everything goes");
        let mut faults =
            child::stop(&mut self.beside, STOP_MAX, self.interrupts).unwrap_or_else(|error| vec![format!("{error:#}")]);
        if let Err(error) = self.tool.run(&["destroy", "--yes"]) {
            faults.push(format!("{error:#}"));
        }
        self.site.remove()?;
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }
}

/// A droplet, as `status` tells of it.
struct Droplet {
    name: String,
    address: IpAddr,
}

/// How many servers `/listservers` lists: a line each, below the headings.
fn servers(edge: &Edge) -> Result<usize> {
    Ok(edge.text("/listservers")?.lines().skip(1).filter(|line| !line.trim().is_empty()).count())
}

/// The releases that `/listservers` lists.
fn releases(edge: &Edge) -> Result<BTreeSet<String>> {
    let list = edge.text("/listservers")?;
    let column = list.lines().next().and_then(|line| line.split_whitespace().position(|heading| heading == "RELEASE"));
    let column = column.context("/listservers says the release")?;
    Ok(list.lines().skip(1).filter_map(|line| line.split_whitespace().nth(column)).map(str::to_owned).collect())
}

/// Where droplets reach this machine: the bridge of their network, or the loopback that they are on, too.
fn host_of(router: IpAddr) -> IpAddr {
    match router {
        IpAddr::V4(address) if !address.is_loopback() => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 1).into()
        }
        other => other,
    }
}

/// Letters and digits that nobody has had before.
fn random_word() -> Result<String> {
    let mut bytes = [0; 16];
    let source = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    source.context("read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
