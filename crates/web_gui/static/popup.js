// The popup as one custom element, <selfservice-popup>. It speaks the JSON API only, so the page /popup, the task page and Grafana's app plugin
// can hold the same component.
//
// Attributes: api-base (prefix of /api/v1; without it the place that this file came from), environment, host, service (what is asked), task (a run to show), handler (an action to
// confirm at once), retry-of (the run that this action does again), theme (dark, light, auto; without it the page's), page-title (the component may set document.title and listen to the page's
// keys), wide (the page around it has the heading), foreign-frame (the server saw a foreign frame; the component looks for one by itself too).

import { SelfServicePopup } from "./popup/element.js";

if (!customElements.get("selfservice-popup")) customElements.define("selfservice-popup", SelfServicePopup);

export { SelfServicePopup };
