//! What the controller asks for: droplets more, droplets less, through the same journal and below the same budget.

use futures_util::stream::{self, StreamExt as _};
use sluice_infra_cloud::DropletId;

use super::{Failure, Fault, Outcome, Provisioner};
use crate::plan::{Prices, usd, wanted};

impl Provisioner {
    /// Makes so many droplets of a pool, and returns once they are active or failed. They are not configured.
    ///
    /// For a controller: on [`Self::fenced`]. It asks for what is missing each tick anew, so it calls
    /// [`Self::settle`] once, when it begins to lead.
    pub async fn grow(&self, pool: &str, droplets: u32) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(fault) = self.try_grow(pool, droplets, &mut outcome).await {
            outcome.failures.push(Failure::new(&format!("pool {pool}"), "create droplets", &fault));
        }
        outcome
    }

    async fn try_grow(&self, pool: &str, droplets: u32, outcome: &mut Outcome) -> Result<(), Fault> {
        let Some(pool) = self.spec.pool(pool) else {
            return Err(Fault::Skipped("the file has no such pool"));
        };
        let wanted = wanted(&self.spec, pool, &self.user_data);
        let room = self.room_for(&wanted.size, droplets).await?;
        if room < droplets {
            let budget = usd(self.spec.monthly_cents_max.unwrap_or_default());
            let text = format!("the budget of {budget} a month has room for {room} of {droplets} more");
            outcome.failures.push(Failure::new(
                &format!("pool {}", pool.name),
                "create droplets",
                &Fault::Budget(text),
            ));
        }
        if room == 0 {
            return Ok(());
        }
        let ssh_key = self.put_ssh_key().await?;
        let mut patient = self.clone();
        if let Some(scale) = &pool.scale {
            patient.pace.active_deadline = scale.boot_deadline;
        }
        let (wanted, ssh_key) = (&wanted, ssh_key.as_str());
        let mut made = stream::iter(0..room)
            .map(|_| patient.create_one(wanted, ssh_key, None))
            .buffer_unordered(self.pace.parallel);
        while let Some(droplet) = made.next().await {
            match droplet {
                Ok(droplet) => outcome.created.push(droplet),
                Err(fault) => {
                    outcome.failures.push(Failure::new(&format!("pool {}", pool.name), "create a droplet", &fault));
                }
            }
        }
        Ok(())
    }

    /// How many of them the budget has room for.
    async fn room_for(&self, size: &str, droplets: u32) -> Result<u32, Fault> {
        let Some(budget) = self.spec.monthly_cents_max else { return Ok(droplets) };
        let prices = Prices::new(&self.cloud.sizes().await?);
        let standing = self.cloud.droplets(&crate::tags::fleet(&self.spec.fleet)).await?;
        let now: u64 = standing.iter().map(|droplet| prices.monthly_cents(&droplet.size)).sum();
        let room = match prices.monthly_cents(size) {
            0 => return Ok(droplets),
            price => budget.saturating_sub(now) / price,
        };
        Ok(u32::try_from(room).unwrap_or(u32::MAX).min(droplets))
    }

    /// Deletes these droplets, and returns once they are gone. Whoever calls has drained them.
    pub async fn shrink(&self, droplets: &[(DropletId, String)], pool: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let deletions =
            droplets.iter().map(|(id, name)| async move { (id, name, self.delete_one(id, name, pool).await) });
        // Collected first, so that the compiler sees that this may move between threads.
        let deletions: Vec<_> = deletions.collect();
        let mut gone = stream::iter(deletions).buffer_unordered(self.pace.parallel);
        while let Some((id, name, end)) = gone.next().await {
            match end {
                Ok(()) => outcome.deleted.push(id.clone()),
                Err(fault) => outcome.failures.push(Failure::new(name, "delete", &fault)),
            }
        }
        outcome
    }
}
