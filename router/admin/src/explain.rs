//! `/v1/explain`: what would become of a request now. Reads only, whatever the method: nothing is sent, counted or
//! raised.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use sluice_control::{Explanation, Question};

use crate::Shared;
use crate::api::Body;
use crate::error::ApiError;

/// Where it is; its `POST` asks for no more than a `GET` does.
pub(crate) const PATH: &str = "/v1/explain";

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route(PATH, get(by_query).post(by_body))
}

async fn by_body(State(context): State<Shared>, body: Body<Question>) -> Result<Json<Explanation>, ApiError> {
    Ok(Json(context.handle.explain(&body.0).await?))
}

/// `?method=GET&url=http://host/path&header=name:value&header=..&body_bytes=N&client=IP`.
async fn by_query(
    State(context): State<Shared>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Explanation>, ApiError> {
    let question = question(&pairs).map_err(ApiError::Invalid)?;
    Ok(Json(context.handle.explain(&question).await?))
}

fn question(pairs: &[(String, String)]) -> Result<Question, String> {
    let mut question =
        Question { method: "GET".to_owned(), url: String::new(), headers: Vec::new(), body_bytes: None, client: None };
    for (name, value) in pairs {
        let wrong = |expected: &str| format!("`{name}={value}`: {expected}");
        match name.as_str() {
            "method" => question.method.clone_from(value),
            "url" => question.url.clone_from(value),
            "header" => {
                let (name, value) = value.split_once(':').ok_or_else(|| wrong("write header=NAME:VALUE"))?;
                question.headers.push((name.to_owned(), value.to_owned()));
            }
            "body_bytes" => question.body_bytes = Some(value.parse().map_err(|_| wrong("a number of bytes"))?),
            "client" => question.client = Some(value.parse().map_err(|_| wrong("an IP address"))?),
            _ => return Err(format!("no parameter `{name}`: method, url, header, body_bytes, client")),
        }
    }
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_query_asks_the_same_as_a_body() {
        let asked = question(&[pair("url", "http://a/b"), pair("header", "x-a: 1"), pair("body_bytes", "7")]).unwrap();
        let body = r#"{"url": "http://a/b", "headers": [["x-a", " 1"]], "body_bytes": 7}"#;
        assert_eq!(asked, serde_json::from_str(body).unwrap());
        assert!(question(&[pair("header", "x")]).unwrap_err().contains("NAME:VALUE"));
        assert!(question(&[pair("client", "me")]).is_err() && question(&[pair("uri", "/")]).is_err());
    }
}
