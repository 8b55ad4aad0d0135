// A desk on this page: its connection, what it has told, and what is true of it. One page may show
// several; what befalls one of them is told of that one alone.

import { Live } from "./live.js";
import { Model } from "./model.js";

export const WORDS = { connecting: "Connecting", live: "Live", stale: "Stale", resyncing: "Resyncing", disconnected: "Disconnected" };

const TOLD = 60000; // ms that a new start is told for

export class Desk {
  // `hear` is told hello, frame and notice, each with the desk first.
  constructor(token, name, hear) {
    this.name = name;
    this.model = new Model();
    this.newest = 0;
    this.state = "connecting";
    this.why = "";
    this.since = 0; // when the desk was started that was heard last, ms
    this.restartedAt = 0;
    this.live = new Live(token, name, {
      hello: (message) => { this.name = message.desk; hear.hello(this, message); },
      frame: (message, whole) => hear.frame(this, message, whole),
      notice: (message) => hear.notice(this, message),
    });
  }

  get(fact) { return this.model.table("desk").get(fact); }

  // Its state in a word; what is played again is never called live.
  get word() {
    const played = this.state === "live" && this.get("played");
    return played ? { playing: "Playing", over: "Over" }[played] : WORDS[this.state];
  }

  // Another start than before: the desk was stopped and started, or gave way to its next run.
  noteStart() {
    const since = this.get("since") || this.since;
    if (this.since && since !== this.since) this.restartedAt = performance.now();
    this.since = since;
  }

  get restarted() { return this.restartedAt > 0 && performance.now() - this.restartedAt < TOLD; }

  get halted() { return this.get("halted") || ""; }

  // Whether what it has told is not to be believed now.
  get doubted() { return this.state === "stale" || this.state === "disconnected"; }

  get isKnown() { return this.state === "live" || this.state === "resyncing"; }

  open() { return [...this.model.table("orders").values()].filter((row) => row.open); }

  held() { return [...this.model.table("positions").values()].filter((row) => row[1] !== "flat"); }

  // A row's key on the page, and a symbol in words: with the desk's name where there are several.
  key(one) { return this.name ? `${this.name}\n${one}` : one; }

  named(one) { return this.name ? `${one} · ${this.name}` : one; }

  // The same where room is short: what tells desks apart comes first.
  owned(one) { return this.name ? `${this.name} · ${one}` : one; }

  look() { [this.state, this.why] = this.live.state(this.facts()); }

  facts() {
    const venues = [...this.model.table("venues")], down = venues.filter(([, row]) => row.state === "down").map(([name]) => name);
    const watched = [...this.model.table("watch").keys()], stale = this.model.table("stale");
    const all = watched.length && watched.every((symbol) => stale.get(symbol));
    return {
      limit: this.get("limit"), upstream: this.get("upstream") || "",
      down: down.length && down.length === venues.length ? `no connection to ${down.join(", ")}` : all ? `every symbol is stale: ${stale.get(watched[0])}` : "",
    };
  }
}

// The state of all: that of each where they agree; live where one of them is.
export function whole(desks) {
  const states = new Set(desks.map((desk) => desk.state));
  if (states.size === 1) return desks[0].state;
  return desks.find((desk) => desk.isKnown)?.state || (states.has("stale") ? "stale" : "connecting");
}

// What is wrong with some of several, in words; "" where it is the same with all.
export function partly(desks) {
  const doubted = desks.filter((desk) => !desk.isKnown);
  if (desks.length < 2 || !doubted.length || doubted.length === desks.length) return "";
  return doubted.map((desk) => `${desk.name}: ${WORDS[desk.state]}${desk.why ? `, ${desk.why}` : ""}`).join("; ");
}
