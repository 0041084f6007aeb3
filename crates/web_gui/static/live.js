// A page that keeps itself up to date: what stands in [data-live] is fetched again and again and replaced where it has changed. The server writes
// it each time, so there is one template and no second one here.

const EVERY_MS = 5000;
/** The server is kept busy for one part in so many at most. */
const REST = 20;

/**
 * The page as it is now. Parsed by the browser as it parses pages; scripts in it do not run.
 * @returns {Promise<Document|null>} null: nobody answered, or not with a page
 */
function fetchPage() {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 15000;
    request.onloadend = () => resolve(request.status === 200 ? request.responseXML : null);
    request.send();
  });
}

/**
 * Whether a replacement would disturb: a text is being selected or typed.
 * @param {Element} live
 */
function isInUse(live) {
  const selection = getSelection();
  const selected = selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  const focused = document.activeElement;
  return Boolean(selected) || (live.contains(focused) && focused instanceof HTMLInputElement);
}

/**
 * The focus stays on what has the same address.
 * @param {Element} live @param {Element} fresh
 */
function replace(live, fresh) {
  const focused = live.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  live.replaceChildren(...document.importNode(fresh, true).childNodes);
  const again = [...live.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
  again?.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("selfservice-fresh"));
}

/** @param {number} seconds */
function clock(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, String(seconds % 60).padStart(2, "0")];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const live = document.querySelector("[data-live]");
let shown = "";
let since = performance.now();

/** Times go on between two looks; the server's count of seconds is the truth, whatever this machine's clock says. */
function tick() {
  const passed = (performance.now() - since) / 1000;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-seconds]")))
    element.textContent = clock(Math.floor(Number(element.dataset.seconds) + passed));
}

/** @param {Element} element */
async function look(element) {
  const began = performance.now();
  if (!document.hidden && !isInUse(element)) {
    const page = await fetchPage();
    const fresh = page?.querySelector("[data-live]");
    // The sign-in page: the session has ended.
    if (page && !fresh) return location.reload();
    if (fresh && !isInUse(element)) {
      since = performance.now();
      if (fresh.outerHTML !== shown) replace(element, fresh);
      shown = fresh.outerHTML;
    }
  }
  setTimeout(() => void look(element), Math.max(EVERY_MS, REST * (performance.now() - began)));
}

setInterval(tick, 1000);
if (live) setTimeout(() => void look(live), EVERY_MS);

export {};
