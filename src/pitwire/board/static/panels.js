// What stands in the panels. Every text is as the server made it; nothing is rounded here.

import { $, Rows, Widest, cells, figuresOf, flash, make, mark, roomFor, style, write } from "./marks.js";
import { clock, day } from "./times.js";
import { seconds } from "./live.js";
import { WORDS } from "./desks.js";

const SIDES = { buy: "▲ buy", sell: "▼ sell" };

// ── watchlist ──

export class Watch {
  constructor(pick) {
    this.pick = pick;
    this.filter = "";
    this.chosen = "";
    this.widest = new Widest(400, "BTC-USDT", "60000.00", "+0.00%"); // symbol, last, change
    new ResizeObserver(() => this.fit()).observe($("watch"));
    this.rows = new Rows($("watch-rows"), (key, data) => this.build(key, data), (row, data, key) => this.fill(row, data, key));
  }

  build(key, { desk, symbol }) {
    if (!symbol) return this.buildGroup();
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
    row.onclick = () => this.pick(desk, symbol);
    return row;
  }

  // One of several desks: its rows stand below.
  buildGroup() {
    const head = make("th", { colspan: "4", scope: "rowgroup" }, make("i", { class: "dot" }), make("b"), make("span", { class: "soft" }));
    return make("tr", {}, head);
  }

  fillGroup(row, desk) {
    const [, name, said] = row.firstChild.children;
    write(name, desk.name);
    write(said, desk.halted ? `Halted, ${WORDS[desk.state]}` : WORDS[desk.state]);
    mark(row, "class", desk.doubted ? "group stale" : "group");
    mark(row, "title", desk.why);
  }

  fill(row, { desk, symbol, data, spark, stale, old }, key) {
    if (!symbol) { this.fillGroup(row, desk); return; }
    const [last, direction, change, sign] = data;
    if (row.children[2].shown !== undefined && row.children[2].shown !== last && direction) flash(row.children[2], direction > 0);
    write(row.children[2], last);
    this.widest.take([symbol.slice(0, 12), last, change]);
    write(row.children[3], change); // its sign says what its colour says
    mark(row.children[3], "class", sign > 0 ? "n up" : sign < 0 ? "n down" : "n");
    mark(row, "class", stale || old ? "stale" : "");
    mark(row, "data-stale", stale ? "1" : "");
    mark(row, "title", stale || old || "");
    mark(row.children[0], "title", stale || old ? "" : symbol);
    mark(row, "aria-selected", key === this.chosen ? "true" : "false");
    if (row.spark !== spark) {
      row.spark = spark;
      const step = 48 / Math.max(1, spark.length - 1);
      row.line.setAttribute("points", spark.map((height, at) => `${(at * step).toFixed(1)},${(17 - (height / 99) * 16).toFixed(1)}`).join(" "));
    }
  }

  symbols(desk) {
    const wanted = this.filter.toUpperCase();
    return [...desk.model.table("watch").keys()].filter((symbol) => symbol.toUpperCase().includes(wanted));
  }

  show(desks) {
    this.rows.show(desks.flatMap((desk) => {
      const entries = this.entries(desk, desks.length > 1 && desk.doubted ? desk.why || WORDS[desk.state] : "");
      return desks.length > 1 ? [[desk.key(""), { desk }], ...entries] : entries;
    }));
    if (this.widest.grew) this.fit();
  }

  // Numbers have the room that they need; what is left is for the name, and for the picture if that is enough.
  fit() {
    this.widest.grew = false;
    const box = $("watch"), room = box.clientWidth - 45, size = Math.max(10, this.widest.size(room, 12));
    const [name, last, change] = [0, 1, 2].map((at) => this.widest.room(at, size));
    box.style.setProperty("--size", `${size}px`);
    box.style.setProperty("--last", `${last + 8}px`);
    box.style.setProperty("--change", `${change + 8}px`);
    mark(box, "data-tight", name + last + change > room - 48 ? "1" : "");
  }

