//! `/_sim/..`: what only the operator of the simulator may do. Asked over loopback, under a loopback name.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::call::{Answer, Outcome, Refusal, Request};
use super::faults::FaultPlan;
use super::{Simulator, clock};

/// Farthest jump ahead in one call: ten years.
const ADVANCE_SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// Answers a call of the operator.
pub(super) fn answer(simulator: &Simulator, request: &Request) -> Answer {
    carry_out(simulator, request).unwrap_or_else(|refusal| refusal.into_answer(""))
}

fn carry_out(simulator: &Simulator, request: &Request) -> Outcome {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_sim/state") => Ok(Answer::json(200, &simulator.state())),
        ("GET", "/_sim/bill") => Ok(Answer::json(200, &simulator.bill())),
        ("GET", "/_sim/faults") => {
            let plan = simulator.faults();
            Ok(Answer::json(200, &json!({ "fault": plan.fault, "hits": plan.hits() })))
        }
        ("PUT", "/_sim/faults") => {
            let text = String::from_utf8_lossy(&request.body);
            let plan = FaultPlan::parse(&text).map_err(|error| Refusal::unprocessable(&error.to_string()))?;
            simulator.set_faults(plan);
            Ok(Answer::nothing())
        }
        ("DELETE", "/_sim/faults") => {
            simulator.set_faults(FaultPlan::default());
            Ok(Answer::nothing())
        }
        ("POST", "/_sim/clock") => advance(simulator, request),
        ("PUT", "/_sim/load") => load(simulator, request),
        _ => Err(Refusal::not_found()),
    }
}

fn advance(simulator: &Simulator, request: &Request) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        advance_seconds: u64,
    }
    let wanted: Wanted = request.json()?;
    if wanted.advance_seconds > ADVANCE_SECONDS_MAX {
        return Err(Refusal::unprocessable("that is more than ten years"));
    }
    simulator.advance(Duration::from_secs(wanted.advance_seconds));
    Ok(Answer::json(200, &json!({ "now": clock::written(simulator.now_ms()) })))
}

fn load(simulator: &Simulator, request: &Request) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        tag: String,
        cpu: f64,
        memory: f64,
    }
    let wanted: Wanted = request.json()?;
    let droplets = simulator.set_load(&wanted.tag, wanted.cpu, wanted.memory);
    Ok(Answer::json(200, &json!({ "droplets": droplets })))
}
