//! A real Chromium without a window, steered through `chromedriver` by the WebDriver protocol (W3C, JSON over HTTP).

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::client;
use crate::process::Process;

/// No window, no first-run pages, nothing that asks the network for anything but the page; and a pipe to the driver, whose
/// end also ends a browser that a failed test could not close.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1400",
    "--remote-debugging-pipe",
];
/// Announces the port that was free.
const ANNOUNCEMENT: &str = "ChromeDriver was started successfully on port ";
/// The name under which an element's id travels (WebDriver section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one page and its own profile folder.
pub struct Browser {
    driver: Process,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts the driver and through it a browser.
    ///
    /// # Errors
    /// If either is missing, or does not start.
    pub async fn start() -> Result<Self> {
        let program = std::env::var("SLUICE_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let mut driver = Process::start("chromedriver", Command::new(program).arg("--port=0"))
            .context("`cargo xtask test` finds or installs a browser with its driver")?;
        let port = driver.line(ANNOUNCEMENT).await?;
        let port = port.trim_end_matches('.');
        let profile = tempfile::tempdir()?;
        let data = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([data.as_str()]).collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let client = client::keep_alive();
        let sessions = format!("http://127.0.0.1:{port}/session");
        let started = client::json(client.post(&sessions).json(&capabilities)).await?;
        let id = started["value"]["sessionId"].as_str().context("a session has an id")?;
        Ok(Self { driver, client, session: format!("{sessions}/{id}"), _profile: profile })
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(body);
        }
        Ok(client::json(request).await?["value"].take())
    }

    /// Loads a page.
    ///
    /// # Errors
    /// If it does not load.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.ask(Method::POST, "/url", &json!({ "url": url })).await?;
        Ok(())
    }

    async fn element(&self, xpath: &str) -> Result<String> {
        let found = self.ask(Method::POST, "/element", &json!({ "using": "xpath", "value": xpath })).await?;
        Ok(found[ELEMENT].as_str().context("an element has an id")?.to_owned())
    }

    /// Clicks the button with this text inside the section with this id, as a user does.
    ///
    /// # Errors
    /// If there is none, it is not visible or something covers it.
    pub async fn click(&self, section: &str, button: &str) -> Result<()> {
        let xpath = format!("//*[@id='{section}']//button[normalize-space()='{button}']");
        let element = self.element(&xpath).await?;
        self.ask(Method::POST, &format!("/element/{element}/click"), &json!({})).await?;
        Ok(())
    }

    /// Replaces what stands in the input of the section with this id by typing.
    ///
    /// # Errors
    /// If there is none, or it does not take text.
    pub async fn type_into(&self, section: &str, text: &str) -> Result<()> {
        let element = self.element(&format!("//*[@id='{section}']//input")).await?;
        self.ask(Method::POST, &format!("/element/{element}/clear"), &json!({})).await?;
        self.ask(Method::POST, &format!("/element/{element}/value"), &json!({ "text": text })).await?;
        Ok(())
    }

    /// The visible text of the element with this id.
    ///
    /// # Errors
    /// If there is no such element.
    pub async fn text(&self, id: &str) -> Result<String> {
        let text = self.run(&format!("return document.getElementById('{id}').innerText")).await?;
        Ok(text.as_str().context("an element has text")?.to_owned())
    }

    /// Runs a script in the page; what it returns.
    ///
    /// # Errors
    /// If it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.ask(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Makes the page as wide as the screen of some device (`Emulation.setDeviceMetricsOverride` of Chrome's own protocol:
    /// a window cannot be narrower than 500 pixels).
    ///
    /// # Errors
    /// If the browser does not do it.
    pub async fn set_width(&self, pixels: u32) -> Result<()> {
        let metrics = json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": true });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
        self.ask(Method::POST, "/goog/cdp/execute", &command).await?;
        Ok(())
    }

    /// What the page and the browser wrote to the console since the last look.
    ///
    /// # Errors
    /// If the driver does not say.
    pub async fn console(&self) -> Result<Vec<Value>> {
        let log = self.ask(Method::POST, "/se/log", &json!({ "type": "browser" })).await?;
        log.as_array().cloned().context("a log is a list")
    }

    /// Closes the browser, then ends the driver.
    ///
    /// # Errors
    /// If either does not end.
    pub async fn close(mut self) -> Result<()> {
        self.ask(Method::DELETE, "", &Value::Null).await?;
        let status = self.driver.terminate().await?;
        ensure!(status.success() || status.code().is_none(), "chromedriver ended with {status}");
        Ok(())
    }
}