  entries(desk, doubt) {
    const { model, live } = desk, now = live.now(), limit = desk.get("limit");
    const stale = model.table("stale"), sparks = model.table("spark"), heard = model.table("heard"), watch = model.table("watch");
    return this.symbols(desk).map((symbol) => {
      const at = heard.get(symbol), age = at ? now - at : null;
      const why = stale.get(symbol) || doubt;
      const named = why ? `${why}${age === null ? "" : `; last heard ${seconds(age)} s ago`}` : "";
      return [desk.key(symbol), { desk, symbol, data: watch.get(symbol), spark: sparks.get(symbol) || EMPTY, stale: named, old: limit && age === null ? "nothing heard yet" : "" }];
    });
  }

  move(desks, step) {
    const keys = desks.flatMap((desk) => this.symbols(desk).map((symbol) => desk.key(symbol)));
    if (!keys.length) return;
    const at = keys.indexOf(this.cursor ?? this.chosen);
    this.cursor = keys[Math.min(keys.length - 1, Math.max(0, at + step))];
    const row = this.rows.rows.get(this.cursor);
    if (row) { row.focus({ preventScroll: false }); row.scrollIntoView({ block: "nearest" }); }
  }

  pickCursor(desks) {
    for (const desk of desks) for (const symbol of this.symbols(desk)) if (desk.key(symbol) === this.cursor) { this.pick(desk, symbol); return; }
  }
}

const EMPTY = [];
const LEVEL = 17; // px, as in the style sheet

// ── ladder ──

export class Ladder {
  constructor() {
    this.asks = new Half($("asks"));
    this.bids = new Half($("bids"));
    this.room = this.breadth = 0;
    this.widest = new Widest(700, "60000.00", "0.00000", "0.00000");
    new ResizeObserver(([box]) => {
      [this.room, this.breadth, this.widest.grew] = [box.contentRect.height, box.contentRect.width, true];
      if (this.model) this.show(this.model);
    }).observe($("bids").closest(".half"));
  }

  // The columns share the room by what stands in them, in a font in which nothing is cut.
  share() {
    this.widest.grew = false;
    const box = $("ladder-box"), size = this.widest.size(this.breadth - 48, 13);
    const widths = [0, 1, 2].map((at) => this.widest.room(at, size) + 16), sum = widths.reduce((a, b) => a + b, 0);
    box.style.setProperty("--size", `${size}px`);
    widths.forEach((width, at) => box.style.setProperty(`--column-${at + 1}`, `${((100 * width) / sum).toFixed(2)}%`));
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
    for (const level of [...asks, ...bids]) this.widest.take([level[0], level[1], level[4].length + 2 > level[2].length ? `• ${level[4]}` : level[2]]);
    if (this.widest.grew && this.breadth) this.share();
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
      write(row.children[2].lastChild, own ? `• ${own}` : sum); // what is ours there, where it cannot lie over a price
      style(row.bar, "transform", `scaleX(${share / 1000})`);
      mark(row, "class", own ? "own" : "");
      mark(row, "title", own ? `ours: ${own}; sum so far: ${sum}` : "");
    });
  }
}

// ── tape ──

export class Tape {
  constructor() {
    this.rows = [];
    this.paused = false;
    this.widest = new Widest(700, "60000.00", "0.00000");
    const box = $("tape-scroll");
    new ResizeObserver(() => this.share()).observe(box);
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
      if (!skipped) this.widest.take([price, size]);
    });
    if (this.widest.grew) this.share();
  }

  // Price and size share what side and time leave, in a font in which neither is cut.
  share() {
    this.widest.grew = false;
    const room = $("tape-scroll").clientWidth - 158 - 30, [price, size] = [0, 1].map((at) => this.widest.room(at, 12));
    $("tape-rows").style.setProperty("--size", `${this.widest.size(room, 12)}px`);
    $("tape").style.setProperty("--price", `${Math.round((room * price) / (price + size)) + 15}px`);
  }
}

// ── orders ──

