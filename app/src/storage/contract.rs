//! What every storage does, checked through two handles on the same data, as two processes would have.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{IMAGES_MAX, RECENT_PATHS_MAX, Storage};
use crate::image::{Image, ImageId, ImageKind, ImageSummary};

pub(crate) use crate::testing::eventually;

/// Runs the whole contract on empty data.
pub(super) async fn check(first: Arc<dyn Storage>, second: Arc<dyn Storage>) {
    messages_are_shared_and_end(&*first, &*second).await;
    recent_paths_are_shared_bounded_and_newest_first(&first, &second).await;
    images_are_shared_bounded_and_newest_first(&*first, &*second).await;
}

async fn messages_are_shared_and_end(first: &dyn Storage, second: &dyn Storage) {
    assert_eq!(first.message().await.unwrap(), None);
    first.set_message("for long", Duration::from_secs(60)).await.unwrap();
    assert_eq!(second.message().await.unwrap().as_deref(), Some("for long"));
    second.set_message("for a moment", Duration::from_millis(150)).await.unwrap();
    eventually(async || first.message().await.unwrap().is_none()).await;
    assert_eq!(second.message().await.unwrap(), None);
}

async fn recent_paths_are_shared_bounded_and_newest_first(first: &Arc<dyn Storage>, second: &Arc<dyn Storage>) {
    assert!(first.recent_paths().await.unwrap().is_empty());
    for visit in 0..=RECENT_PATHS_MAX {
        let storage = if visit % 2 == 0 { first } else { second };
        storage.record_path(&format!("/{visit}")).await.unwrap();
    }
    let newest_first: Vec<_> = (1..=RECENT_PATHS_MAX).rev().map(|visit| format!("/{visit}")).collect();
    assert_eq!(first.recent_paths().await.unwrap(), newest_first);
    assert_eq!(second.recent_paths().await.unwrap(), newest_first);

    let mut writers = JoinSet::new();
    for storage in [first, second] {
        for _ in 0..RECENT_PATHS_MAX {
            let storage = Arc::clone(storage);
            writers.spawn(async move { storage.record_path("/together").await });
        }
    }
    writers.join_all().await.into_iter().for_each(Result::unwrap);
    assert_eq!(first.recent_paths().await.unwrap(), ["/together"; RECENT_PATHS_MAX]);
}

async fn images_are_shared_bounded_and_newest_first(first: &dyn Storage, second: &dyn Storage) {
    assert_eq!(first.newest_images(20).await.unwrap(), []);
    assert_eq!(first.image(&ImageId::random()).await.unwrap(), None);

    let mut content = vec![0_u8; 50_001];
    content[..6].copy_from_slice(b"GIF89a");
    let oldest = Image { id: ImageId::random(), kind: ImageKind::Gif, content: content.into() };
    first.put_image(&oldest).await.unwrap();
    assert_eq!(second.image(&oldest.id).await.unwrap().as_ref(), Some(&oldest));
    let summary = ImageSummary { id: oldest.id.clone(), kind: ImageKind::Gif, bytes: 50_001 };
    assert_eq!(second.newest_images(20).await.unwrap(), [summary]);

    let mut ids = Vec::new();
    for number in 1..IMAGES_MAX {
        let image = Image { id: ImageId::random(), kind: ImageKind::Png, content: number.to_string().into() };
        first.put_image(&image).await.unwrap();
        ids.insert(0, image.id);
    }
    assert!(second.image(&oldest.id).await.unwrap().is_some(), "the bound itself is kept");
    let newest: Vec<_> = second.newest_images(20).await.unwrap().into_iter().map(|image| image.id).collect();
    assert_eq!(newest, ids[..20]);

    let one_more = Image { id: ImageId::random(), kind: ImageKind::Webp, content: "w".into() };
    second.put_image(&one_more).await.unwrap();
    assert_eq!(first.image(&oldest.id).await.unwrap(), None, "one past the bound drops the oldest");
    let all = first.newest_images(IMAGES_MAX + 1).await.unwrap();
    assert_eq!((all.len(), &all[0].id), (IMAGES_MAX, &one_more.id));
    assert_eq!(first.newest_images(0).await.unwrap(), []);
}
