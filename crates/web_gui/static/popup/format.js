// Times and durations as people read them.

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : String(part))).join(":");
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  return seconds <= 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** @param {string} iso */
export function timeOfDay(iso) {
  return new Date(iso).toLocaleTimeString("en-GB");
}

/** @param {string} iso */
export function ago(iso) {
  const then = new Date(iso);
  const minutes = Math.floor((Date.now() - then.getTime()) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hour = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 86400000);
  return days === 0 ? hour : days === 1 ? `yesterday ${hour}` : `${days} d ago`;
}

/**
 * Enough of a task's id to tell runs apart.
 * @param {string} id
 */
export function short(id) {
  return `${id.slice(0, 13)}…`;
}