// Heading, width in px (0: what is left), n for numbers, and the class of its cells.
const HEADS = {
  orders: [
    ["Time", 96], ["Symbol", 84, "", "c-name"], ["Side", 52], ["Type", 72], ["Price", 76, "n"], ["Size", 66, "n"], ["Filled", 66, "n", "c-done"], ["State", 88],
    ["Rule", 0], ["Ack ms", 56, "n", "c-ack"], ["Why", 0, "", "c-why"], ["", 78, "", "c-act"],
  ],
  fills: [["Time", 106], ["Symbol", 90, "", "c-name"], ["Side", 62], ["Price", 90, "n"], ["Size", 84, "n"], ["Fee", 0, "n"], ["As", 60], ["Order", 0]],
  positions: [["Symbol", 84, "", "c-name"], ["Side", 52], ["Size", 76, "n"], ["Average", 80, "n"], ["Mark", 80, "n"], ["Open result", 90, "n"], ["Realised", 90, "n"], ["Fees", 0, "n"], ["In", 50]],
};
const LEAST = 784; // px of a table of orders, as in the style sheet
const LISTS = {
  working: (row) => row.open,
  rejected: (row) => !row.open && (row.state.startsWith("reject") || row.state.startsWith("refused")),
  done: (row) => !row.open && !(row.state.startsWith("reject") || row.state.startsWith("refused")),
};
const NOTHING = { working: "No working orders.", fills: "No fills yet.", rejected: "Nothing was rejected or refused.", done: "No order is over yet.", positions: "No position, and none was held." };

export class Orders {
  constructor(cancel) {
    this.list = "working";
    this.wide = {};
    this.cancel = cancel;
    for (const [name, head] of Object.entries(HEADS)) {
      const line = document.createElement("tr");
      for (const [text, width, kind, extra] of head) {
        const cell = make("th", { scope: "col", class: `${kind || ""} ${extra || ""}` }, text);
        if (width) cell.style.width = `${width}px`;
        line.append(cell);
      }
      $(`${name}-table`).tHead.append(line);
    }
    this.orders = new Rows($("order-rows"), (key, data) => this.buildOrder(data), (row, data) => this.fillOrder(row, data));
    this.fills = new Rows($("fill-rows"), () => cells("tttnnntt"), fillFill);
    this.positions = new Rows($("position-rows"), () => cells("ttnnnnnnt"), fillPosition);
    for (const tab of document.querySelectorAll("#orders [role=tab]")) tab.onclick = () => this.choose(tab.dataset.list);
  }

  // A column of numbers becomes as wide as the longest in it, and stays so; then there is more to scroll.
  fit(kind, shown) {
    const { rows } = this[kind], head = HEADS[kind], table = $(`${kind}-table`), line = table.tHead.rows[0];
    const free = head.filter(([, width]) => !width).length, fixed = head.reduce((sum, [, width]) => sum + width, 0);
    const wide = (this.wide[kind] = this.wide[kind] || head.map(() => 0));
    let more = 0;
    head.forEach(([, width, numbers], at) => {
      if (!numbers) return;
      const longest = Math.max(0, ...shown.map(([key]) => figuresOf(rows.get(key).children[at].textContent)));
      const needed = Math.max(wide[at], roomFor(longest) + 12);
      if (width && needed > width && needed > wide[at]) line.children[at].style.setProperty("width", `${needed}px`, "important");
      more += Math.max(0, needed - (width || (LEAST - fixed) / free));
      wide[at] = needed;
    });
    style(table, "minWidth", more ? `${LEAST + more}px` : "");
  }

  choose(list) {
    this.list = list;
    this.stale = true;
    $("orders").dataset.list = list;
    for (const tab of document.querySelectorAll("#orders [role=tab]")) mark(tab, "aria-selected", tab.dataset.list === list ? "true" : "false");
    if (this.desks) this.show(this.desks);
  }

  buildOrder({ desk, id }) {
    const row = cells("ttttnnnttntt");
    row.progress = make("i");
    row.done = make("span");
    HEADS.orders.forEach(([, , , extra], at) => { if (extra) row.children[at].classList.add(extra); });
    row.children[6].append(row.done, make("span", { class: "progress" }, row.progress));
    row.button = make("button", { class: "cancel", type: "button" }, "Cancel");
    row.button.onclick = () => this.cancel(desk, id, row.button);
    row.children[11].append(row.button);
    return row;
  }

