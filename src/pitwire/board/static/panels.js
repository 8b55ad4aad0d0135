// What stands in the panels. Every text is as the server made it; nothing is rounded here.

import { $, Rows, cells, flash, make, mark, style, write } from "./marks.js";
import { clock, day } from "./times.js";
import { seconds } from "./live.js";

const SIDES = { buy: "▲ buy", sell: "▼ sell" };

// ── watchlist ──

export class Watch {
  constructor(pick) {
    this.pick = pick;
    this.filter = "";
    this.chosen = "";
    this.rows = new Rows($("watch-rows"), (symbol) => this.build(symbol), (row, data, symbol) => this.fill(row, data, symbol));
  }

  build(symbol) {
    const row = cells("ttnn");
    row.tabIndex = -1;
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    picture.setAttribute("viewBox", "0 0 48 18");
    picture.setAttribute("aria-hidden", "true");
    picture.append(line);
    row.line = line;
    row.name = document.createTextNode(symbol);
    row.children[0].append(make("i", { class: "dot" }), row.name);
    row.children[1].append(picture);
    row.onclick = () => this.pick(symbol);
    return row;
  }

  fill(row, { data, spark, stale, old }, symbol) {
    const [last, direction, change, sign] = data;
    if (row.children[2].shown !== undefined && row.children[2].shown !== last && direction) flash(row.children[2], direction > 0);
    write(row.children[2], last);
    write(row.children[3], change); // its sign says what its colour says
    mark(row.children[3], "class", sign > 0 ? "n up" : sign < 0 ? "n down" : "n");
    mark(row, "class", stale || old ? "stale" : "");
    mark(row, "data-stale", stale ? "1" : "");
    mark(row, "title", stale || old || "");
    mark(row, "aria-selected", symbol === this.chosen ? "true" : "false");
    if (row.spark !== spark) {
      row.spark = spark;
      const step = 48 / Math.max(1, spark.length - 1);
      row.line.setAttribute("points", spark.map((height, at) => `${(at * step).toFixed(1)},${(17 - (height / 99) * 16).toFixed(1)}`).join(" "));
    }
  }

  symbols(model) {
    const wanted = this.filter.toUpperCase();
    return [...model.table("watch").keys()].filter((symbol) => symbol.toUpperCase().includes(wanted));
  }

  show(model, live, limit) {
    const stale = model.table("stale"), sparks = model.table("spark"), heard = model.table("heard"), watch = model.table("watch");
    const now = live.now();
    this.rows.show(this.symbols(model).map((symbol) => {
      const at = heard.get(symbol), age = at ? now - at : null;
      const why = stale.get(symbol) || "";
      const named = why ? `${why}${age === null ? "" : `; last heard ${seconds(age)} s ago`}` : "";
      return [symbol, { data: watch.get(symbol), spark: sparks.get(symbol) || EMPTY, stale: named, old: limit && age === null ? "nothing heard yet" : "" }];
    }));
  }

  move(model, step) {
    const symbols = this.symbols(model);
    if (!symbols.length) return;
    const at = symbols.indexOf(this.cursor ?? this.chosen);
    this.cursor = symbols[Math.min(symbols.length - 1, Math.max(0, at + step))];
    const row = this.rows.rows.get(this.cursor);
    if (row) { row.focus({ preventScroll: false }); row.scrollIntoView({ block: "nearest" }); }
  }
}

const EMPTY = [];
const LEVEL = 17; // px, as in the style sheet

// ── ladder ──

export class Ladder {
  constructor() {
    this.asks = new Half($("asks"));
    this.bids = new Half($("bids"));
    this.room = 0;
    new ResizeObserver(([box]) => { this.room = box.contentRect.height; if (this.model) this.show(this.model); }).observe($("bids").closest(".half"));
  }

  // Whole rows alone, as many a side as there is room for: the spread stays in the middle.
  fit() { return Math.max(1, Math.floor(this.room / LEVEL)); }

