// What every wide page needs beside its HTML: the chosen theme, the folded menu of a narrow screen, times in the reader's own
// zone, coming back when the database does.
// A classic script in the head, so that the theme is set before the first paint. Pages work without it.
(() => {
  "use strict";
  const AWAY_MS = 3000;
  const THEMES = ["auto", "dark", "light"];
  const root = document.documentElement;
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  /** Where the service lives on its host, as in popup/base.js. */
  const BASE = /^(.*)\/assets\//.exec(new URL(script.src).pathname)?.[1] ?? "";

  /**
   * A browser may refuse storage to a framed page.
   * @returns {string|null}
   */
  function remembered() {
    try {
      return localStorage.getItem("selfservice-theme");
    } catch {
      return null;
    }
  }

  /** @param {string} theme */
  function remember(theme) {
    try {
      localStorage.setItem("selfservice-theme", theme);
    } catch {
      // The choice then lasts as long as the page.
    }
  }

  function chooseTheme() {
    const asked = new URLSearchParams(location.search).get("theme");
    const theme = asked ?? remembered() ?? "auto";
    if (THEMES.includes(theme)) root.dataset.theme = theme;
  }

  /** @param {HTMLButtonElement} button */
  function switchTheme(button) {
    const show = () => (button.textContent = `Theme: ${root.dataset.theme ?? "auto"}`);
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length] ?? "auto";
      root.dataset.theme = next;
      remember(next);
      show();
    });
  }

  /** @param {HTMLButtonElement} button */
  function foldMenu(button) {
    button.hidden = false;
    root.dataset.menu = "closed";
    button.addEventListener("click", () => {
      const open = root.dataset.menu !== "open";
      root.dataset.menu = open ? "open" : "closed";
      button.setAttribute("aria-expanded", String(open));
    });
  }

  /** @param {HTMLTimeElement} time */
  function localise(time) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    const now = new Date();
    const today = moment.toDateString() === now.toDateString();
    const year = moment.getFullYear() === now.getFullYear() ? undefined : "numeric";
    const hour = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    time.title = moment.toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
    time.textContent = today ? hour : `${moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", year })} ${hour}`;
  }

  /**
   * "/" goes to the search field.
   * @param {KeyboardEvent} event
   */
  function searchKey(event) {
    const typing = event.target instanceof HTMLElement && event.target.closest("input, select, textarea, selfservice-popup");
    const search = /** @type {HTMLInputElement|null} */ (document.querySelector("input[type=search]"));
    if (event.key !== "/" || typing || !search || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    search.focus();
  }

  /**
   * The database was away: loads the page again when it is back.
   * @param {HTMLElement} note says so
   */
  function resume(note) {
    note.hidden = false;
    const ask = async () => {
      const back = await fetch(`${BASE}/health`).then((answer) => answer.ok, () => false);
      if (back) location.reload();
      else setTimeout(() => void ask(), AWAY_MS);
    };
    setTimeout(() => void ask(), AWAY_MS);
  }

  function localiseAll() {
    for (const time of document.querySelectorAll("time")) localise(time);
  }

  chooseTheme();
  document.addEventListener("keydown", searchKey);
  document.addEventListener("selfservice-fresh", localiseAll);
  document.addEventListener("DOMContentLoaded", () => {
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-theme-switch]")))
      switchTheme(button);
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-menu-switch]"))) foldMenu(button);
    localiseAll();
    for (const note of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-resumes] [data-resumes-note]"))) resume(note);
  });
})();
