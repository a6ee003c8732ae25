//! What we made and left standing: droplets, firewalls, keys. Drift is held against it.

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use sluice_infra_cloud::{Droplet, DropletId, Firewall};

use super::{State, StateError, from_sql, now_ms, to_sql};

/// A droplet as we left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its identity.
    pub id: DropletId,
    /// The operation that made it.
    pub operation: Option<String>,
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Slug of the size.
    pub size: String,
    /// Slug of the region.
    pub region: String,
    /// Slug of the image.
    pub image: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was made, ms since the Unix epoch.
    pub created_ms: u64,
    /// When it was gone, ms since the Unix epoch; `None` = it stands.
    pub gone_ms: Option<u64>,
}

impl Known {
    /// A droplet of the cloud, as it is to be remembered.
    #[must_use]
    pub fn new(droplet: &Droplet, pool: &str, operation: Option<&str>, image: &str) -> Self {
        Self {
            id: droplet.id.clone(),
            operation: operation.map(ToOwned::to_owned),
            name: droplet.name.clone(),
            pool: pool.to_owned(),
            size: droplet.size.clone(),
            region: droplet.region.clone(),
            image: droplet.image.clone().unwrap_or_else(|| image.to_owned()),
            tags: droplet.tags.clone(),
            created_ms: droplet.created_ms,
            gone_ms: None,
        }
    }
}

impl State {
    /// Remembers a droplet that stands.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn remember(&self, known: &Known) -> Result<(), StateError> {
        let tags = known.tags.join("\n");
        self.with("written", |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO droplets (id, operation, name, pool, size, region, image, tags, created_ms, gone_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)",
                params![
                    known.id.0,
                    known.operation,
                    known.name,
                    known.pool,
                    known.size,
                    known.region,
                    known.image,
                    tags,
                    to_sql(known.created_ms)
                ],
            )
        })?;
        Ok(())
    }

    /// Remembers that a droplet is gone.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn gone(&self, id: &DropletId) -> Result<(), StateError> {
        self.with("written", |connection| {
            let sql = "UPDATE droplets SET gone_ms = ?2 WHERE id = ?1 AND gone_ms IS NULL";
            connection.execute(sql, params![id.0, to_sql(now_ms())])
        })?;
        Ok(())
    }

    /// Droplets that we left standing, by id.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn standing(&self) -> Result<Vec<Known>, StateError> {
        self.known("WHERE gone_ms IS NULL ORDER BY id")
    }

    /// Every droplet that we ever made, by id.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn ever_known(&self) -> Result<Vec<Known>, StateError> {
        self.known("ORDER BY id")
    }

    fn known(&self, tail: &str) -> Result<Vec<Known>, StateError> {
        let sql = format!(
            "SELECT id, operation, name, pool, size, region, image, tags, created_ms, gone_ms FROM droplets {tail}"
        );
        self.with("read", |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map([], known_of)?.collect()
        })
    }

    /// Remembers a firewall as we left it.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn remember_firewall(&self, firewall: &Firewall) -> Result<(), StateError> {
        let body = serde_json::to_string(firewall).unwrap_or_default();
        self.with("written", |connection| {
            connection
                .execute("INSERT OR REPLACE INTO firewalls (name, body) VALUES (?1, ?2)", params![firewall.name, body])
        })?;
        Ok(())
    }

    /// Forgets a firewall that is gone.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn forget_firewall(&self, name: &str) -> Result<(), StateError> {
        self.with("written", |connection| connection.execute("DELETE FROM firewalls WHERE name = ?1", params![name]))?;
        Ok(())
    }

    /// Firewalls as we left them, by name.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn firewalls(&self) -> Result<Vec<Firewall>, StateError> {
        let bodies: Vec<String> = self.with("read", |connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM firewalls ORDER BY name")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        let read = |body: String| {
            serde_json::from_str(&body).map_err(|_| StateError::Content { what: "a firewall", found: body })
        };
        bodies.into_iter().map(read).collect()
    }

    /// Remembers the id of a public key.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn remember_ssh_key(&self, id: &str, name: &str) -> Result<(), StateError> {
        self.with("written", |connection| {
            connection.execute("INSERT OR REPLACE INTO ssh_keys (id, name) VALUES (?1, ?2)", params![id, name])
        })?;
        Ok(())
    }

    /// Forgets a public key that is gone.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn forget_ssh_key(&self, id: &str) -> Result<(), StateError> {
        self.with("written", |connection| connection.execute("DELETE FROM ssh_keys WHERE id = ?1", params![id]))?;
        Ok(())
    }

    /// Ids of the public keys that we made known.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn ssh_keys(&self) -> Result<Vec<String>, StateError> {
        self.with("read", |connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM ssh_keys ORDER BY id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }
}

fn known_of(row: &Row<'_>) -> rusqlite::Result<Known> {
    let tags: String = row.get(7)?;
    Ok(Known {
        id: DropletId(row.get(0)?),
        operation: row.get(1)?,
        name: row.get(2)?,
        pool: row.get(3)?,
        size: row.get(4)?,
        region: row.get(5)?,
        image: row.get(6)?,
        tags: tags.lines().map(ToOwned::to_owned).collect(),
        created_ms: from_sql(row.get(8)?),
        gone_ms: row.get::<_, Option<i64>>(9)?.map(from_sql),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_remembered_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let known = Known {
            id: DropletId("7".to_owned()),
            operation: Some("op".to_owned()),
            name: "cats-app-abc234".to_owned(),
            pool: "app".to_owned(),
            size: "s-1vcpu-1gb".to_owned(),
            region: "fra1".to_owned(),
            image: "debian-13-x64".to_owned(),
            tags: vec!["sluice".to_owned(), "sluice:cats".to_owned()],
            created_ms: 5,
            gone_ms: None,
        };
        state.remember(&known).unwrap();
        assert_eq!(state.standing().unwrap(), std::slice::from_ref(&known));
        state.gone(&known.id).unwrap();
        assert!(state.standing().unwrap().is_empty());
        assert!(state.ever_known().unwrap()[0].gone_ms.is_some());
    }

    #[test]
    fn firewalls_and_keys_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let firewall =
            Firewall { id: "1".to_owned(), name: "cats-app".to_owned(), tags: Vec::new(), inbound: Vec::new() };
        state.remember_firewall(&firewall).unwrap();
        assert_eq!(state.firewalls().unwrap(), [firewall]);
        state.forget_firewall("cats-app").unwrap();
        assert!(state.firewalls().unwrap().is_empty());
        state.remember_ssh_key("3", "cats").unwrap();
        assert_eq!(state.ssh_keys().unwrap(), ["3"]);
        state.forget_ssh_key("3").unwrap();
        assert!(state.ssh_keys().unwrap().is_empty());
    }
}
