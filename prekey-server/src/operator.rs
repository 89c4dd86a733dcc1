//! What the operator's own listener answers: metrics, and whether the server lives and is ready. Never for the public.

use crate::http;
use crate::problem::Problem;
use crate::service::Service;
use crate::store::Store;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::routing::get;
use std::sync::Arc;

pub(crate) fn router<S: Store>(service: Arc<Service<S>>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<S>))
        .route("/livez", get(http::live))
        .route("/readyz", get(http::ready::<S>))
        .with_state(service)
}

type Text = ([(HeaderName, &'static str); 1], String);

async fn metrics<S: Store>(State(service): State<Arc<Service<S>>>) -> Result<Text, Problem> {
    let text = service.metrics_text().map_err(|_| Problem::Internal)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
