// The JSON API: requests, what it answers instead, and its clock.

const AWAY_MS = 3000;

/** What the API answered instead of what was asked for; `status` 0 means that no answer came. */
export class Problem extends Error {
  /** @param {number} status @param {{title?: string, detail?: string, errors?: Record<string, string>, task_id?: string}} body */
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.errors = body.errors ?? {};
    this.taskId = body.task_id ?? null;
  }
}

/**
 * Whether nobody can answer at the moment: the server or its database is away. That passes.
 * @param {unknown} error
 */
export function isAway(error) {
  return error instanceof Problem && (error.status === 0 || error.status === 503);
}

/**
 * Asks now and then until somebody answers again, then acts once.
 * @param {Api} api @param {() => void} act
 * @returns {() => void} gives up
 */
export function whenBack(api, act) {
  let waiting = true;
  const ask = async () => {
    const away = await api.get("/session").then(() => false, isAway);
    if (waiting && away) timer = setTimeout(() => void ask(), AWAY_MS);
    else if (waiting) act();
  };
  let timer = setTimeout(() => void ask(), AWAY_MS);
  return () => {
    waiting = false;
    clearTimeout(timer);
  };
}

export class Api {
  /** @param {string} base */
  constructor(base) {
    this.root = `${base.replace(/\/$/, "")}/api/v1`;
    this.csrfToken = "";
    /** How far the server's clock is ahead of this one, in milliseconds. */
    this.skew = 0;
  }

  /** @param {string} path @param {Record<string, string|number>} [query] empty values are left out */
  get(path, query) {
    return this.#request("GET", this.url(path, query));
  }

  /** @param {string} path @param {object} body */
  post(path, body) {
    return this.#request("POST", this.url(path), body);
  }

  /** @param {string} path */
  delete(path) {
    return this.#request("DELETE", this.url(path));
  }

  /** @param {string} path @param {Record<string, string|number>} [query] */
  url(path, query) {
    const given = Object.entries(query ?? {}).filter(([, value]) => value !== "");
    const pairs = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.root + path + (given.length ? `?${pairs}` : "");
  }

  /** @param {string} method @param {string} url @param {object} [body] @returns {Promise<any>} */
  async #request(method, url, body) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.csrfToken) headers["X-CSRF-Token"] = this.csrfToken;
    /** @type {Response} */
    let response;
    /** @type {string} */
    let text;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        credentials: "same-origin",
        // TypeScript of Debian 12 does not know this function yet.
        signal: /** @type {any} */ (AbortSignal).timeout(15000),
      });
      text = await response.text();
    } catch {
      throw new Problem(0, { detail: "The Self Service Manager does not answer. Is the network there?" });
    }
    this.#readClock(response.headers.get("Date"));
    const json = parseJson(text);
    if (!response.ok) throw new Problem(response.status, json ?? {});
    return json;
  }

  /** @param {string|null} date a difference of up to two seconds is only the rounding of the header */
  #readClock(date) {
    const skew = date ? Date.parse(date) - Date.now() : 0;
    this.skew = Math.abs(skew) > 2000 ? skew : 0;
  }

  /**
   * Seconds from a moment of the server until now.
   * @param {string} iso
   */
  secondsSince(iso) {
    return (Date.now() + this.skew - Date.parse(iso)) / 1000;
  }
}

/** @param {string} text @returns {any} null where it is no JSON, such as a proxy's own error page */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Works without a secure context too, where `crypto.randomUUID` is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return [...bytes].map((byte, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}