  show(model) {
    this.model = model;
    const book = model.table("book");
    const middle = book.get("middle") || ["–", "–", "no book yet"];
    const [mid, spread, trouble] = middle;
    const asks = book.get("asks") || [], bids = book.get("bids") || [];
    const none = !asks.length && !bids.length;
    $("no-book").hidden = !none;
    $("ladder-box").hidden = none;
    if (none) { write($("no-book"), trouble || "no book"); return; }
    this.asks.show(asks.slice(0, this.fit()).reverse());
    this.bids.show(bids.slice(0, this.fit()));
    write($("mid"), mid);
    write($("spread"), trouble || (spread === "–" ? "–" : `spread ${spread} ${spread === "1" ? "tick" : "ticks"}`));
  }
}

// Rows by place, not by price: so they stand still and only their texts change.
class Half {
  constructor(body) {
    this.body = body;
    this.rows = [];
  }

  show(levels) {
    while (this.rows.length < levels.length) {
      const row = document.createElement("tr");
      for (let at = 0; at < 3; at += 1) row.append(make("td", { class: "n" }, make("span")));
      row.bar = make("i", { class: "bar" });
      row.children[0].prepend(row.bar);
      this.body.append(row);
      this.rows.push(row);
    }
    while (this.rows.length > levels.length) this.rows.pop().remove();
    levels.forEach(([price, size, sum, share, own], at) => {
      const row = this.rows[at];
      write(row.children[0].lastChild, price);
      write(row.children[1].lastChild, size);
      write(row.children[2].lastChild, sum);
      style(row.bar, "width", `${share / 10}%`);
      mark(row, "class", own ? "own" : "");
      mark(row.children[0], "data-own", own);
      mark(row, "title", own ? `our order: ${own}` : "");
    });
  }
}

// ── tape ──

export class Tape {
  constructor() {
    this.rows = [];
    this.paused = false;
    const box = $("tape-scroll");
    const pause = (on) => { this.paused = on; $("tape-paused").hidden = !on; };
    box.onmouseenter = () => pause(true);
    box.onmouseleave = () => pause(false);
  }

  show(model) {
    if (this.paused) return;
    const tale = model.tale("tape"), body = $("tape-rows");
    while (this.rows.length < tale.length) { const row = cells("tnnn"); body.append(row); this.rows.push(row); }
    while (this.rows.length > tale.length) this.rows.pop().remove();
    tale.forEach((_, back) => {
      const row = this.rows[back], [, side, price, size, at, large] = tale[tale.length - 1 - back];
      const skipped = side === "skipped";
      write(row.children[0], skipped ? "…" : SIDES[side]);
      write(row.children[1], skipped ? `${price} more` : price);
      write(row.children[2], skipped ? "" : size);
      write(row.children[3], skipped ? "" : clock(at, true));
      mark(row, "class", skipped ? "soft" : large ? `${side} large` : side);
      mark(row.children[3], "title", skipped ? "" : day(at));
    });
  }
}

// ── orders ──

// Heading, width in px (0: what is left), n for numbers, and the class of its cells.
const HEADS = {
  orders: [
    ["Time", 96], ["Symbol", 84], ["Side", 52], ["Type", 72], ["Price", 76, "n"], ["Size", 66, "n"], ["Filled", 66, "n", "c-done"], ["State", 88],
    ["Rule", 0], ["Ack ms", 56, "n", "c-ack"], ["Why", 0, "", "c-why"], ["", 78, "", "c-act"],
  ],
  fills: [["Time", 106], ["Symbol", 90], ["Side", 62], ["Price", 90, "n"], ["Size", 84, "n"], ["Fee", 0, "n"], ["As", 60], ["Order", 0]],
  positions: [["Symbol", 84], ["Side", 52], ["Size", 76, "n"], ["Average", 80, "n"], ["Mark", 80, "n"], ["Open result", 90, "n"], ["Realised", 90, "n"], ["Fees", 0, "n"], ["In", 50]],
};
const LISTS = {
  working: (row) => row.open,
  rejected: (row) => !row.open && (row.state.startsWith("reject") || row.state.startsWith("refused")),
  done: (row) => !row.open && !(row.state.startsWith("reject") || row.state.startsWith("refused")),
};
const NOTHING = { working: "No working orders.", fills: "No fills yet.", rejected: "Nothing was rejected or refused.", done: "No order is over yet.", positions: "No position, and none was held." };

