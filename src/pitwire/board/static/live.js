// The socket: snapshot, then numbered frames; a clock that agrees with the server's; what is true
// of the connection. Knows nothing of panels.

const SILENCE = 1500; // ms without a frame, three heartbeats
const DELAYS = [250, 500, 1000, 2000, 3000];

export class Live {
  // `hear` has hello(message), frame(message, whole) and notice(message); `desk` is its name, or "".
  constructor(token, desk, hear) {
    this.token = token;
    this.desk = desk;
    this.listener = hear;
    this.views = [];
    this.seq = -1;
    this.head = null;
    this.rights = "";
    this.attempt = 0;
    this.retryAt = 0;
    this.resyncSince = 0;
    this.lastAt = 0;
    this.opened = performance.now();
    this.refused = "";
    this.offset = null; // server time less performance.now(), ms
    this.booted = null; // time since the desk's machine started less performance.now(), ms
    this.trips = [];
    this.patience = 8000; // ms until an answer to a command is not waited for any more
    setInterval(() => this.tick(), 100);
    this.dial();
  }

  dial() {
    this.retryAt = 0;
    this.attempt += 1;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live${this.desk ? `?desk=${encodeURIComponent(this.desk)}` : ""}`, ["pitwire.board.1", `token.${this.token}`]);
    this.socket = socket;
    socket.onopen = () => { this.look(this.views); this.askClock(); };
    socket.onmessage = (message) => { if (socket === this.socket) this.hear(JSON.parse(message.data)); };
    socket.onclose = () => { if (socket === this.socket) this.lost(); };
  }

  lost() {
    this.socket = null;
    this.seq = -1;
    const delay = DELAYS[Math.min(Math.max(0, this.attempt - 1), DELAYS.length - 1)];
    this.retryAt = performance.now() + delay;
  }

  retry() { if (!this.socket) this.dial(); }

  send(said) { if (this.socket && this.socket.readyState === 1) this.socket.send(JSON.stringify(said)); }

  look(views) {
    this.views = views;
    this.seq = -1;
    this.send({ do: "look", views });
  }

  answer() { if (this.seq >= 0) this.send({ do: "answer", seq: this.seq }); }

  askClock() { this.send({ do: "clock", at: performance.now() }); }

  hear(message) {
    switch (message.kind) {
      case "hello":
        this.rights = message.rights;
        this.listener.hello(message);
        break;
      case "clock": {
        const back = performance.now(), trip = back - message.at;
        // For what is given up the least that it can be: no ask is done after this page gave it up.
        const middle = message.at + trip / 2, booted = message.boot - message.at - trip;
        if (Math.abs(booted - this.booted) > 1000) this.trips = []; // one of the two machines has slept
        this.trips.push([trip, message.now - middle, booted]);
        if (this.trips.length > 8) this.trips.shift();
        [, this.offset, this.booted] = this.trips.reduce((best, one) => (one[0] < best[0] ? one : best));
        break;
      }
      case "refused":
        this.refused = message.why;
        this.listener.notice(message);
        break;
      case "snapshot":
        this.take(message, true);
        break;
      case "frame":
        if (this.seq < 0) break; // of before the snapshot that was asked for
        if (message.previous !== this.seq) {
          this.seq = -1;
          this.resyncSince = performance.now();
          this.send({ do: "all" });
          break;
        }
        this.take(message, false);
        break;
    }
  }

  take(message, whole) {
    this.seq = message.seq;
    this.head = message;
    this.lastAt = performance.now();
    this.attempt = 0;
    if (whole) this.resyncSince = 0;
    if (this.offset === null) this.offset = message.now - this.lastAt;
    this.listener.frame(message, whole);
  }

  tick() {
    if (!this.socket && this.retryAt && performance.now() >= this.retryAt) this.dial();
    if (this.socket && performance.now() - (this.clockAt || 0) > 5000) {
      this.clockAt = performance.now();
      this.askClock();
    }
  }

  // Server time at this moment, ms since 1970.
  now() { return performance.now() + (this.offset === null ? Date.now() - performance.now() : this.offset); }

  // When an ask of this moment is given up, by the clock of the desk's machine that never is set, ms.
  givenUpAt() { return this.booted === null ? 0 : performance.now() + this.booted + this.patience; }

  silence() { return performance.now() - this.lastAt; }

  // How old the newest event is, by the worse of two clocks; null before there was one.
  age() {
    if (!this.head || !this.head.heard) return null;
    return Math.max(0, this.now() - this.head.heard) + Math.max(0, this.head.late || 0);
  }

  // The state of the whole, and why; `facts` is what the desk says of itself.
  state(facts) {
    const open = this.socket && this.socket.readyState === 1;
    if (!this.lastAt) return open || this.attempt <= 1 ? ["connecting", ""] : ["disconnected", ""];
    if (!open) return ["disconnected", ""];
    if (this.resyncSince || this.seq < 0) {
      return performance.now() - (this.resyncSince || this.lastAt) > 1000 ? ["stale", "waiting for a new picture"] : ["resyncing", ""];
    }
    if (this.silence() > SILENCE) return ["stale", `no frame for ${seconds(this.silence())} s`];
    if (facts.upstream) return ["stale", facts.upstream];
    const age = this.age();
    if (age === null) return ["stale", "no market data yet"];
    if (facts.limit && age > facts.limit) {
      const late = Math.max(0, this.head.late || 0);
      return ["stale", late > age / 2 ? `data are ${seconds(age)} s old by the venue's clock` : `the newest event is ${seconds(age)} s old`];
    }
    if (facts.down) return ["stale", facts.down];
    return ["live", ""];
  }
}

export const seconds = (ms) => (ms / 1000).toFixed(ms < 10000 ? 1 : 0);
