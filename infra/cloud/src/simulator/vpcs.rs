//! Private networks: one of each region by itself, made when it is first needed.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::catalogue::region_of;
use super::clock::written;
use super::pages::few;
use super::routes::Call;
use super::world::World;

/// A /16 each, from 10.100.0.0 on.
const FIRST_NET: u32 = 0x0a64_0000;
const NET_ADDRESSES: u32 = 1 << 16;
/// Networks fit between 10.100 and 10.255.
const NETS_MAX: usize = 156;

/// A private network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Vpc {
    id: String,
    name: String,
    pub(super) region: String,
    net: u32,
    given: u32,
    is_default: bool,
    created_ms: u64,
}

impl Vpc {
    fn value(&self) -> Value {
        json!({
            "id": self.id, "urn": format!("do:vpc:{}", self.id), "name": self.name, "description": "",
            "region": self.region, "ip_range": format!("{}/16", Ipv4Addr::from_bits(self.net)),
            "default": self.is_default, "created_at": written(self.created_ms),
        })
    }
}

impl World {
    /// The network that droplets of a region are in which name none.
    pub(super) fn default_vpc(&mut self, region: &str) -> String {
        let found = self.vpcs.values().find(|vpc| vpc.is_default && vpc.region == region);
        if let Some(found) = found {
            return found.id.clone();
        }
        self.make_vpc(format!("default-{region}"), region, true)
    }

    fn make_vpc(&mut self, name: String, region: &str, is_default: bool) -> String {
        let id = self.random.uuid();
        let place = u32::try_from(self.vpcs.len() % NETS_MAX).unwrap_or_default();
        let net = FIRST_NET + place * NET_ADDRESSES;
        let region = region.to_owned();
        let vpc = Vpc { id: id.clone(), name, region, net, given: 1, is_default, created_ms: self.now_ms };
        self.vpcs.insert(id.clone(), vpc);
        id
    }

    /// An address of this network.
    pub(super) fn take_private_address(&mut self, id: &str) -> Option<Ipv4Addr> {
        let vpc = self.vpcs.get_mut(id)?;
        vpc.given = (vpc.given + 1) % NET_ADDRESSES;
        Some(Ipv4Addr::from_bits(vpc.net + vpc.given))
    }
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    Ok(few(call.request, "vpcs", &call.world.vpcs.values().map(Vpc::value).collect::<Vec<_>>()))
}

pub(super) fn show(call: &Call<'_>, id: &str) -> Outcome {
    let vpc = call.world.vpcs.get(id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "vpc": vpc.value() })))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
        region: String,
    }
    let wanted: Wanted = call.request.json()?;
    if region_of(&wanted.region).is_none() || call.world.vpcs.len() >= NETS_MAX {
        return Err(Refusal::unprocessable("a VPC needs an existing region, and there is a limit to them"));
    }
    if call.world.vpcs.values().any(|vpc| vpc.name == wanted.name) {
        return Err(Refusal::unprocessable("name already in use"));
    }
    let id = call.world.make_vpc(wanted.name, &wanted.region, false);
    Ok(Answer::json(201, &json!({ "vpc": call.world.vpcs.get(&id).map(Vpc::value) })))
}

pub(super) fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let vpc = call.world.vpcs.get(id).ok_or_else(Refusal::not_found)?;
    if vpc.is_default || call.world.droplets.values().any(|droplet| droplet.vpc == id) {
        return Err(Refusal::new(403, "forbidden", "Can not delete VPC with members"));
    }
    call.world.vpcs.remove(id);
    Ok(Answer::nothing())
}
