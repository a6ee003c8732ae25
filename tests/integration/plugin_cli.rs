//! `sluice plugin inspect`, `test` and `bench`: what they say of a file before a router ever sees it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::component::{CORE_MODULE, importing, with_manifest};
use sluice_tests::process::{plugins, sluice};

/// The policy and the cases of this repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

fn built(plugin: &str) -> Result<PathBuf> {
    Ok(plugins()?.join(format!("{plugin}.wasm")))
}

/// `sluice plugin SUBCOMMAND FILE ...`: its status and what it printed, complaints last.
async fn plugin(subcommand: &str, file: &Path, more: &[&str]) -> Result<(i32, String)> {
    let arguments = [&["plugin", subcommand, text(file)?], more].concat();
    let (status, told, complaint) = sluice(&arguments).await?;
    Ok((status, told + &complaint))
}

async fn inspected(file: &Path, more: &[&str]) -> Result<(i32, Value)> {
    let (status, told) = plugin("inspect", file, &[more, &["--json"]].concat()).await?;
    Ok((status, serde_json::from_str(&told).with_context(|| told.clone())?))
}

fn in_folder(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}

#[tokio::test]
async fn a_file_is_told_before_any_of_it_runs() -> Result<()> {
    let (status, report) = inspected(&built("canary")?, &[]).await?;
    assert_eq!(status, 0);
    assert_eq!((&report["kind"], &report["plugin"]["name"]), (&json!("component"), &json!("canary")));
    assert_eq!(report["plugin"]["needs"]["state"], json!(["rollout:*"]));
    assert_eq!(report["digest"].as_str().map(str::len), Some(64));
    let imports = report["imports"].as_array().context("imports")?;
    assert!(imports.iter().all(|import| import["access"] == "contract"), "{imports:?}");
    assert!(report["exports"].as_array().context("exports")?.contains(&json!("on-request")));
    assert_eq!(report["suggestion"], "[plugins.canary]\nfile = \"canary.wasm\"\ngrants = { state = [\"rollout:*\"] }");
    assert_eq!(report["started"], Value::Null);

    let (status, report) = inspected(&built("hostile")?, &["--init", "--config", r#"{"do":"trap-in-init"}"#]).await?;
    assert_eq!(status, 1, "it starts only when it is asked to");
    let refused = report["started"]["refused"]["reason"].as_str().context("a reason")?;
    assert!(refused.contains("`init` trapped"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn needs_are_held_against_the_policy() -> Result<()> {
    let demo = format!("{ROOT}/app/demo");
    let (status, report) = inspected(&built("upload-alert")?, &["--policy", &demo, "--init"]).await?;
    assert_eq!(status, 0, "{report:#}");
    let using = &report["uses"][0];
    assert_eq!((&using["plugin"], &using["missing"]), (&json!("upload-alert"), &json!([])));
    let part = &using["started"]["takes"];
    assert_eq!((&part["phases"], &part["path_prefixes"]), (&json!(["body-size"]), &json!(["/upload"])));
    assert_eq!(part["body_size_above"], 50_000);

    let folder = tempfile::tempdir()?;
    let policy = "[plugins.up]\nfile = \"upload-alert.wasm\"\ngrants = { alerts = true, log = true }\n\
                  [plugins.other]\nfile = \"other.wasm\"\n";
    in_folder(folder.path(), "a.toml", policy.as_bytes())?;
    let (status, told) = plugin("inspect", &built("upload-alert")?, &["--policy", text(folder.path())?]).await?;
    assert_eq!(status, 1);
    for part in ["in [plugins.up]", "grants = { alerts = true, abort = true, log = true }", "missing     abort"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let named = ["--policy", text(folder.path())?, "--name", "othre"];
    let (status, told) = plugin("inspect", &built("upload-alert")?, &named).await?;
    assert_eq!(status, 2, "nothing can be said of a plugin that does not exist");
    assert!(told.contains("there is other, up"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_broken_file_is_told_what_is_wrong_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let canary = std::fs::read(built("canary")?)?;
    let contract = with_manifest(br#"{"name":"a","version":"1","contract":"9.9"}"#);
    let manifest = with_manifest(br#"{"name":"a","version":"1","contract":"0.2","nedes":{}}"#);
    let bare = with_manifest(br#"{"name":"a","version":"1","contract":"0.2"}"#);
    let foreign = importing(&canary, "evil:network/sockets1")?;
    let cases: [(&str, &[u8], &str, &str); 9] = [
        ("empty.wasm", b"", "not a WebAssembly component", "the file is empty"),
        ("text.wasm", b"hello, world", "not a WebAssembly component", "begins with `\\0asm`"),
        ("module.wasm", CORE_MODULE, "a core module", "`sluice plugin build`"),
        ("cut.wasm", &canary[..canary.len() / 2], "unexpected end", "cut off or damaged"),
        ("no-manifest.wasm", b"\0asm\x0d\0\x01\0", "no manifest", "`sluice plugin pack"),
        ("contract.wasm", &contract, "speaks contract \"9.9\", this router 0.1 and 0.2", "contract"),
        ("manifest.wasm", &manifest, "unknown field `nedes`", ""),
        ("bare.wasm", &bare, "the export `init: func", "plugin.wit"),
        ("foreign.wasm", &foreign, "forbidden imports: evil:network/sockets1@0.2.0", "neither of the contract"),
    ];
    for (name, content, reason, hint) in cases {
        let (status, told) = plugin("inspect", &in_folder(at, name, content)?, &[]).await?;
        assert_eq!(status, 1, "{name}: {told}");
        assert!(told.contains("refused: ") && told.contains(reason) && told.contains(hint), "{name}: {told}");
    }
    let (status, told) = plugin("inspect", at, &[]).await?;
    assert_eq!(status, 1);
    assert!(told.contains("is a directory, not a file"), "{told}");
    let (status, told) = plugin("inspect", &at.join("none.wasm"), &[]).await?;
    assert_eq!(status, 2, "{told}");
    Ok(())
}

#[tokio::test]
async fn the_cases_of_our_own_plugins_hold() -> Result<()> {
    for (name, cases) in
        [("canary", "tests"), ("feature-flags", "tests"), ("feature-flags", "sets"), ("upload-alert", "tests")]
    {
        let cases = format!("{ROOT}/plugins/{name}/{cases}.toml");
        let (status, told) = plugin("test", &built(name)?, &["--cases", &cases]).await?;
        assert_eq!(status, 0, "{name}: {told}");
        assert!(told.trim_end().ends_with("cases") && !told.contains("FAILED"), "{told}");
    }
    Ok(())
}

/// Everything that the hostile plugin may want.
const GRANTS: &str = "grants = { state = [\"flag:hostile\"], alerts = true, abort = true, counters = true, tags = true, \
                      log = true, edits = true, body = true }";

/// Acts of the hostile plugin, and what must come of them.
const ACTS: [(&str, &str); 7] = [
    ("edit", r#"expect = { verdict = "next", edits = ["set x-edited: request", "remove x-removed"] }"#),
    (
        "edit-status",
        r#"response.status = 200
                       expect.edits = ["status 299"]"#,
    ),
    ("log", r#"expect = { log = ["hostile: logged as told"] }"#),
    ("tag", r#"expect = { effects = ["tag hostile"] }"#),
    ("trap-in-request", r#"expect = { verdict = "failed" }"#),
    ("path-not-normal", r#"expect = { verdict = "failed" }"#),
    ("respond", r#"expect = { verdict = "respond", status = 418 }"#),
];

#[tokio::test]
async fn a_case_that_does_not_hold_says_what_came() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hostile = built("hostile")?;
    for (act, expect) in ACTS {
        let right = format!(
            "config = {{ do = \"{act}\" }}\n{GRANTS}\n[[case]]\nname = \"c\"\nrequest.url = \"http://a/\"\n{expect}\n"
        );
        let cases = in_folder(folder.path(), "right.toml", right.as_bytes())?;
        let (status, told) = plugin("test", &hostile, &["--cases", text(&cases)?, "--json"]).await?;
        let ran: Value = serde_json::from_str(&told).with_context(|| told.clone())?;
        assert_eq!((status, &ran[0]["ok"]), (0, &json!(true)), "{act}: {told}");
    }
    let wrong = "config = { do = \"trap-in-request\" }\n[[case]]\nname = \"stays calm\"\nrequest.url = \"http://a/\"\n\
                 expect = { verdict = \"next\", called = true }\n";
    let cases = in_folder(folder.path(), "wrong.toml", wrong.as_bytes())?;
    let (status, told) = plugin("test", &hostile, &["--cases", text(&cases)?]).await?;
    assert_eq!(status, 1);
    for part in ["FAILED  stays calm", "- next", "+ failed", "`on-request` trapped", "FAILED: 1 of 1 cases"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let unasked = "config = { do = \"edit\" }\n[[case]]\nname = \"c\"\nrequest.url = \"http://a/\"\nexpect.edits = [\"path /\"]\n";
    let cases = in_folder(folder.path(), "unasked.toml", unasked.as_bytes())?;
    let (_, told) = plugin("test", &hostile, &["--cases", text(&cases)?]).await?;
    assert!(told.contains("2 edits or effects were taken out, not being granted"), "{told}");
    let misspelt = in_folder(folder.path(), "misspelt.toml", wrong.replace("called", "caled").as_bytes())?;
    let (status, told) = plugin("test", &hostile, &["--cases", text(&misspelt)?]).await?;
    assert_eq!(status, 2, "no case was held");
    assert!(told.contains("misspelt.toml:5:") && told.contains("did you mean `called`?"), "{told}");
    Ok(())
}

#[tokio::test]
async fn bodies_are_shown_in_chunks_up_to_the_limit() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hostile = built("hostile")?;
    let tests = |act: &str, body: &str, expect: &str| {
        let limits = "limits.body = \"1000B\"";
        let request = "request = { method = \"POST\", url = \"http://a/\" }";
        format!(
            "config = {{ do = \"{act}\" }}\n{GRANTS}\n{limits}\n[[case]]\nname = \"c\"\n{request}\nbody = {body}\nexpect = {expect}\n"
        )
    };
    let counted = "{ effects = [\"add bytes 400\", \"add bytes 400\", \"add bytes 200\"] }";
    for (act, body, expect) in [
        ("count-chunks", "{ bytes = 5000, chunk_bytes = 400 }", counted),
        ("count-chunks", "{ text = \"abc\" }", "{ effects = [\"add bytes 3\"] }"),
        ("respond-in-body-chunk", "{ bytes = 1 }", "{ verdict = \"respond\", status = 418 }"),
        ("done-after-one-chunk", "{ bytes = 900, chunk_bytes = 1 }", "{ verdict = \"next\" }"),
        ("trap-in-body-chunk", "{ bytes = 1 }", "{ verdict = \"failed\" }"),
        ("trap-in-body-chunk", "{ bytes = 0 }", "{ verdict = \"next\" }"),
    ] {
        let cases = in_folder(folder.path(), "cases.toml", tests(act, body, expect).as_bytes())?;
        let (status, told) = plugin("test", &hostile, &["--cases", text(&cases)?]).await?;
        assert_eq!(status, 0, "{act}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn golden_files_hold_the_whole_outcome() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let golden = folder.path().join("golden");
    let cases = format!("{ROOT}/plugins/feature-flags/tests.toml");
    let compared = ["--cases", &cases, "--golden", text(&golden)?];
    let (status, told) = plugin("test", &built("feature-flags")?, &compared).await?;
    assert_eq!(status, 1, "there are none yet");
    assert!(told.contains("--update"), "{told}");
    let (status, _) = plugin("test", &built("feature-flags")?, &[&compared[..], &["--update"]].concat()).await?;
    assert_eq!(status, 0);
    let (status, told) = plugin("test", &built("feature-flags")?, &compared).await?;
    assert_eq!(status, 0, "{told}");
    let file = golden.join("a-flag-that-nobody-set-is-off.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    assert_eq!((&kept["verdict"], &kept["response"]["status"]), (&json!("respond"), &json!(404)));
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("\"status\": 404", "\"status\": 410"))?;
    let (status, told) = plugin("test", &built("feature-flags")?, &compared).await?;
    assert_eq!(status, 1);
    assert!(told.contains("-     \"status\": 410") && told.contains("+     \"status\": 404"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_measurement_tells_each_phase() -> Result<()> {
    let cases = format!("{ROOT}/plugins/feature-flags/tests.toml");
    let measured = ["--cases", &cases, "--seconds", "0.05", "--json"];
    let (status, told) = plugin("bench", &built("feature-flags")?, &measured).await?;
    let bench: Value = serde_json::from_str(&told).with_context(|| told.clone())?;
    assert_eq!(status, 0);
    let phases = bench["phases"].as_array().context("phases")?;
    assert_eq!(phases.len(), 1);
    let phase = &phases[0];
    let figure = |key: &str| phase[key].as_f64().unwrap_or_default();
    assert_eq!(phase["phase"], "request");
    assert!(figure("p50_ns") > 0.0 && figure("p50_ns") <= figure("p99_ns") && figure("calls_per_second") > 0.0);
    assert!(bench["compile_warm_ns"].as_u64() < bench["compile_cold_ns"].as_u64(), "{bench:#}");
    assert_eq!((&bench["cases"], &bench["left_out"]), (&json!(5), &json!(["what is no switch is refused"])));

    let (status, told) = plugin("bench", &built("feature-flags")?, &["--seconds", "0.05"]).await?;
    assert_eq!(status, 1, "it wants a configuration");
    assert!(told.contains("config = { .. }"), "{told}");
    let (status, told) = plugin("bench", &built("canary")?, &["--seconds", "0"]).await?;
    assert_eq!(status, 2);
    assert!(told.contains("from 0.01 to 600"), "{told}");
    Ok(())
}