export class Orders {
  constructor(cancel, mayCancel) {
    this.list = "working";
    this.cancel = cancel;
    this.mayCancel = mayCancel;
    for (const [name, head] of Object.entries(HEADS)) {
      const line = document.createElement("tr");
      for (const [text, width, kind, extra] of head) {
        const cell = make("th", { scope: "col", class: `${kind || ""} ${extra || ""}` }, text);
        if (width) cell.style.width = `${width}px`;
        line.append(cell);
      }
      $(`${name}-table`).tHead.append(line);
    }
    this.orders = new Rows($("order-rows"), (key) => this.buildOrder(key), (row, data) => this.fillOrder(row, data));
    this.fills = new Rows($("fill-rows"), () => cells("tttnnntt"), fillFill);
    this.positions = new Rows($("position-rows"), () => cells("ttnnnnnnt"), fillPosition);
    for (const tab of document.querySelectorAll("#orders [role=tab]")) tab.onclick = () => this.choose(tab.dataset.list);
  }

  choose(list) {
    this.list = list;
    this.stale = true;
    $("orders").dataset.list = list;
    for (const tab of document.querySelectorAll("#orders [role=tab]")) mark(tab, "aria-selected", tab.dataset.list === list ? "true" : "false");
  }

  buildOrder(key) {
    const row = cells("ttttnnnttntt");
    row.progress = make("i");
    row.done = make("span");
    HEADS.orders.forEach(([, , , extra], at) => { if (extra) row.children[at].classList.add(extra); });
    row.children[6].append(row.done, make("span", { class: "progress" }, row.progress));
    row.button = make("button", { class: "cancel", type: "button" }, "Cancel");
    row.button.onclick = () => this.cancel(key, row.button);
    row.children[11].append(row.button);
    return row;
  }

  fillOrder(row, order) {
    const texts = [clock(order.at, true), order.sym, SIDES[order.side] || "–", order.type, order.px, order.size];
    texts.forEach((text, at) => write(row.children[at], text));
    mark(row.children[0], "title", `${day(order.at)} ${order.id}`);
    mark(row.children[2], "class", order.side);
    write(row.done, order.done);
    write(row.children[7], order.state);
    mark(row.children[7], "class", /reject|refus|unknown/.test(order.state) ? "bad" : "");
    mark(row.children[8], "title", order.rule);
    style(row.progress, "width", `${order.part}%`);
    write(row.children[8], order.rule);
    write(row.children[9], order.ack || "–");
    write(row.children[10], order.why);
    mark(row.children[10], "title", order.why);
    mark(row.button, "aria-label", `Cancel ${order.id}`);
    row.button.hidden = !order.open || !this.mayCancel();
  }

  show(model) {
    const all = [...model.table("orders")].sort((a, b) => b[1].at - a[1].at);
    const fills = [...model.table("fills")].sort((a, b) => b[1][0] - a[1][0]);
    const positions = [...model.table("positions")];
    const counts = { fills: fills.length, positions: positions.filter(([, row]) => row[1] !== "flat").length };
    for (const [name, belongs] of Object.entries(LISTS)) counts[name] = all.filter(([, row]) => belongs(row)).length;
    for (const [name, count] of Object.entries(counts)) write($(`n-${name}`), String(count));
    const kind = this.list === "fills" || this.list === "positions" ? this.list : "orders";
    for (const name of Object.keys(HEADS)) $(`${name}-table`).hidden = name !== kind;
    let shown;
    if (kind === "fills") { shown = fills; this.fills.show(fills); }
    else if (kind === "positions") { shown = positions; this.positions.show(positions); }
    else { shown = all.filter(([, row]) => LISTS[this.list](row)); this.orders.show(shown); }
    $("nothing").hidden = shown.length > 0;
    write($("nothing"), NOTHING[this.list]);
  }
}

function fillFill(row, [at, symbol, side, price, size, fee, role, order]) {
  [clock(at, true), symbol, SIDES[side], price, size, fee, role, order].forEach((text, place) => write(row.children[place], text));
  mark(row.children[2], "class", side);
  mark(row.children[0], "title", day(at));
}

function fillPosition(row, data) {
  data.forEach((text, place) => write(row.children[place], text));
  for (const place of [5, 6]) mark(row.children[place], "class", data[place].startsWith("−") ? "n down" : data[place].startsWith("+") ? "n up" : "n");
}

