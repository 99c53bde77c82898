// The run's page moves by itself: it fetches the parts that changed when the log's connection
// says so, lets clocks and bars run between two looks, and keeps what somebody has typed or
// opened. Without it the page works by plain links and forms.
const LEAST_MS = 900; // between two looks
const POLL_MS = 5_000;
const LONG_MS = 30_000; // a look for what no event tells, such as a lease
const QUIET_MS = 20_000;

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const pulse = () => $("#run-pulse");

// --- looking ---------------------------------------------------------------------------------
const looks = { last: Date.now(), heard: Date.now(), timer: 0, isDue: false, isOut: false };

function look() {
  clearTimeout(looks.timer);
  looks.timer = 0;
  if (document.hidden || looks.isOut) {
    looks.isDue = true;
    return;
  }
  looks.isDue = false;
  looks.isOut = true;
  looks.last = Date.now();
  window.htmx?.trigger(pulse(), "run:look");
}

function lookSoon() {
  if (looks.timer) return;
  const wait = Math.max(60, looks.last + LEAST_MS - Date.now());
  looks.timer = setTimeout(look, wait);
}

function heard() {
  looks.heard = Date.now();
  lookSoon();
}

function isConnected() {
  return $("[data-log-state]")?.dataset.state === "live";
}

function lookByTheClock() {
  if (document.hidden || "ended" in pulse().dataset) return;
  const since = Date.now() - looks.last;
  const pace = isConnected() ? LONG_MS : POLL_MS;
  if (since >= pace) look();
}

// --- what is kept over a swap ------------------------------------------------------------------
function keepOpen(event) {
  const target = event.detail.target;
  const fragment = event.detail.fragment;
  if (!target?.id?.startsWith("run-")) return;
  for (const old of $$("details[id]", target)) {
    const fresh = fragment.querySelector(`#${CSS.escape(old.id)}`);
    if (fresh) fresh.open = old.open;
  }
  // A table that only the whole page brings stays until the next whole part.
  const table = $("#timeline-table", target);
  if (table && target.id === "run-timeline" && !fragment.querySelector("#timeline-table")) {
    fragment.querySelector("#timeline")?.append(table.cloneNode(true));
  }
  keepTyped(target, fragment);
}

function keepTyped(target, fragment) {
  for (const old of $$("input[name], textarea[name]", target)) {
    if (old.type === "hidden") continue;
    const fresh = twin(old, fragment);
    if (!fresh) continue;
    if (old.type === "checkbox") {
      fresh.toggleAttribute("checked", old.checked);
    } else if (old.value && !fresh.value) {
      fresh.value = old.value;
      if (fresh.localName === "textarea") fresh.textContent = old.value;
      else fresh.setAttribute("value", old.value);
    }
  }
}

function twin(old, fragment) {
  const panel = old.closest("[id]:not(input, textarea)")?.id;
  const place = panel ? fragment.querySelector(`#${CSS.escape(panel)}`) : null;
  return place?.querySelector(`[name="${old.name}"]`);
}

