// The documentation of the JSON API: the document that the service serves, made readable, with a form to try each address.

import { BASE } from "./popup/base.js";
import { h } from "./popup/dom.js";

/** @typedef {Record<string, any>} Json */
/** @typedef {{method: string, path: string, operation: Json}} Endpoint */

const METHODS = ["get", "post", "put", "delete"];
/** More of an answer is not shown. */
const MOST = 65536;

const holder = /** @type {HTMLElement} */ (document.querySelector("[data-api-docs]"));
const csrfToken = holder.dataset["csrfToken"] ?? "";

/** @param {Json} api */
function show(api) {
  /** @type {Map<string, Endpoint[]>} */
  const groups = new Map();
  for (const one of endpoints(api)) {
    const name = String(one.operation["tags"]?.[0] ?? "");
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const words = api["info"].description.split("\n\n").map((/** @type {string} */ text) => h("p", {}, ...marked(text)));
  holder.replaceChildren(
    h("section", { class: "card" }, ...words),
    ...[...groups].map(([name, members]) =>
      h("section", { class: "card" }, h("h2", { id: `api-${name}` }, name.replaceAll("_", " ")), ...members.map((one) => endpoint(api, one))),
    ),
    h("section", { class: "card" }, schemas(api)),
  );
  openAsked();
  addEventListener("hashchange", openAsked);
}

/** @param {Json} api @returns {Endpoint[]} */
function endpoints(api) {
  return Object.entries(/** @type {Json} */ (api["paths"])).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ method, path, operation: item[method] })),
  );
}

/**
 * What stands between backticks is code.
 * @param {string} text
 */
function marked(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** The part of the page that the address names is opened. */
function openAsked() {
  const asked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = asked; part; part = part.parentElement) if (part instanceof HTMLDetailsElement) part.open = true;
  asked?.scrollIntoView();
}

/** @param {Json} api */
function schemas(api) {
  const all = Object.entries(/** @type {Json} */ (api["components"].schemas)).map(schema);
  return h("details", {}, h("summary", {}, `Schemas (${all.length})`), ...all);
}

/** @param {[string, Json]} named */
function schema([name, content]) {
  return h(
    "details",
    { class: "endpoint", id: `schema-${name}` },
    h("summary", {}, h("code", {}, name)),
    h("pre", { class: "command", tabindex: 0, "aria-label": `Schema ${name}` }, JSON.stringify(content, null, 2)),
  );
}

/**
 * The rest of an endpoint is made when somebody opens it.
 * @param {Json} api @param {Endpoint} one
 */
function endpoint(api, one) {
  const { method, path, operation } = one;
  const details = h(
    "details",
    { class: "endpoint", id: operation["operationId"] },
    h("summary", {}, h("span", { class: `method ${method}` }, method.toUpperCase()), " ", h("code", {}, path), " ", h("span", { class: "dim" }, operation["summary"] ?? "")),
  );
  details.addEventListener("toggle", () => details.append(...inside(api, one)), { once: true });
  return details;
}

/** @param {Json} api @param {Endpoint} one */
function inside(api, { method, path, operation }) {
  const parts = [];
  if (operation["description"]) parts.push(h("p", {}, ...marked(operation["description"])));
  parts.push(answers(operation), form(api, method, path, operation));
  return parts;
}

/** @param {Json} operation */
function answers(operation) {
  const rows = Object.entries(/** @type {Json} */ (operation["responses"])).map(([status, answer]) => {
    const [kind, content] = Object.entries(/** @type {Json} */ (answer.content ?? {}))[0] ?? ["", {}];
    return h(
      "tr",
      {},
      h("td", { class: "narrow" }, h("code", {}, status)),
      h("td", { class: "grow" }, ...marked(answer.description), " ", h("span", { class: "dim" }, kind), " ", reference(content.schema)),
    );
  });
  const head = h("thead", { class: "hidden" }, h("tr", {}, h("th", {}, "Status"), h("th", {}, "Meaning")));
  return h("table", {}, h("caption", { class: "hidden" }, "Answers"), head, h("tbody", {}, ...rows));
}

/** @param {Json|undefined} content */
function reference(content) {
  const name = /** @type {string|undefined} */ (content?.["$ref"])?.split("/").at(-1);
  return name ? h("a", { href: `#schema-${name}` }, name) : "";
}

/**
 * A form that sends the request as this session.
 * @param {Json} api @param {string} method @param {string} path @param {Json} operation
 */
