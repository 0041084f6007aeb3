//! Builds the server, which binds and can fail, and runs it until a signal.

use crate::events::Events;
use crate::state::AppState;
use crate::{answer, routes};
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use futures_util::future::select_all;
use selfservice_core::config::Settings;
use std::net::TcpListener;
use std::time::Duration;

/// Requests that are under way when the program is told to stop get so many seconds; streams end then.
const SHUTDOWN_SECONDS: u64 = 3;
/// A client that sends its request head slower than this is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that listens already.
pub struct Application {
    server: Server,
    events: Events,
    port: u16,
}

/// Stops a running [`Application`].
#[derive(Clone)]
pub struct Stopper {
    server: ServerHandle,
    events: Events,
}

impl Application {
    /// Binds the address of the settings; port 0 takes a free one. Does not need the database.
    pub fn build(settings: &Settings) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(settings.web.listen)
            .with_context(|| format!("[web] listen: cannot listen on {}", settings.web.listen))?;
        let port = listener.local_addr()?.port();
        let state = web::Data::new(AppState::new(settings)?);
        let events = state.events.clone();
        let app = move || {
            App::new().app_data(state.clone()).wrap(from_fn(answer::answer)).configure(routes::routes)
        };
        let server = HttpServer::new(app)
            .listen(listener)?
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .disable_signals()
            .run();
        tracing::info!(port, public_url = settings.web.public_url, "web_gui listens");
        Ok(Self { server, events, port })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stops it from another task.
    pub fn stopper(&self) -> Stopper {
        Stopper { server: self.server.handle(), events: self.events.clone() }
    }

    /// Serves until SIGTERM, SIGINT or SIGQUIT, or until [`Stopper::stop`]. Requests under way may finish for
    /// `SHUTDOWN_SECONDS`; streams are told to end.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let stopper = self.stopper();
        let mut signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()]
            .into_iter()
            .map(signal)
            .collect::<Result<Vec<_>, _>>()
            .context("while installing the signal handlers")?;
        actix_web::rt::spawn(async move {
            select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
            tracing::info!("stopping");
            stopper.stop().await;
        });
        self.server.await.context("the server failed")
    }
}

impl Stopper {
    /// Tells the streams to end, and the server to finish what is under way.
    pub async fn stop(&self) {
        self.events.close();
        self.server.stop(true).await;
    }
}
