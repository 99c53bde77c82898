// The log card: a window of lines over a log of any length. Nothing here keeps the whole log; the
// lines in view come from the page, from the live stream, or by number from the server.
import { lineHtml } from "./ansi.js";
import { wireControls, wordsOf } from "./logcontrols.js";
import { markWord, unmark } from "./logmarks.js";
import { LogStream } from "./logstream.js";

const PAGE = 500;
const MAX_ROWS = 3_000;
const KEPT_ROWS = 2_000;
const NEAR_EDGE = 800;
const BOTTOM_SLACK = 30;

class LogCard {
  constructor(card) {
    this.card = card;
    this.urls = card.dataset;
    this.words = wordsOf(card);
    this.pane = card.querySelector(".o-log");
    this.part = (name) => card.querySelector(`[data-log-${name}]`);
    this.first = Math.max(0, card.dataset.first - 1); // rows show lines first … last (from 0)
    this.last = Number(card.dataset.last);
    this.total = Number(card.dataset.total);
    this.isLive = !("ended" in card.dataset);
    this.isFollowing = this.isLive && !("line" in card.dataset);
    this.incoming = []; // lines that came in and are not shown yet
    this.carry = "";
    this.jobs = Promise.resolve();
    this.top = 0;
    this.hits = { lines: [], at: -1, word: "", isCapped: false };
  }

  async open() {
    wireControls(this);
    this.pane.addEventListener("scroll", () => this.scrolled(), { passive: true });
    addEventListener("hashchange", () => this.goToHash());
    this.card.classList.add("is-enhanced");
    if (this.isLive) await this.stream();
    this.say();
    if (!this.goToHash()) {
      const marked = this.pane.querySelector(".is-at");
      if (marked) marked.scrollIntoView({ block: "center" });
      else this.toBottom();
    }
    if (this.urls.word) this.search(this.urls.word);
  }

  // --- the live end ------------------------------------------------------------------------
  async stream() {
    let cursor = Number(this.urls.end);
    this.counted = this.last;
    if (this.last < this.total) {
      const tail = await this.ask("tail=1");
      this.counted = tail.first + tail.lines.length;
      cursor = tail.end;
    }
    this.total = this.counted;
    new LogStream({
      socketUrl: this.urls.socket,
      tailUrl: this.urls.tail,
      cursor,
      on: {
        text: (text) => this.receive(text),
        state: (name, lag) => this.sayState(name, lag),
        message: (message) => this.hear(message),
        lost: () => location.reload(),
      },
    }).start();
  }

