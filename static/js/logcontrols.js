// The log card's buttons, and its words in the reader's language.

/** Return the words: data-say-live="…" is the one for `live`. */
export function wordsOf(card) {
  const said = Object.entries(card.dataset).filter(([key]) => key.startsWith("say"));
  return Object.fromEntries(said.map(([key, text]) => [key.slice(3).toLowerCase(), text]));
}

/** Connect the card's controls with the log, and show those that need a script. */
export function wireControls(log) {
  const on = (name, type, act) => log.part(name)?.addEventListener(type, act);
  on("follow", "change", (event) => {
    log.follow(event.target.checked);
    if (log.isFollowing) log.toEnd();
    log.say();
  });
  on("search", "submit", (event) => {
    event.preventDefault();
    log.search(event.target.elements.q.value.trim());
  });
  on("search", "search", (event) => event.target.value || log.search(""));
  on("next", "click", () => log.nextHit(1));
  on("previous", "click", () => log.nextHit(-1));
  on("behind", "click", (event) => {
    event.preventDefault();
    log.follow(true);
    log.toEnd();
  });
  on("position", "change", (event) => log.jump(Number(event.target.value) - 1));
  on("wrap", "click", (event) => {
    const isWrapped = log.pane.classList.toggle("is-unwrapped") === false;
    event.currentTarget.setAttribute("aria-pressed", isWrapped);
    if (log.isFollowing) log.toBottom();
  });
  on("copy", "click", () => {
    const lines = [...log.pane.children].map((row) => row.lastElementChild.textContent);
    navigator.clipboard?.writeText(`${lines.join("\n")}\n`);
  });
  for (const part of log.card.querySelectorAll("[data-log-js]")) part.hidden = false;
  if (!navigator.clipboard) log.part("copy").hidden = true;
}