// --- clocks ------------------------------------------------------------------------------------
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole >= 172_800) return `${Math.floor(whole / 86_400)} d`;
  const hours = Math.floor(whole / 3_600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = whole % 60;
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function took(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return seconds < 59.5 ? `${Math.round(seconds)} s` : clock(seconds);
}

function tick() {
  const now = Date.now();
  for (const place of $$("[data-elapsed]")) {
    place.textContent = clock((now - Date.parse(place.dataset.elapsed)) / 1_000);
  }
  for (const place of $$("[data-until]")) {
    const left = (Date.parse(place.dataset.until) - now) / 1_000;
    place.textContent = clock(Math.ceil(left));
    if (left <= 0 && "look" in place.dataset) lookSoon();
  }
  for (const bar of $$("progress[data-since]")) {
    bar.value = Math.min(bar.max, (now - Date.parse(bar.dataset.since)) / 1_000);
  }
  $$("[data-gantt]").forEach(grow);
}

// The bars of this moment reach up to now; the server draws them anew at each look.
function grow(gantt) {
  const drawn = Number(gantt.dataset.now);
  gantt.received ??= {};
  if (gantt.received.drawn !== drawn) gantt.received = { drawn, at: Date.now() };
  const now = (drawn - Number(gantt.dataset.began) + Date.now() - gantt.received.at) / 1_000;
  if (now > Number(gantt.dataset.span)) {
    lookSoon();
    return;
  }
  const x = now * Number(gantt.dataset.unit);
  for (const line of $$(".is-now", gantt)) line.setAttribute("d", `M${x.toFixed(1)} 0V26`);
  for (const bar of $$(".is-growing", gantt)) {
    bar.setAttribute("width", Math.max(3, x - Number(bar.getAttribute("x"))).toFixed(1));
  }
  for (const rest of $$(".is-guess", gantt)) {
    const isBegun = rest.parentNode.querySelector(".is-growing");
    if (isBegun) shrink(rest, x);
    else if (Number(rest.getAttribute("x")) < x) rest.setAttribute("x", x.toFixed(1));
  }
  for (const place of $$("[data-started]", gantt)) {
    place.textContent = took(now - Number(place.dataset.started) / 1_000);
  }
}

function shrink(rest, x) {
  const end = Number(rest.getAttribute("x")) + Number(rest.getAttribute("width"));
  rest.setAttribute("x", x.toFixed(1));
  rest.setAttribute("width", Math.max(0, end - x).toFixed(1));
}

// --- saying --------------------------------------------------------------------------------------
let said = pulse().dataset.said;

function sayStatus() {
  const now = pulse().dataset.said;
  if (now === said) return;
  said = now;
  $("#run-say").textContent = now;
  document.title = document.title.replace(/^(● )?/, document.hidden ? "● " : "");
}

function trouble(event) {
  const form = event.target.closest?.("[data-act]");
  const isPulse = event.target.id === "run-pulse";
  if (isPulse) looks.isOut = false;
  const status = event.detail.xhr?.status;
  // Signed out, or no longer allowed: the page itself says which.
  if (status === 403 || status === 404) {
    location.reload();
    return;
  }
  if (!form) return;
  let place = $(".o-wrong[data-trouble]", form);
  if (!place) {
    place = document.createElement("p");
    place.className = "o-wrong";
    place.dataset.trouble = "";
    place.setAttribute("role", "alert");
    $("button", form).before(place);
  }
  place.textContent = pulse().dataset.trouble;
}

// --- the plan's filters ------------------------------------------------------------------------
function choosePlan(event) {
  const anchor = event.target.closest?.("a[data-plan-link]");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const url = new URL(anchor.href);
  history.replaceState(null, "", url.pathname + url.search);
  window.htmx.ajax("GET", url.pathname + url.search, {
    target: "#run-plan", select: "#run-plan", swap: "outerHTML",
  });
}

// A decision brings the panels to where the person looks.
function afterDecision(event) {
  if (!event.target.closest?.("[data-act]") && !event.detail.elt?.closest?.("[data-act]")) return;
  if (location.hash === "#cancel" || location.hash === "#again") {
    history.replaceState(null, "", location.pathname + location.search);
  }
}

document.addEventListener("run:changed", heard);
document.addEventListener("run:progress", heard);
document.addEventListener("htmx:oobBeforeSwap", keepOpen);
document.addEventListener("htmx:oobAfterSwap", () => { sayStatus(); tick(); });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.id === "run-pulse") {
    looks.isOut = false;
    if (looks.isDue) lookSoon();
  }
  afterDecision(event);
});
document.addEventListener("htmx:responseError", trouble);
document.addEventListener("htmx:sendError", trouble);
document.addEventListener("click", choosePlan);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  document.title = document.title.replace(/^● /, "");
  if (looks.isDue || Date.now() - looks.last > QUIET_MS) lookSoon();
});
window.addEventListener("online", lookSoon);

tick();
setInterval(tick, 500);
setInterval(lookByTheClock, 1_000);