  fillOrder(row, { desk, row: order }) {
    const texts = [clock(order.at, true), desk.named(order.sym), SIDES[order.side] || "–", order.type, order.px, order.size];
    texts.forEach((text, at) => write(row.children[at], text));
    mark(row.children[1], "title", texts[1]);
    mark(row.children[3], "title", order.type);
    mark(row.children[7], "title", order.state);
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
    row.button.hidden = !order.open || desk.live.rights !== "control" || desk.state === "disconnected";
    doubt(row, desk);
  }

  show(desks) {
    this.desks = desks;
    const rows = (topic) => desks.flatMap((desk) => [...desk.model.table(topic)].map(([id, row]) => [desk.key(id), { desk, id, row }]));
    const all = rows("orders").sort((a, b) => b[1].row.at - a[1].row.at);
    const fills = rows("fills").sort((a, b) => b[1].row[0] - a[1].row[0]);
    const positions = rows("positions");
    const counts = { fills: fills.length, positions: positions.filter(([, { row }]) => row[1] !== "flat").length };
    for (const [name, belongs] of Object.entries(LISTS)) counts[name] = all.filter(([, { row }]) => belongs(row)).length;
    for (const [name, count] of Object.entries(counts)) write($(`n-${name}`), String(count));
    const kind = this.list === "fills" || this.list === "positions" ? this.list : "orders";
    for (const name of Object.keys(HEADS)) $(`${name}-table`).hidden = name !== kind;
    let shown;
    if (kind === "fills") { shown = fills; this.fills.show(fills); }
    else if (kind === "positions") { shown = positions; this.positions.show(positions); }
    else { shown = all.filter(([, { row }]) => LISTS[this.list](row)); this.orders.show(shown); }
    this.fit(kind, shown);
    $("nothing").hidden = shown.length > 0;
    const [doubted] = desks.filter((desk) => desk.doubted);
    write($("nothing"), doubted ? `${WORDS[doubted.state]}: what there is now is not known. Last heard: ${NOTHING[this.list]}` : NOTHING[this.list]);
  }
}

// A row of a desk whose word is not to be believed now.
function doubt(row, desk) {
  mark(row, "class", desk.doubted ? "doubted" : "");
  mark(row, "aria-description", desk.doubted ? [WORDS[desk.state], desk.why].filter(Boolean).join(": ") : "");
}

function fillFill(row, { desk, row: [at, symbol, side, price, size, fee, role, order] }) {
  [clock(at, true), desk.named(symbol), SIDES[side], price, size, fee, role, order].forEach((text, place) => write(row.children[place], text));
  mark(row.children[2], "class", side);
  mark(row.children[0], "title", day(at));
  doubt(row, desk);
}

function fillPosition(row, { desk, row: data }) {
  data.forEach((text, place) => write(row.children[place], place ? text : desk.named(text)));
  for (const place of [0, 7]) mark(row.children[place], "title", row.children[place].shown);
  for (const place of [5, 6]) mark(row.children[place], "class", data[place].startsWith("−") ? "n down" : data[place].startsWith("+") ? "n up" : "n");
  doubt(row, desk);
}

// ── connections ──

const ALWAYS = new Set(["Of", "Up since"]); // true also of a desk that is not heard

export class Health {
  constructor() {
    this.venues = new Rows($("venue-rows"), () => cells("ttnnnnnnn"), () => {});
    this.links = new Rows($("link-rows"), () => cells("ttnnnn"), () => {});
    this.venues.fill = (row, data) => this.fillVenue(row, data);
    this.links.fill = (row, data) => this.fillLink(row, data);
  }

