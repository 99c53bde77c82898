// A run's log as it grows: bytes in order from a cursor, over a websocket or, where those are
// blocked, by asking every second. docs/streaming.md describes both.
const RETRY_MS = [300, 1_000, 2_000, 3_000, 5_000, 5_000, 5_000, 10_000, 30_000];
const POLL_MS = 1_000;
const SILENT_MS = 40_000;
const BAD_OFFSETS = [4400, 4416];
const NOT_WELCOME = [4401, 4403, 4404];

export class LogStream {
  /** `on` has text(string), state(name, detail), message(object) and lost(). */
  constructor({ socketUrl, tailUrl, cursor, on }) {
    this.socketUrl = socketUrl;
    this.tailUrl = tailUrl;
    this.cursor = cursor;
    this.on = on;
    this.decoder = new TextDecoder();
    this.failures = 0;
    this.isOver = false;
    this.timer = 0;
    this.pollTimer = 0;
  }

  start() {
    this.connect();
    addEventListener("online", () => this.retryNow());
    addEventListener("pagehide", () => this.pause());
    addEventListener("pageshow", (event) => event.persisted && this.retryNow());
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isOver) return;
    const url = new URL(this.socketUrl, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("after", this.cursor);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const mine = (act) => (event) => this.socket === socket && act(event);
    socket.addEventListener("message", mine((event) => this.take(event.data)));
    socket.addEventListener("close", mine((event) => this.closed(event.code)));
    this.watch();
  }

  take(data) {
    this.watch();
    if (typeof data === "string") this.hear(JSON.parse(data));
    else this.receive(data);
  }

  receive(buffer) {
    this.cursor += buffer.byteLength;
    this.on.text(this.decoder.decode(buffer, { stream: true }));
  }

  hear(message) {
    if (message.type === "hello") {
      // Polling went on while this socket opened: it would repeat what came meanwhile.
      if (message.offset !== this.cursor) {
        this.leave();
        this.connect();
        return;
      }
      this.failures = 0;
      this.stopPolling();
      this.on.state("live");
    }
    if (message.type === "beat") this.on.state("live", message.lag_ms);
    if (message.type === "eof") this.finish();
    this.on.message(message);
  }

  // A connection that died without a word is noticed by its silence.
  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.drop(), SILENT_MS);
  }

  leave() {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.silence);
    socket?.close();
  }

  drop() {
    this.leave();
    this.closed(1006);
  }

  closed(code) {
    this.leave();
    if (this.isOver) return;
    if (NOT_WELCOME.includes(code)) {
      this.finish("gone");
      return;
    }
    if (BAD_OFFSETS.includes(code)) {
      this.isOver = true;
      this.on.lost();
      return;
    }
    this.failures += 1;
    if (this.failures > 2) this.startPolling();
    else this.on.state("reconnecting");
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1];
    this.timer = setTimeout(() => this.connect(), wait * (0.8 + 0.4 * Math.random()));
  }

  retryNow() {
    if (this.isOver || this.socket) return;
    this.connect();
  }

  pause() {
    this.leave();
    clearTimeout(this.timer);
    this.stopPolling();
  }

  get isPolling() {
    return this.pollTimer !== 0;
  }

  startPolling() {
    if (!this.isPolling) this.pollTimer = setTimeout(() => this.poll(), 0);
  }

  stopPolling() {
    clearTimeout(this.pollTimer);
    this.pollTimer = 0;
  }

  async poll() {
    const timer = this.pollTimer;
    let wait = POLL_MS;
    try {
      const response = await fetch(`${this.tailUrl}?after=${this.cursor}`, { redirect: "error" });
      if (response.status === 404) return this.finish("gone");
      if (response.status === 416) {
        this.isOver = true;
        return this.on.lost();
      }
      if (!response.ok) throw new Error(response.status);
      const bytes = await response.arrayBuffer();
      // A socket that came up meanwhile has the word, and brings these bytes itself.
      if (this.pollTimer !== timer) return;
      this.on.state("polling");
      if (bytes.byteLength) this.receive(bytes);
      if (bytes.byteLength && this.cursor < Number(response.headers.get("Log-End"))) wait = 0;
      if (response.headers.get("Log-Eof") === "1") {
        this.on.message({ type: "eof", status: response.headers.get("Run-Status") });
        return this.finish();
      }
    } catch {
      if (this.pollTimer === timer) this.on.state("reconnecting");
    }
    if (this.pollTimer === timer) this.pollTimer = setTimeout(() => this.poll(), wait);
  }

  finish(state = "finished") {
    this.isOver = true;
    this.pause();
    this.on.state(state);
  }
}