  receive(text) {
    const lines = (this.carry + text).split("\n");
    this.carry = lines.pop();
    this.counted += lines.length;
    // A burst is longer than anybody sees: only its end is kept, the rest can be fetched.
    this.incoming = this.incoming.concat(lines).slice(-MAX_ROWS);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.showIncoming());
  }

  showIncoming() {
    this.frame = 0;
    const lines = this.incoming;
    const from = this.counted - lines.length;
    const wasAtEnd = this.last === this.total;
    this.total = this.counted;
    this.incoming = [];
    if (this.isFollowing) {
      if (lines.length > PAGE || this.last !== from) {
        const shown = lines.slice(-PAGE);
        this.replace(this.total - shown.length, shown);
      } else {
        this.append(lines);
      }
      this.toBottom();
    } else if (wasAtEnd && this.last === from && this.rows() + lines.length <= MAX_ROWS) {
      this.append(lines);
    }
    this.say();
  }

  hear(message) {
    if (message.type === "run") {
      document.dispatchEvent(new CustomEvent("run:changed", { detail: message }));
    }
    if (message.type === "progress") {
      document.dispatchEvent(new CustomEvent("run:progress", { detail: message }));
    }
    if (message.type === "eof") {
      this.isLive = false;
      document.dispatchEvent(new CustomEvent("run:changed", { detail: message }));
    }
  }

  // --- the window --------------------------------------------------------------------------
  rows() {
    return this.last - this.first;
  }

  html(first, lines) {
    const parts = lines.map((line, index) => {
      const number = first + index + 1;
      const text = lineHtml(line, this.words.cut);
      return `<div id="L${number}"><a href="#L${number}">${number}</a><span>${text}</span></div>`;
    });
    return parts.join("");
  }

  replace(first, lines) {
    this.pane.innerHTML = this.html(first, lines);
    this.first = first;
    this.last = first + lines.length;
    this.top = this.pane.scrollTop;
    this.mark();
  }

  append(lines) {
    this.pane.insertAdjacentHTML("beforeend", this.html(this.last, lines));
    const from = this.last;
    this.last += lines.length;
    if (this.rows() > MAX_ROWS) this.trimTop();
    this.mark(from);
  }

  prepend(first, lines) {
    const before = this.pane.scrollHeight;
    this.pane.insertAdjacentHTML("afterbegin", this.html(first, lines));
    this.first = first;
    // The lines that are being read stay where they are.
    this.pane.scrollTop += this.pane.scrollHeight - before;
    this.top = this.pane.scrollTop;
    while (this.rows() > MAX_ROWS) {
      this.pane.lastElementChild.remove();
      this.last -= 1;
    }
    this.mark();
  }

  trimTop() {
    const before = this.pane.scrollHeight;
    const range = document.createRange();
    const count = this.rows() - KEPT_ROWS;
    range.setStart(this.pane, 0);
    range.setEndBefore(this.pane.children[count]);
    range.deleteContents();
    this.first += count;
    this.pane.scrollTop -= before - this.pane.scrollHeight;
    this.top = this.pane.scrollTop;
  }

  toBottom() {
    this.pane.scrollTop = this.pane.scrollHeight;
    this.top = this.pane.scrollTop;
  }

  isAtBottom() {
    const { scrollTop, clientHeight, scrollHeight } = this.pane;
    return this.last >= this.total && scrollTop + clientHeight >= scrollHeight - BOTTOM_SLACK;
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.pane;
    const isUp = scrollTop < this.top - 2;
    this.top = scrollTop;
    if (isUp && this.isFollowing) this.follow(false);
    else if (!isUp && this.isLive && !this.isFollowing && this.isAtBottom()) this.follow(true);
    if (scrollTop < NEAR_EDGE && this.first > 0) this.once(() => this.loadBefore());
    if (scrollTop + clientHeight > scrollHeight - NEAR_EDGE && this.last < this.total) {
      this.once(() => this.loadAfter());
    }
    this.say();
  }

  // One thing at a time: what is asked for meanwhile by scrolling is asked again by scrolling.
  once(job) {
    if (this.isBusy) return;
    this.run(job);
  }

  run(job) {
    this.isBusy = true;
    this.jobs = this.jobs.then(job).catch(() => this.sayTrouble()).finally(() => {
      this.isBusy = false;
    });
    return this.jobs;
  }

  async loadBefore() {
    const from = Math.max(0, this.first - PAGE);
    const end = this.first;
    const page = await this.fetchLines(from, end - from);
    if (this.first === end && page.first + page.lines.length === end) {
      this.prepend(page.first, page.lines);
    }
    this.say();
  }

  async loadAfter() {
    const from = this.last;
    const page = await this.fetchLines(from, PAGE);
    if (this.last === from && page.first === from) this.append(page.lines);
    this.say();
  }

  async ask(query) {
    const response = await fetch(`${this.urls.lines}?${query}`, { redirect: "error" });
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  async fetchLines(from, count) {
    const page = await this.ask(`from=${from}&count=${count}`);
    // The server may be ahead of the stream, which will bring the rest itself.
    if (this.isLive) page.lines = page.lines.slice(0, Math.max(0, this.total - page.first));
    else this.total = page.total;
    return page;
  }

  // --- going somewhere -----------------------------------------------------------------------
  goToHash() {
    const match = /^#L(\d{1,12})$/.exec(location.hash);
    if (match) this.jump(Number(match[1]) - 1);
    return Boolean(match);
  }

  jump(line) {
    this.follow(false);
    return this.run(async () => {
      const wanted = Math.max(0, Math.min(line, this.total - 1));
      if (wanted < this.first || wanted >= this.last) {
        const from = Math.max(0, wanted - PAGE / 2);
        const page = await this.fetchLines(from, PAGE);
        this.replace(page.first, page.lines);
      }
      for (const row of this.pane.querySelectorAll(".is-at")) row.classList.remove("is-at");
      const row = this.pane.children[wanted - this.first];
      row?.classList.add("is-at");
      row?.scrollIntoView({ block: "center" });
      this.top = this.pane.scrollTop;
      this.say();
    });
  }

  async toEnd() {
    if (this.last < this.total) {
      await this.run(async () => {
        const page = await this.fetchLines(Math.max(0, this.total - PAGE), PAGE);
        this.replace(page.first, page.lines);
      });
    }
    this.toBottom();
    this.say();
  }

  follow(isOn) {
    this.isFollowing = isOn && this.isLive;
    const toggle = this.part("follow");
    if (toggle) toggle.checked = this.isFollowing;
  }

  // --- search ----------------------------------------------------------------------------------
  async search(word) {
    if (word === this.hits.word && word) {
      this.nextHit(1);
      return;
    }
    unmark(this.pane);
    this.hits = { lines: [], at: -1, word, isCapped: false };
    if (word) {
      const query = new URLSearchParams({ q: word });
      try {
        const response = await fetch(`${this.urls.search}?${query}`, { redirect: "error" });
        const found = await response.json();
        if (this.hits.word !== word) return;
        Object.assign(this.hits, { lines: found.lines, isCapped: found.capped });
      } catch {
        this.sayTrouble();
      }
      const here = this.first + Math.floor(this.rows() / 2);
      const next = this.hits.lines.findIndex((line) => line >= here);
      this.hits.at = next > 0 ? next - 1 : this.hits.lines.length - 1;
      this.mark();
      if (this.hits.lines.length) await this.nextHit(1);
    }
    this.sayHits();
  }

  async nextHit(step) {
    const { lines } = this.hits;
    if (!lines.length) return;
    this.hits.at = (this.hits.at + step + lines.length) % lines.length;
    this.sayHits();
    await this.jump(lines[this.hits.at]);
  }

  mark(from = this.first) {
    if (!this.hits.word) return;
    const word = this.hits.word.toLowerCase();
    for (let line = from; line < this.last; line += 1) {
      const row = this.pane.children[line - this.first];
      if (row) markWord(row.lastElementChild, word);
    }
  }

  // --- saying -----------------------------------------------------------------------------------
  say() {
    const { scrollTop, clientHeight, scrollHeight } = this.pane;
    const seen = this.first + Math.round((this.rows() * (scrollTop + clientHeight)) / scrollHeight);
    const below = this.total - Math.min(seen, this.last);
    const place = this.part("behind");
    place.hidden = this.isFollowing || below <= 0 || this.isAtBottom();
    place.firstElementChild.textContent = this.words.behind.replace("{n}", below.toLocaleString());
    const slider = this.part("position");
    const hasMore = this.total > this.rows();
    slider.hidden = !hasMore;
    if (hasMore && document.activeElement !== slider) {
      slider.max = this.total;
      slider.value = this.first + 1 + Math.floor((this.rows() * scrollTop) / scrollHeight);
    }
  }

  sayState(name, lag) {
    const tag = this.part("state");
    const tones = { live: "ok", finished: "idle", gone: "bad" };
    tag.dataset.tone = tones[name] ?? "wait";
    tag.dataset.state = name;
    const text = lag === undefined ? this.words[name] : this.words.lag.replace("{n}", lag);
    tag.lastElementChild.textContent = text;
  }

  sayHits() {
    const { lines, at, isCapped, word } = this.hits;
    const many = `${lines.length.toLocaleString()}${isCapped ? "+" : ""}`;
    const found = this.words.hits.replace("{n}", at + 1).replace("{m}", many);
    const text = lines.length ? found : this.words.none;
    this.part("hits").textContent = word ? text : "";
    for (const name of ["previous", "next"]) this.part(name).disabled = lines.length === 0;
  }

  sayTrouble() {
    this.part("hits").textContent = this.words.trouble;
  }
}

for (const card of document.querySelectorAll("[data-log]")) new LogCard(card).open();
