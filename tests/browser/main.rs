//! The programs as people use them: headless Chromium, the popup opened by `embed.js` from a page on another origin,
//! every page of the navigation. Screenshots are left in `target/screenshots`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod below;
mod browser;
mod chromedriver;
mod chromium;
mod confirm;
mod docs;
mod editing;
mod flow;
mod frames;
mod grafana;
mod grants;
mod keyboard;
mod life;
mod log;
mod managers;
mod nginx;
mod outage;
mod pages;
mod popup;
mod rights;
mod running;
mod schedules;
mod screens;
mod shots;
mod stage;
mod start;
mod states;
