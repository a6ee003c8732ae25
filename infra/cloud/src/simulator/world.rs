//! Everything that is simulated, as one value that can be saved: resources, what is due, random numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::actions::Action;
use super::balancers::Balancer;
use super::billing::Charge;
use super::droplets::Droplet;
use super::firewalls::Firewall;
use super::keys::Key;
use super::pools::Pool;
use super::random::Random;
use super::reserved::ReservedIp;
use super::settings::{Latency, SimulatorSettings};
use super::vpcs::Vpc;

/// First ids, far from each other as at DigitalOcean.
const FIRST_DROPLET: u64 = 512_000_000;
const FIRST_ACTION: u64 = 2_100_000_000;
const FIRST_KEY: u64 = 48_000_000;
/// Ids grow by up to this, as others create things too.
const ID_GAP_MAX: u64 = 9;
/// Actions that are remembered; the oldest are forgotten.
const ACTIONS_MAX: usize = 100_000;
/// Charges of deleted droplets that are told one by one; older ones are only in the sum.
const CHARGES_MAX: usize = 100_000;
/// Keys, tags, firewalls: most of each. Far above what DigitalOcean allows; it bounds memory.
pub(super) const ENTRIES_MAX: usize = 100_000;
/// Deleted droplets that a stale listing can still show.
const GONE_MAX: usize = 1_000;
/// 198.18.0.0/15 is for benchmarks (RFC 2544): no address of the simulator is anybody's machine.
const PUBLIC_NET: u32 = 0xc612_0000;
const PUBLIC_ADDRESSES: u64 = 1 << 17;

/// Everything that is simulated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct World {
    pub(super) random: Random,
    pub(super) now_ms: u64,
    pub(super) droplets_max: u64,
    pub(super) latency: Latency,
    pub(super) droplets: BTreeMap<u64, Droplet>,
    /// Tags and their droplets.
    pub(super) tags: BTreeMap<String, BTreeSet<u64>>,
    pub(super) actions: BTreeMap<u64, Action>,
    pub(super) keys: BTreeMap<u64, Key>,
    pub(super) firewalls: BTreeMap<String, Firewall>,
    pub(super) vpcs: BTreeMap<String, Vpc>,
    pub(super) reserved: BTreeMap<Ipv4Addr, ReservedIp>,
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) charges: VecDeque<Charge>,
    /// What the droplets cost whose charges are forgotten, US dollars.
    pub(super) earlier_usd: f64,
    pub(super) gone: VecDeque<(u64, Droplet)>,
    due: BTreeSet<Due>,
    order: u64,
    next_droplet: u64,
    next_action: u64,
    next_key: u64,
    next_address: u64,
}

/// Something that happens by itself, later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Due {
    at_ms: u64,
    order: u64,
    event: Event,
}

/// What happens by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Event {
    /// An action ends.
    ActionEnds(u64),
    /// A droplet is gone.
    DropletGone(u64),
    /// A firewall is in force.
    FirewallInForce(String),
    /// A load balancer is active.
    BalancerActive(String),
    /// An autoscale pool looks at its members.
    PoolLooks(String),
}

impl World {
    pub(super) fn new(settings: &SimulatorSettings, now_ms: u64) -> Self {
        Self {
            random: Random::new(settings.seed),
            now_ms,
            droplets_max: settings.droplets_max,
            latency: settings.latency,
            droplets: BTreeMap::new(),
            tags: BTreeMap::new(),
            actions: BTreeMap::new(),
            keys: BTreeMap::new(),
            firewalls: BTreeMap::new(),
            vpcs: BTreeMap::new(),
            reserved: BTreeMap::new(),
            balancers: BTreeMap::new(),
            pools: BTreeMap::new(),
            charges: VecDeque::new(),
            earlier_usd: 0.0,
            gone: VecDeque::new(),
            due: BTreeSet::new(),
            order: 0,
            next_droplet: FIRST_DROPLET,
            next_action: FIRST_ACTION,
            next_key: FIRST_KEY,
            next_address: 0,
        }
    }

    /// Lets everything happen that is due by then.
    pub(super) fn run_until(&mut self, now_ms: u64) {
        while self.due.first().is_some_and(|due| due.at_ms <= now_ms) {
            let Some(due) = self.due.pop_first() else { break };
            self.now_ms = self.now_ms.max(due.at_ms);
            match due.event {
                Event::ActionEnds(id) => self.end_action(id),
                Event::DropletGone(id) => {
                    self.end_destroy(id);
                    self.remove_droplet(id);
                }
                Event::FirewallInForce(id) => self.firewall_in_force(&id),
                Event::BalancerActive(id) => self.balancer_active(&id),
                Event::PoolLooks(id) => self.pool_looks(&id),
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Has it happen at some time from `first` to `last` ms from now.
    pub(super) fn later(&mut self, range_ms: (u64, u64), event: Event) {
        let at_ms = self.now_ms + self.random.between(range_ms);
        self.order += 1;
        self.due.insert(Due { at_ms, order: self.order, event });
    }

    pub(super) fn take_droplet_id(&mut self) -> u64 {
        self.next_droplet += self.random.between((1, ID_GAP_MAX));
        self.next_droplet
    }

    pub(super) fn take_key_id(&mut self) -> u64 {
        self.next_key += self.random.between((1, ID_GAP_MAX));
        self.next_key
    }

    pub(super) fn take_action_id(&mut self) -> u64 {
        while self.actions.len() >= ACTIONS_MAX {
            self.actions.pop_first();
        }
        self.next_action += self.random.between((1, ID_GAP_MAX));
        self.next_action
    }

    /// An address in the world that nobody has.
    pub(super) fn take_public_address(&mut self) -> Ipv4Addr {
        self.next_address = (self.next_address + 1) % PUBLIC_ADDRESSES;
        let offset = u32::try_from(self.next_address).unwrap_or_default();
        Ipv4Addr::from_bits(PUBLIC_NET | offset)
    }

    /// The end of a droplet: off its tags, and what it cost is written down.
    pub(super) fn remove_droplet(&mut self, id: u64) {
        let Some(droplet) = self.droplets.remove(&id) else { return };
        for tag in &droplet.tags {
            if let Some(ids) = self.tags.get_mut(tag) {
                ids.remove(&id);
            }
        }
        for reserved in self.reserved.values_mut().filter(|reserved| reserved.droplet == Some(id)) {
            reserved.droplet = None;
        }
        self.charges.push_back(Charge::of(&droplet, self.now_ms));
        if self.charges.len() > CHARGES_MAX {
            self.earlier_usd += self.charges.pop_front().map_or(0.0, |charge| charge.usd);
        }
        self.gone.push_back((self.now_ms, droplet));
        while self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
    }
}