  show(desks, chosen) {
    const rows = (topic) => desks.flatMap((desk) => [...desk.model.table(topic)].map(([name, row]) => [desk.key(name), { desk, name, row }]));
    const venues = rows("venues");
    this.venues.show(venues);
    this.links.show(rows("links"));
    const [facts] = chosen.model.table("venues").values();
    if (facts) this.showFacts(chosen, facts, desks.length > 1);
    const troubles = venues.filter(([, { desk, row }]) => row.trouble && desk.isKnown).map(([, { desk, row }]) => (desk.name ? `${desk.name}: ${row.trouble}` : row.trouble));
    $("trouble").hidden = !troubles.length;
    write($("trouble"), troubles.join("; "));
  }

  // The desk whose symbol is chosen, in more words.
  showFacts(desk, { offset, bound, budget }, many) {
    const facts = [
      ["Clock offset", offset === "–" ? "–" : `${offset} ms ±${bound}`], ["Weight left", budget[0]], ["Orders left", budget[1]],
      ["Answered", desk.get("answer") || "–"], ["Rules", String(desk.get("rules") ?? "–")], ["Watchdog", desk.get("watchdog") || "none"],
      ["Journal", desk.get("journal") || (desk.get("state") ? "on disk" : "in memory")], ["Up since", desk.since ? [clock(desk.since, false), desk.get("run")].filter(Boolean).join(", ") : ""], ["Of", many ? desk.name : ""],
    ];
    const list = $("venue-facts");
    while (list.children.length < facts.length) list.append(make("div", {}, make("dt"), make("dd")));
    facts.forEach(([name, value], at) => {
      write(list.children[at].firstChild, name);
      write(list.children[at].lastChild, desk.isKnown || ALWAYS.has(name) ? value : "unknown");
      list.children[at].hidden = !value;
    });
  }

  fillVenue(row, { desk, name, row: { state, rate, heard, lag, gaps, reconnects } }) {
    // A desk has one venue, and every frame says when it was heard last.
    const { live, isKnown: known } = desk, newest = Math.max(heard, live.head && desk.model.table("venues").size === 1 ? live.head.heard : 0);
    const age = newest ? seconds(Math.max(0, live.now() - newest)) : "–";
    [desk.owned(name), known ? state : "unknown", known ? rate : "–", age, ...lag.map((value) => (known ? value : "–")), String(gaps), String(reconnects)].forEach((text, at) => write(row.children[at], text));
    mark(row.children[0], "title", desk.owned(name));
    mark(row.children[1], "title", known ? state : "unknown");
    lag.forEach((value, at) => mark(row.children[4 + at], "title", `${value} ms`));
    mark(row, "class", !known ? (desk.name ? "doubted" : "") : state === "live" ? "" : state === "down" ? "lost" : "warn");
  }

  fillLink(row, { desk, row: [name, state, since, streams, wins, behind] }) {
    const known = desk.isKnown;
    [desk.owned(name), known ? state : "unknown", clock(since, false), String(streams), String(wins), known ? behind : "–"].forEach((text, at) => write(row.children[at], text));
    mark(row.children[0], "title", desk.owned(name));
    mark(row.children[1], "title", known ? state : "unknown");
    mark(row, "class", !known ? (desk.name ? "doubted" : "") : state === "up" ? "" : "lost");
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

  // [key, [number, at, level, text]] of all desks, oldest first.
  shown(desks) {
    const rows = desks.flatMap((desk) => desk.model.tale("log").filter((row) => WORSE[row[2]] >= WORSE[this.level])
      .map(([number, at, level, text]) => [desk.key(String(number)), [number, at, level, desk.name ? `${desk.name}: ${text}` : text]]));
    return desks.length > 1 ? rows.sort((a, b) => a[1][1] - b[1][1]) : rows;
  }

  show(desks) {
    this.desks = desks;
    if (this.paused) { write($("log-note"), "paused"); return; }
    const rows = this.shown(desks);
    write($("log-note"), `${rows.length} lines`);
    this.rows.show(rows.reverse());
  }

  async copy() {
    const text = this.shown(this.desks).map(([, row]) => `${day(row[1])}\t${row[2]}\t${row[3]}`).join("\n");
    try { await navigator.clipboard.writeText(text); write($("log-note"), "copied"); } catch { write($("log-note"), "the browser does not allow it"); }
  }
}
