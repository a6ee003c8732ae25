//! More droplets than fit on a page.

use std::collections::BTreeSet;

use super::trial::{Broken, Trial, failed, promised};

/// Each of many droplets is listed, and once.
pub(super) async fn all_are_listed_once(trial: &Trial<'_>, count: usize) -> Result<(), Broken> {
    const CLAUSE: &str = "a listing has every droplet once";
    let mut made = BTreeSet::new();
    for number in 0..count {
        made.insert(trial.create(CLAUSE, &trial.wanted(&format!("crowd{number}"))).await?.id);
    }
    promised(made.len() == count, CLAUSE, || format!("{count} droplets have {} ids", made.len()))?;
    let listed = trial.cloud.droplets(&trial.tag()).await.map_err(failed(CLAUSE))?;
    let ids: BTreeSet<_> = listed.iter().map(|droplet| droplet.id.clone()).collect();
    promised(ids == made && listed.len() == count, CLAUSE, || format!("of {count} it lists {}", listed.len()))
}
