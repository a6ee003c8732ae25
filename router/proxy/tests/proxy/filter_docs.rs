//! Every example of `docs/filters.md` is a policy that is accepted.

use crate::router::Router;

#[tokio::test]
async fn every_example_runs() {
    let text = include_str!("../../../../docs/filters.md");
    let examples = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    for example in examples {
        let router = Router::start(example);
        let status = router.client().await.get("/nothing-here").await.status;
        assert!(matches!(status, 302 | 301 | 404 | 503), "{status} from {example}");
        count += 1;
    }
    assert_eq!(count, text.matches("\n## ").count() - 1, "one example for each section but the order");
}
