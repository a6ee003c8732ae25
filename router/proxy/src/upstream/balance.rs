//! How one of several servers is chosen. Pure: who may be chosen, what each weighs and all chance are arguments; nothing
//! is allocated.

use std::rc::Rc;

use super::members::{Member, Members};
use super::server::Server;

/// How often a server is drawn by weight alone before those that may be chosen are counted out: with a half of the
/// servers left out, 15 of 16 draws still end here.
const QUICK_DRAWS_MAX: usize = 4;

/// 64 bits of a key, or of a server's name: the same on every worker and router, so that all agree.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    mur3::murmurhash3_x64_128(bytes, 0).0
}

/// Who may be chosen, and what each weighs now.
pub(super) struct Field<'a, E, W> {
    pub(super) members: &'a Members,
    pub(super) is_eligible: E,
    /// At least 1 for whoever is eligible.
    pub(super) weight: W,
    /// True if the weights are those of the policy: no server is in its slow start.
    pub(super) is_plain: bool,
}

impl<'a, E: Fn(&Member) -> bool, W: Fn(&Member) -> u64> Field<'a, E, W> {
    /// The one with fewer requests in flight, by weight, of two drawn by weight (power of two choices).
    pub(super) fn least_in_flight(&self, random: u64) -> Option<&'a Rc<Server>> {
        let mut dice = Dice(random);
        let first = self.draw(&mut dice)?;
        let second = self.draw(&mut dice)?;
        let load =
            |member: &Member, other: &Member| u128::from(member.server.in_flight()) * u128::from((self.weight)(other));
        // Equal loads leave the draw as it is, which is by weight already.
        let is_second_freer = load(second, first) < load(first, second);
        Some(if is_second_freer { &second.server } else { &first.server })
    }

    /// The one whose turn it is (smooth weighted round robin, as in nginx).
    pub(super) fn round_robin(&self) -> Option<&'a Rc<Server>> {
        let mut total = 0_i64;
        let mut next: Option<&'a Rc<Server>> = None;
        for member in self.eligible() {
            let weight = i64::try_from((self.weight)(member)).unwrap_or(i64::MAX);
            let turn = member.server.turn.get().saturating_add(weight);
            member.server.turn.set(turn);
            total = total.saturating_add(weight);
            if next.is_none_or(|best| best.turn.get() < turn) {
                next = Some(&member.server);
            }
        }
        let next = next?;
        next.turn.set(next.turn.get().saturating_sub(total));
        Some(next)
    }

    /// The one that a key belongs to (weighted rendezvous hashing): a server that leaves moves its own keys and no
    /// others, and gets them back when it returns.
    pub(super) fn by_key(&self, key: u64) -> Option<&'a Rc<Server>> {
        let distance = |member: &&Member| {
            let bits = mix(key ^ member.server.hash) >> 11;
            // Between 0 and 1, never either: 53 bits are what a double holds.
            let chance = (bits as f64 + 0.5) / (1_u64 << 53) as f64;
            -chance.ln() / f64::from(member.weight)
        };
        self.eligible().min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|member| &member.server)
    }

    fn eligible(&self) -> impl Iterator<Item = &'a Member> {
        self.members.all().iter().filter(|member| (self.is_eligible)(member))
    }

    /// One that is eligible, by weight.
    fn draw(&self, dice: &mut Dice) -> Option<&'a Member> {
        let quick = if self.is_plain { QUICK_DRAWS_MAX } else { 0 };
        for _ in 0..quick {
            let drawn = self.members.at_weight(dice.below(self.members.weight()))?;
            if (self.is_eligible)(drawn) {
                return Some(drawn);
            }
        }
        let total = self.eligible().map(&self.weight).sum();
        let mut at = dice.below(total);
        self.eligible().find(|member| {
            let weight = (self.weight)(member);
            let is_here = at < weight;
            at = at.saturating_sub(weight);
            is_here
        })
    }
}

/// Numbers that need not be unguessable, from one that was drawn well (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % bound.max(1)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves half of the output's.
const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn members(weights: &[(&str, u32)]) -> Members {
        let member = |(address, weight): &(&str, u32)| Member {
            server: Rc::new(Server::new(address, Duration::ZERO, Instant::now())),
            weight: *weight,
            is_healthy: true,
        };
        Members::new(None, weights.iter().map(member).collect())
    }

    fn counts(times: u64, choose: impl Fn(u64) -> String) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for time in 0..times {
            *counts.entry(choose(time)).or_default() += 1;
        }
        counts
    }

    macro_rules! field {
        ($members:expr, $is_eligible:expr) => {
            Field {
                members: $members,
                is_eligible: |member: &Member| member.weight > 0 && $is_eligible(&*member.server.address),
                weight: |member: &Member| u64::from(member.weight),
                is_plain: true,
            }
        };
    }

    #[test]
    fn idle_servers_are_drawn_by_weight_and_busy_ones_are_spared() {
        let members = members(&[("a", 1), ("b", 3), ("c", 0)]);
        let field = field!(&members, |_: &str| true);
        let share = counts(4_000, |random| field.least_in_flight(random).unwrap().address.to_string());
        assert!((850..1_150).contains(&share["a"]) && !share.contains_key("c"), "{share:?}");
        let b = Rc::clone(&members.all()[1].server);
        let _busy: Vec<_> = (0..5).map(|_| b.enter(Instant::now())).collect();
        let share = counts(4_000, |random| field.least_in_flight(random).unwrap().address.to_string());
        assert!((1_600..1_900).contains(&share["a"]), "7 of 16 pairs hold an `a`: {share:?}");
    }

    #[test]
    fn who_is_not_eligible_is_not_chosen_however_much_it_weighs() {
        let members = members(&[("a", 1_000_000), ("b", 1)]);
        let field = field!(&members, |address: &str| address == "b");
        for random in 0..100 {
            assert_eq!(&*field.least_in_flight(random).unwrap().address, "b");
            assert_eq!(&*field.by_key(random).unwrap().address, "b");
            assert_eq!(&*field.round_robin().unwrap().address, "b");
        }
        let nobody = field!(&members, |_: &str| false);
        assert!(nobody.least_in_flight(1).is_none() && nobody.by_key(1).is_none() && nobody.round_robin().is_none());
    }

    #[test]
    fn turns_go_round_by_weight_without_runs() {
        let members = members(&[("a", 5), ("b", 1), ("c", 1)]);
        let field = field!(&members, |_: &str| true);
        let turns: String = (0..14).map(|_| field.round_robin().unwrap().address.to_string()).collect();
        assert_eq!(turns, "aabacaaaabacaa", "the example of nginx");
    }

    #[test]
    fn a_server_that_leaves_moves_its_own_keys_only() {
        let members = members(&[("a", 1), ("b", 2), ("c", 1), ("d", 0)]);
        let of = |key: u64, gone: &str| {
            field!(&members, |address: &str| address != gone).by_key(mix(key)).unwrap().address.to_string()
        };
        let share = counts(4_000, |key| of(key, ""));
        assert!((850..1_150).contains(&share["a"]) && (1_850..2_150).contains(&share["b"]), "{share:?}");
        for key in 0..4_000 {
            let (before, after) = (of(key, ""), of(key, "a"));
            assert!(before == after || before == "a", "{before} {after}");
        }
    }

    #[test]
    fn the_hash_is_the_same_everywhere() {
        assert_eq!(hash(b"tom"), 0xb804_35e2_996d_d759);
    }
}