// ── connections ──

export class Health {
  constructor() {
    this.venues = new Rows($("venue-rows"), () => cells("ttnnnnnnn"), () => {});
    this.links = new Rows($("link-rows"), () => cells("ttnnnn"), () => {});
    this.venues.fill = (row, data) => this.fillVenue(row, data);
    this.links.fill = (row, data) => this.fillLink(row, data);
  }

  show(model, live, believable) {
    this.believable = believable;
    this.now = live.now();
    // A desk has one venue, and every frame says when it was heard last.
    this.heard = live.head && model.table("venues").size === 1 ? live.head.heard : 0;
    const venues = [...model.table("venues")];
    this.venues.show(venues.map(([name, row]) => [name, { name, ...row }]));
    this.links.show([...model.table("links")]);
    const [first] = venues;
    if (!first) return;
    const { offset, bound, budget, trouble } = first[1];
    const desk = model.table("desk");
    const facts = [
      ["Clock offset", offset === "–" ? "–" : `${offset} ms ±${bound}`], ["Weight left", budget[0]], ["Orders left", budget[1]],
      ["Order answered", desk.get("answer") || "–"], ["Rules", String(desk.get("rules") ?? "–")], ["Watchdog", desk.get("watchdog") || "none"],
      ["Journal", desk.get("journal") || (desk.get("state") ? "on disk" : "in memory")],
    ];
    const list = $("venue-facts");
    while (list.children.length < facts.length) list.append(make("div", {}, make("dt"), make("dd")));
    facts.forEach(([name, value], at) => {
      write(list.children[at].firstChild, name);
      write(list.children[at].lastChild, believable ? value : "unknown");
    });
    $("trouble").hidden = !trouble || !believable;
    write($("trouble"), trouble || "");
  }

  fillVenue(row, { name, state, rate, heard, lag, gaps, reconnects }) {
    const newest = Math.max(heard, this.heard);
    const age = newest ? seconds(Math.max(0, this.now - newest)) : "–";
    const known = this.believable;
    [name, known ? state : "unknown", known ? rate : "–", age, ...lag.map((value) => (known ? value : "–")), String(gaps), String(reconnects)].forEach((text, at) => write(row.children[at], text));
    lag.forEach((value, at) => mark(row.children[4 + at], "title", `${value} ms`));
    mark(row, "class", !known || state === "live" ? "" : state === "down" ? "lost" : "warn");
  }

  fillLink(row, [name, state, since, streams, wins, behind]) {
    const known = this.believable;
    [name, known ? state : "unknown", clock(since, false), String(streams), String(wins), known ? behind : "–"].forEach((text, at) => write(row.children[at], text));
    mark(row, "class", !known || state === "up" ? "" : "lost");
  }
}

// ── log ──

const WORSE = { info: 0, warning: 1, error: 2 };

export class Log {
  constructor() {
    this.level = "info";
    this.paused = false;
    this.rows = new Rows($("log-rows"), () => cells("ttt"), (row, [, at, level, text]) => {
      write(row.children[0], at ? day(at) : "–");
      write(row.children[1], level);
      write(row.children[2], text);
      mark(row, "class", level);
    });
    $("log-level").onchange = (event) => { this.level = event.target.value; this.again = true; };
    $("log-pause").onclick = () => { this.paused = !this.paused; mark($("log-pause"), "aria-pressed", String(this.paused)); };
    $("log-copy").onclick = () => this.copy();
  }

  shown(model) { return model.tale("log").filter((row) => WORSE[row[2]] >= WORSE[this.level]); }

  show(model) {
    this.model = model;
    if (this.paused) { write($("log-note"), "paused"); return; }
    const rows = this.shown(model);
    write($("log-note"), `${rows.length} lines`);
    this.rows.show(rows.reverse().map((row) => [String(row[0]), row]));
  }

  async copy() {
    const text = this.shown(this.model).map((row) => `${day(row[1])}\t${row[2]}\t${row[3]}`).join("\n");
    try { await navigator.clipboard.writeText(text); write($("log-note"), "copied"); } catch { write($("log-note"), "the browser does not allow it"); }
  }
}