function form(api, method, path, operation) {
  const id = operation["operationId"];
  const fields = (operation["parameters"] ?? []).map((/** @type {Json} */ parameter) => field(`${id}-${parameter["name"]}`, parameter));
  const content = operation["requestBody"]?.content?.["application/json"];
  const body = content ? h("textarea", { id: `${id}-body`, rows: 8, spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example(api, content.schema), null, 2);
  const bodyField = body ? h("div", { class: "field" }, h("label", { for: `${id}-body` }, "Body ", reference(content.schema)), body) : null;
  const streams = Boolean(operation["responses"]["200"]?.content?.["text/event-stream"]);
  const result = h("div", { role: "status" });
  const command = h("pre", { class: "command", tabindex: 0, "aria-label": "The same with curl" });
  const request = () => assemble(path, fields, body?.value ?? null);
  const tell = () => (command.textContent = curl(method, request()));
  const made = h(
    "form",
    {
      class: "try",
      input: tell,
      submit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void send(method, request(), result);
      },
    },
    ...fields.map((/** @type {Field} */ one) => one.element),
    bodyField,
    command,
    streams ? h("p", { class: "dim" }, "A stream is followed with curl.") : h("p", { class: "actions" }, h("button", { class: method === "get" ? "quiet" : "danger" }, method === "get" ? "Send" : "Send: this does it")),
    result,
  );
  tell();
  return made;
}

/** @typedef {{parameter: Json, input: HTMLInputElement, element: HTMLElement}} Field */

/** @param {string} id @param {Json} parameter @returns {Field} */
function field(id, parameter) {
  const input = h("input", { id, autocomplete: "off", spellcheck: "false", required: Boolean(parameter["required"]) });
  const help = parameter["description"] ? h("p", { class: "help", id: `${id}-help` }, ...marked(parameter["description"])) : null;
  if (help) input.setAttribute("aria-describedby", help.id);
  const where = parameter["in"] === "path" ? "in the address" : parameter["in"] === "header" ? "as a header" : "in the query";
  const label = h("label", { for: id }, h("code", {}, parameter["name"]), ` ${where}${parameter["required"] ? ", needed" : ""}`);
  return { parameter, input, element: h("div", { class: "field" }, label, input, help) };
}

/**
 * A body to begin with: the schema's example, else its members that are needed.
 * @param {Json} api @param {Json} content @returns {any}
 */
function example(api, content) {
  const name = content["$ref"]?.split("/").at(-1);
  const found = name ? api["components"].schemas[name] : content;
  if (found.examples?.length) return found.examples[0];
  const needed = Object.entries(/** @type {Json} */ (found.properties ?? {})).filter(([member]) => found.required?.includes(member));
  return Object.fromEntries(needed.map(([member, value]) => [member, value.type === "string" ? "" : value.type === "array" ? [] : null]));
}

/** @typedef {{url: string, headers: Record<string, string>, body: string|null}} Sent */

/** @param {string} path @param {Field[]} fields @param {string|null} body @returns {Sent} */
function assemble(path, fields, body) {
  let address = path;
  const query = new URLSearchParams();
  /** @type {Record<string, string>} */
  const headers = body === null ? {} : { "Content-Type": "application/json" };
  for (const { parameter, input } of fields) {
    const { name } = parameter;
    if (parameter["in"] === "path") address = address.replace(`{${name}}`, input.value ? encodeURIComponent(input.value) : `{${name}}`);
    else if (input.value && parameter["in"] === "header") headers[name] = input.value;
    else if (input.value) query.set(name, input.value);
  }
  const asked = String(query) ? `?${query}` : "";
  return { url: `${location.origin}${BASE}${address}${asked}`, headers, body };
}

/**
 * One word of a shell's command line.
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {string} method @param {Sent} sent */
function curl(method, { url, headers, body }) {
  const words = ["curl -H @token-header"];
  if (method !== "get") words.push(`-X ${method.toUpperCase()}`);
  for (const [name, value] of Object.entries(headers)) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== null) words.push(`--data ${quoted(body)}`);
  return [...words, quoted(url)].join(" \\\n  ");
}

/** @param {string} method @param {Sent} sent @param {HTMLElement} result */
async function send(method, { url, headers, body }, result) {
  result.replaceChildren(h("p", { class: "dim" }, "Waiting for the answer"));
  try {
    const answer = await fetch(url, { method: method.toUpperCase(), headers: { ...headers, "X-CSRF-Token": csrfToken }, body });
    const text = await answer.text();
    const tone = answer.ok ? "ok" : answer.status < 500 ? "warning" : "critical";
    const version = answer.headers.get("etag");
    const status = h("span", { class: `pill ${tone}` }, String(answer.status));
    result.replaceChildren(h("p", {}, status, version ? h("span", { class: "dim" }, ` ETag: ${version}`) : null));
    if (text) result.append(h("pre", { class: "command answer", tabindex: 0, "aria-label": "Answer" }, pretty(text)));
  } catch {
    result.replaceChildren(h("p", { class: "notice critical" }, "No answer came: the service is away, or the network is."));
  }
}

/** @param {string} text */
function pretty(text) {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is shown as it came.
  }
  return shown.length > MOST ? `${shown.slice(0, MOST)}\n... and ${shown.length - MOST} characters more` : shown;
}

try {
  const answer = await fetch(`${BASE}/api/v1/openapi.json`);
  if (!answer.ok) throw new Error(String(answer.status));
  show(await answer.json());
} catch {
  holder.replaceChildren(h("p", { class: "notice critical", role: "alert" }, "The document could not be loaded. Load the page again."));
}
