//! Shares and monotonicity of the compiled canary plugin over 200,000 users, from 0 to 100 %: each user is asked at each
//! weight, and held against the bucket of `sluice-model`. One line a figure, as `cargo xtask bench` collects them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::path::PathBuf;

use serde_json::json;
use sluice_model::bucket;
use sluice_model::slots::{Share, SlotTable};
use sluice_model::weight::BasisPoints;
use sluice_wasm::{Decision, Engine, Grants, Instance, Limits, fields};

const USERS: usize = 200_000;
/// Between two weights.
const STEP_PERCENT: u8 = 5;
const SALT: &str = "release-7";
const CONFIG: &str = r#"{"rollout":"demo","variants":["stable","canary","beta"]}"#;
const VARIANTS: [&str; 3] = ["stable", "canary", "beta"];

/// The plugin, and who serves each user as it last said.
struct Users {
    plugin: Instance,
    keys: Vec<String>,
    blobs: Vec<Vec<u8>>,
    owners: Vec<u8>,
    epoch: u64,
}

/// What one change of weight did.
#[derive(Default)]
struct Moved {
    /// Users that moved otherwise than they should.
    wrongly: usize,
    /// Users of whom plugin and model say different things.
    disagreed: usize,
}

impl Users {
    fn new() -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/canary.wasm");
        let bytes = std::fs::read(&file)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", file.display()));
        let artifact = Engine::new().unwrap().compile(&bytes).unwrap();
        let plugin = Instance::new(&artifact, "bench", CONFIG, &Grants::everything(), &Limits::DEFAULT).unwrap();
        let keys: Vec<String> = (0..USERS).map(|user| format!("u{user}")).collect();
        let blob = |key: &String| {
            let mut blob = Vec::new();
            fields::push(&mut blob, Some(key.as_bytes()));
            blob
        };
        let blobs = keys.iter().map(blob).collect();
        Self { plugin, keys, blobs, owners: vec![0; USERS], epoch: 0 }
    }

    /// Tells the plugin `table` and asks for every user. Only moves from the variant `from` to `to` are right.
    fn serve_by(&mut self, table: &SlotTable, from: u8, to: u8) -> Moved {
        self.epoch += 1;
        let name = |share: &Share| match share {
            Share::Stable => VARIANTS[0].to_owned(),
            Share::Canary => VARIANTS[1].to_owned(),
            Share::Other(name) => name.clone(),
        };
        let slots: Vec<_> = table.runs().iter().map(|run| json!([name(&run.share), run.slots])).collect();
        let document = json!({
            "state": "running", "weight_bps": table.weight(&Share::Canary), "salt": SALT, "epoch": self.epoch,
            "stable": VARIANTS[0], "canary": VARIANTS[1], "slots": slots,
        });
        self.plugin.on_state("rollout:demo", Some(&document.to_string())).unwrap();
        let mut moved = Moved::default();
        for (user, blob) in self.blobs.iter().enumerate() {
            let Decision::Variant(index) = self.plugin.on_request(blob, 1, 2).unwrap().decision else {
                panic!("the plugin chooses no variant")
            };
            let variant = &self.plugin.activation().variants[usize::from(index)];
            let owner = name(table.owner(bucket::slot(SALT, self.keys[user].as_bytes())));
            moved.disagreed += usize::from(*variant != owner);
            let before = std::mem::replace(&mut self.owners[user], index);
            moved.wrongly += usize::from(before != index && (before != from || index != to));
        }
        moved
    }

    #[expect(clippy::cast_precision_loss, reason = "200,000 at most")]
    fn percent(&self, variant: u8) -> f64 {
        100.0 * self.owners.iter().filter(|owner| **owner == variant).count() as f64 / USERS as f64
    }
}

fn main() {
    let mut users = Users::new();
    let (stable, canary, beta) = (0, 1, 2);
    let mut deviation: f64 = 0.0;
    let mut sum = Moved::default();
    for percent in (0..=100).step_by(usize::from(STEP_PERCENT)) {
        let weight = BasisPoints::whole_percent(percent);
        let moved = users.serve_by(&SlotTable::canary(weight), stable, canary);
        sum.wrongly += moved.wrongly;
        sum.disagreed += moved.disagreed;
        deviation = deviation.max((users.percent(canary) - f64::from(percent)).abs());
    }
    println!("figure: users at each of 21 weights, 0 to 100 %: {USERS}");
    println!("figure: largest deviation of the canary's share: {deviation:.3} percentage points");
    println!("figure: users that raising the weight moved, but from stable to canary: {}", sum.wrongly);

    let mut table = SlotTable::stable();
    users.serve_by(&table, canary, stable);
    let mut moved_between = 0;
    let beta_share = Share::Other("beta".to_owned());
    for round in 1..=10 {
        for (share, to, percent) in [(&Share::Canary, canary, 5), (&beta_share, beta, 4)] {
            table = table.with(share, BasisPoints::whole_percent(round * percent)).unwrap();
            let moved = users.serve_by(&table, stable, to);
            moved_between += moved.wrongly;
            sum.disagreed += moved.disagreed;
        }
    }
    println!("figure: likewise with three variants that grow in turn to 50 % and 40 %: {moved_between}");
    println!("figure: answers in which plugin and model differ: {}", sum.disagreed);
}
