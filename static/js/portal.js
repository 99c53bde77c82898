// What every page does on top of plain links and forms. Nothing here is needed to work.
const LOOK_AGAIN_MS = 20_000;
const COALESCE_MS = 400;
const BUSY_MS = 2_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// --- theme ---------------------------------------------------------------------------------
function chooseTheme(event) {
  const form = event.target.closest("[data-theme-form]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  const year = 365 * 86_400;
  document.cookie = `theme=${theme}; path=/; max-age=${year}; samesite=lax`;
  document.documentElement.dataset.theme = theme;
  document.documentElement.dispatchEvent(new Event("portal:theme"));
  for (const button of $$("button", form)) {
    button.toggleAttribute("aria-pressed", false);
    if (button === event.submitter) button.setAttribute("aria-pressed", "true");
  }
}

// --- keys ----------------------------------------------------------------------------------
function onKey(event) {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    const field = $("[data-slash]") || $("#find");
    field?.focus();
    field?.select();
  }
  if (event.key === "Escape") {
    for (const menu of $$("details.o-menu[open]")) {
      menu.open = false;
      $("summary", menu).focus();
    }
  }
}

// --- times: "3 min ago" stays true -----------------------------------------------------------
function agoText(seconds) {
  const words = document.body.dataset;
  if (seconds < 60) return words.agoS.replace("{n}", Math.max(0, seconds));
  if (seconds < 3_600) return words.agoMin.replace("{n}", Math.floor(seconds / 60));
  return words.agoH.replace("{n}", Math.floor(seconds / 3_600));
}

function refreshTimes() {
  const now = Date.now();
  for (const time of $$("time[data-ago]")) {
    const seconds = Math.floor((now - Date.parse(time.dateTime)) / 1_000);
    if (seconds > -60 && seconds < 86_400) {
      const text = agoText(seconds);
      if (time.textContent !== text) time.textContent = text;
    }
  }
}

// --- live: look again when something changed --------------------------------------------------
// An element with data-live fetches itself again (htmx, morph) on the event "portal:look";
// data-live="stk_…" only when that stack has changed.
const live = { socket: null, tries: 0, timer: 0, all: false, stacks: new Set() };

// Nothing moves under a pointer that is on a tile, in an open menu, among ticked rows or in a form
// that somebody fills in.
const BUSY = ":is(.o-tiles:hover, details.o-menu[open], [data-bulk] input[name=id]:checked, "
  + "form[data-typed], form :is(input:not([type=checkbox]), textarea):focus)";

function lookAgain() {
  clearTimeout(live.timer);
  live.timer = 0;
  // A hidden page would only cost; it looks when it is seen again.
  if (document.hidden || !(live.all || live.stacks.size)) return;
  let isBusy = false;
  for (const part of $$("[data-live]")) {
    const wanted = part.dataset.live;
    if (wanted && !live.all && !live.stacks.has(wanted)) continue;
    if ($(BUSY, part)) isBusy = true;
    else window.htmx?.trigger(part, "portal:look");
  }
  if (isBusy) {
    live.timer = setTimeout(lookAgain, BUSY_MS);
    return;
  }
  live.all = false;
  live.stacks.clear();
}

function changed(stacks = null) {
  if (stacks) stacks.forEach((stack) => live.stacks.add(stack));
  else live.all = true;
  if (!live.timer) live.timer = setTimeout(lookAgain, COALESCE_MS);
}

function heard(event) {
  const message = JSON.parse(event.data);
  if (message.type === "changed") changed(message.stacks);
}

function sayLive(isOn) {
  const place = $("#live");
  if (!place) return;
  const words = place.dataset;
  place.replaceChildren();
  const tag = document.createElement("span");
  tag.className = "o-tag is-plain";
  tag.dataset.tone = isOn ? "ok" : "wait";
  tag.title = isOn ? words.onWhy : words.offWhy;
  const icon = document.createElement("i");
  icon.className = `ti ti-${isOn ? "broadcast" : "plug-connected-x"}`;
  icon.ariaHidden = "true";
  tag.append(icon, isOn ? words.on : words.off);
  place.append(tag);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/fleet/`);
  live.socket = socket;
  socket.addEventListener("open", () => {
    // What changed while nobody listened is not announced again.
    if (live.tries) changed();
    live.tries = 0;
    sayLive(true);
  });
  socket.addEventListener("message", heard);
  socket.addEventListener("close", () => {
    if (live.tries) sayLive(false);
    const wait = RETRY_MS[Math.min(live.tries, RETRY_MS.length - 1)];
    live.tries += 1;
    setTimeout(connect, wait);
  });
}

// --- bulk selection: ids are frozen when they are posted --------------------------------------
function countSelected(form) {
  const boxes = $$("input[name=id]", form);
  const chosen = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.closest("tr").classList.toggle("o-row-on", box.checked);
  const all = $("[data-select-page]", form);
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  for (const place of $$("[data-selected]", form)) place.textContent = chosen;
  $(".o-bulk", form)?.classList.toggle("is-empty", chosen === 0);
}

function onChange(event) {
  const form = event.target.closest("[data-bulk]");
  if (!form) {
    event.target.form?.setAttribute("data-typed", "");
    return;
  }
  if (event.target.matches("[data-select-page]")) {
    for (const box of $$("input[name=id]", form)) box.checked = event.target.checked;
  }
  countSelected(form);
}

// --- small comforts ----------------------------------------------------------------------------
async function onClick(event) {
  for (const menu of $$("details.o-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const icon = $(".ti", copy);
    icon.className = "ti ti-check";
    setTimeout(() => { icon.className = "ti ti-copy"; }, 1_500);
  }
}

function onSubmit(event) {
  chooseTheme(event);
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  // The second click of a double click; the request key makes a real repeat harmless.
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => { delete form.dataset.sent; }, 3_000);
}

document.addEventListener("submit", onSubmit);
// What is wrong in a folded group is shown, not complained of in silence.
document.addEventListener("invalid", (event) => {
  const folded = event.target.closest("details:not([open])");
  if (folded) folded.open = true;
}, true);
document.addEventListener("keydown", onKey);
document.addEventListener("change", onChange);
document.addEventListener("click", onClick);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) lookAgain();
});
window.addEventListener("pageshow", (event) => {
  for (const form of $$("form")) delete form.dataset.sent;
  if (event.persisted) changed();
});
// A form's empty fields only make the address long.
document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, verb } = event.detail;
  if (verb !== "get") return;
  for (const [name, value] of Object.entries(parameters)) {
    if (value === "") delete parameters[name];
  }
});
document.addEventListener("htmx:afterSettle", () => {
  refreshTimes();
  $$("[data-bulk]").forEach(countSelected);
});

setInterval(refreshTimes, 10_000);
// On a narrow page the navigation scrolls; the current place should be in sight.
$(".o-nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
$$("[data-bulk]").forEach(countSelected);
if ($("#live")) {
  connect();
  setInterval(() => {
    if (live.socket?.readyState !== WebSocket.OPEN) changed();
  }, LOOK_AGAIN_MS);
}
