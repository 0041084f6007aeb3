// Opens the popup on any page, for Grafana's HTML panels and Chronograf:
//   <script src="https://selfservice.example.net/embed.js"></script>
//   <a href="#" data-selfservice-host="db-1" data-selfservice-service="PostgreSQL">Heal</a>
//   SelfService.open({ environment: "production", host: "db-1", service: "PostgreSQL", theme: "dark" })
// The popup is an iframe of our own origin, so the page around it can neither read it nor act in it. Closing it ends no run.
(() => {
  "use strict";
  /** @typedef {{environment?: string, host?: string, service?: string, task?: string, theme?: string}} Asked */
  const script = document.currentScript;
  const page = /** @type {Window & {SelfService?: object}} */ (window);
  if (page.SelfService || !(script instanceof HTMLScriptElement)) return;

  // Beside embed.js lies /popup, also where the service lives below a path.
  const popupUrl = new URL("popup", script.src);
  const NAMES = /** @type {const} */ (["environment", "host", "service", "task", "theme"]);
  const LOOK = `
    .backdrop{position:fixed;inset:0;z-index:2147483000;display:flex;align-items:center;justify-content:center;padding:16px;background:rgb(0 0 0/.55)}
    .box{position:relative;display:flex;flex-direction:column;width:482px;max-width:100%;max-height:100%;border:1px solid #6b7280;border-radius:8px;overflow:hidden;background:#181b1f;box-shadow:0 12px 40px rgb(0 0 0/.5);color-scheme:dark}
    .box.light{background:#fff;color-scheme:light}
    .strip{display:flex;justify-content:space-between;align-items:center;padding:4px 4px 4px 16px;font:600 12px/1.4 Inter,system-ui,sans-serif;color:#9aa0ad}
    .light .strip{color:#5c6470}
    button{min-width:32px;min-height:32px;border:0;border-radius:4px;background:none;color:inherit;font:18px/1 system-ui,sans-serif;cursor:pointer}
    button:hover{background:rgb(127 127 127/.2)}
    button:focus-visible{outline:2px solid #6e9fff;outline-offset:-2px}
    iframe{display:block;width:100%;height:420px;min-height:160px;border:0}`;

  /** @type {{close: () => void}|null} */
  let opened = null;

  /** @param {Asked} asked */
  function addressOf(asked) {
    const url = new URL(popupUrl);
    for (const name of NAMES) if (asked[name]) url.searchParams.set(name, String(asked[name]));
    return url.href;
  }

  /** @param {string} theme */
  function isLight(theme) {
    return theme === "light" || (theme !== "dark" && matchMedia("(prefers-color-scheme: light)").matches);
  }

  /**
   * Opens the popup; one that is open already is replaced.
   * @param {Asked} [asked]
   */
  function open(asked = {}) {
    opened?.close();
    const before = document.activeElement;
    const holder = document.createElement("div");
    const { backdrop, frame, button } = build(holder, asked);

    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.key === "Escape") close();
    };
    /** @param {MessageEvent} event */
    const heard = (event) => {
      if (event.origin !== popupUrl.origin || event.source !== frame.contentWindow || event.data?.source !== "selfservice-popup") return;
      if (event.data.type === "close") close();
      if (event.data.type === "resize")
        frame.style.height = `${Math.min(Math.max(Number(event.data.height) || 0, 160), innerHeight - 80)}px`;
    };
    const close = () => {
      removeEventListener("message", heard);
      document.removeEventListener("keydown", pressed, true);
      holder.remove();
      opened = null;
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };

    addEventListener("message", heard);
    document.addEventListener("keydown", pressed, true);
    button.addEventListener("click", close);
    backdrop.addEventListener("mousedown", (event) => event.target === backdrop && close());
    document.body.append(holder);
    opened = { close };
    frame.addEventListener("load", () => frame.focus(), { once: true });
    button.focus();
    return { close };
  }

  /**
   * A shadow root keeps the page's styles away from the container, and ours away from the page.
   * @param {HTMLElement} holder @param {Asked} asked
   */
  function build(holder, asked) {
    const root = holder.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(LOOK);
    root.adoptedStyleSheets = [sheet];
    const backdrop = element("div", { class: "backdrop" });
    const box = element("div", {
      class: isLight(asked.theme ?? "auto") ? "box light" : "box",
      role: "dialog",
      "aria-modal": "true",
      "aria-label": "Self Service",
    });
    const strip = element("div", { class: "strip" });
    const button = element("button", { type: "button", "aria-label": "Close", title: "Close (Escape); a running action goes on" });
    const frame = element("iframe", { src: addressOf(asked), title: "Self Service", allow: "clipboard-write" });
    button.append("\u00d7");
    strip.append("Self Service", button);
    box.append(strip, frame);
    // Tab must not leave the dialog: the sentinels send the focus back in.
    const [first, last] = [element("span", { tabindex: "0" }), element("span", { tabindex: "0" })];
    first.addEventListener("focus", () => frame.focus());
    last.addEventListener("focus", () => button.focus());
    backdrop.append(first, box, last);
    root.append(backdrop);
    return { backdrop, frame, button };
  }

  /**
   * @template {keyof HTMLElementTagNameMap} K
   * @param {K} tag @param {Record<string, string>} attributes
   */
  function element(tag, attributes) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest("[data-selfservice-host], [data-selfservice-open]") : null;
    if (!pressed) return;
    event.preventDefault();
    open(Object.fromEntries(NAMES.map((name) => [name, pressed.getAttribute(`data-selfservice-${name}`) ?? ""])));
  });

  page.SelfService = Object.freeze({ open, close: () => opened?.close() });
})();
