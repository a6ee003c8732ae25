//! The rehearsals: each with its faults, as `sim serve --faults` takes them.

/// One rehearsal.
#[derive(Debug)]
pub(super) struct Drill {
    /// Its name, which is that of its fault.
    pub(super) name: &'static str,
    /// Its faults, as `sim serve --faults` takes them.
    pub(super) faults: &'static str,
    /// What an apply cannot see of it.
    pub(super) remark: &'static str,
}

/// Every class of faults once, and all of them at random.
pub(super) const DRILLS: [Drill; 17] = [
    drill("none", ""),
    drill("error-before", "[[fault]]\nkind = \"error-before\"\nroute = \"POST /v2/droplets\"\ntimes = 2\n"),
    drill("error-after", "[[fault]]\nkind = \"error-after\"\nroute = \"POST /v2/droplets\"\ntimes = 2\n"),
    drill("error-after, deleting", "[[fault]]\nkind = \"error-after\"\nroute = \"DELETE /v2/droplets/*\"\ntimes = 2\n"),
    drill("timeout-after", "[[fault]]\nkind = \"timeout-after\"\nroute = \"POST /v2/droplets\"\ntimes = 1\n"),
    drill("reset-mid-body", "[[fault]]\nkind = \"reset-mid-body\"\nroute = \"POST /v2/droplets\"\ntimes = 2\n"),
    drill("reset, listing", "[[fault]]\nkind = \"reset-mid-body\"\nroute = \"GET /v2/droplets\"\ntimes = 2\n"),
    drill("too-many-requests", "[[fault]]\nkind = \"too-many-requests\"\nprobability = 0.3\ntimes = 6\n"),
    drill("try-again", "[[fault]]\nkind = \"try-again\"\nroute = \"POST /v2/droplets\"\ntimes = 2\n"),
    drill("quota", "[[fault]]\nkind = \"quota\"\ntimes = 1\n"),
    drill("action-errored", "[[fault]]\nkind = \"action-errored\"\nroute = \"POST /v2/droplets\"\ntimes = 1\n"),
    drill("never-active", "[[fault]]\nkind = \"never-active\"\ntimes = 1\n"),
    Drill {
        remark: "; nothing answers on one: `configure` and the controller find out",
        ..drill("unhealthy", "[[fault]]\nkind = \"unhealthy\"\ntimes = 1\n")
    },
    drill("vanish", "[[fault]]\nkind = \"vanish\"\ntimes = 1\n"),
    drill(
        "stale-list",
        "[[fault]]\nkind = \"error-after\"\nroute = \"POST /v2/droplets\"\ntimes = 2\n\
         [[fault]]\nkind = \"stale-list\"\nseconds = 20\n",
    ),
    Drill {
        remark: "; each droplet has a call of its own",
        ..drill("partial-create", "[[fault]]\nkind = \"partial-create\"\n")
    },
    drill(
        "all at random",
        "[[fault]]\nkind = \"error-before\"\nprobability = 0.08\ntimes = 8\n\
         [[fault]]\nkind = \"error-after\"\nprobability = 0.08\ntimes = 8\n\
         [[fault]]\nkind = \"reset-mid-body\"\nprobability = 0.08\ntimes = 8\n\
         [[fault]]\nkind = \"vanish\"\nprobability = 0.1\ntimes = 1\n\
         [[fault]]\nkind = \"stale-list\"\nprobability = 0.3\nseconds = 20\n",
    ),
];

const fn drill(name: &'static str, faults: &'static str) -> Drill {
    Drill { name, faults, remark: "" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sluice_infra_cloud::simulator::{FaultKind, FaultPlan};

    use super::*;

    #[test]
    fn the_faults_of_each_rehearsal_are_readable_and_every_kind_is_among_them() {
        let mut missing: Vec<FaultKind> = FaultKind::ALL.iter().map(|(kind, ..)| *kind).collect();
        for drill in &DRILLS {
            let plan = FaultPlan::parse(drill.faults).unwrap();
            missing.retain(|kind| plan.fault.iter().all(|fault| fault.kind != *kind));
        }
        assert_eq!(missing, []);
    }

    #[test]
    fn rehearsals_have_names_of_their_own() {
        let names: BTreeSet<&str> = DRILLS.iter().map(|drill| drill.name).collect();
        assert_eq!(names.len(), DRILLS.len());
    }
}
