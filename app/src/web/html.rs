//! The frame of every HTML page, and escaping.

use axum::response::Html;

use super::App;

/// A page with `content` (HTML), under a heading that names the release and the server that made it.
pub(super) fn page(app: &App, content: &str) -> Html<String> {
    let (release, server) = (app.release, escape(app.id.as_str()));
    Html(format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>meow ({release})</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
.images {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1rem; }}
figure {{ margin: 0; }}
img {{ width: 100%; height: 10rem; object-fit: cover; background: #eee; }}
figcaption, footer {{ color: #666; font-size: 0.9rem; }}
</style>
</head>
<body>
<h1><a href="/">meow</a></h1>
{content}<footer>release <strong>{release}</strong>, rendered by <code>{server}</code></footer>
</body>
</html>
"#
    ))
}

/// `text` as HTML, safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape(r#"<a href="x" id='y'>&"#), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
    }
}
