// Elements, and the small things that several screens show. Data from the server becomes text nodes and whitelisted class names, never markup.

/**
 * Makes an element; children become text nodes unless they are nodes, and null is left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string|number|boolean|null|undefined|((event: any) => void)>} [attributes] functions become listeners
 * @param {...(Node|string|null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/**
 * Only web addresses become links: a runbook could be `javascript:`.
 * @param {string|null} url
 */
export function webAddress(url) {
  return url && /^https?:\/\//i.test(url) ? url : null;
}

const COLOURS = new Set(["red", "orange", "yellow", "green", "blue", "purple", "grey"]);

/** @param {Environment[]} environments */
export function badges(environments) {
  const spans = environments.map((environment) =>
    h("span", { class: `environment ${COLOURS.has(environment.colour) ? environment.colour : "grey"}` }, environment.name),
  );
  return h("span", { class: "badges" }, ...spans);
}

/** @param {string} tone @param {string} sentence @param {...(Node|null)} more */
export function notice(tone, sentence, ...more) {
  return h("div", { class: `notice ${tone}`, role: tone === "critical" ? "alert" : "status" }, h("p", {}, sentence), ...more);
}

/** What follows it in the footer stands at its right end. */
export function space() {
  return h("span", { class: "space" });
}

/** @param {string} text @param {() => void} act @param {string} [look] @param {string} [label] */
export function button(text, act, look = "quiet", label) {
  return h("button", { type: "button", class: look, click: act, "aria-label": label ?? null }, text);
}

/**
 * @param {string} label @param {() => string|null|Promise<string>} text what to copy, null: more than a clipboard should hold
 * @param {string} [tooMuch] what the button says then @param {string} [name] for screen readers @param {string} [look]
 */
export function copyButton(label, text, tooMuch = "", name, look = "link") {
  const copy = button(
    label,
    async () => {
      const given = text();
      const done = given === null ? tooMuch : (await copied(await given)) ? "Copied" : "Copy failed";
      copy.textContent = done;
      setTimeout(() => (copy.textContent = label), 2000);
    },
    look,
    name,
  );
  return copy;
}

/**
 * The clipboard needs a secure context and, inside a frame, a permission; the older way is the second try.
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
