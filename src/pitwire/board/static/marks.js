// Small tools for the document: text only where it changed, rows that are used again.

export const $ = (id) => document.getElementById(id);

export function write(node, text) {
  if (node.shown === text) return;
  node.shown = text;
  const child = node.firstChild;
  // The text that is there is changed: twenty times a second a new one would be a lot to collect.
  if (child && child.nodeType === Node.TEXT_NODE && !child.nextSibling) child.data = text;
  else node.textContent = text;
}

export function mark(node, name, value) {
  const key = `mark_${name}`;
  if (node[key] !== value) {
    node[key] = value;
    if (value === null || value === "") node.removeAttribute(name);
    else node.setAttribute(name, value);
  }
}

export function style(node, name, value) {
  const key = `style_${name}`;
  if (node[key] !== value) {
    node[key] = value;
    node.style[name] = value;
  }
}

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Rows of a table by key: made once, filled again, put in order only when the order differs.
export class Rows {
  constructor(body, build, fill) {
    this.body = body;
    this.build = build;
    this.fill = fill;
    this.rows = new Map();
  }

  show(entries) {
    const wanted = new Set(entries.map(([key]) => key));
    for (const [key, row] of this.rows) {
      if (!wanted.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
    let place = this.body.firstElementChild;
    for (const [key, data] of entries) {
      let row = this.rows.get(key);
      if (!row) {
        row = this.build(key, data);
        row.dataset.key = key;
        this.rows.set(key, row);
      }
      this.fill(row, data, key);
      if (row === place) place = place.nextElementSibling;
      else this.body.insertBefore(row, place);
    }
  }
}

// A row with so many cells; `kinds` has one letter each: n number, t text.
export function cells(kinds) {
  const row = document.createElement("tr");
  for (const kind of kinds) row.append(make("td", kind === "n" ? { class: "n" } : {}));
  return row;
}

const stillWanted = window.matchMedia("(prefers-reduced-motion: reduce)");

// A short flash in the side's colour; not at all where no motion is wanted, at most three a second.
export function flash(node, up) {
  if (stillWanted.matches || !node.animate) return;
  const now = performance.now();
  if (now - (node.flashed || 0) < 330) return;
  node.flashed = now;
  const colour = up ? "rgb(99 173 255 / .35)" : "rgb(255 169 92 / .35)";
  node.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], 280);
}

const widths = {};
// How wide a figure is, in parts of the size of its font: all figures are as wide as one another.
function figureWidth(weight) {
  if (!widths[weight]) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${weight} 100px ${getComputedStyle(document.body).fontFamily}`;
    widths[weight] = pen.measureText("0").width / 100;
  }
  return widths[weight];
}

// How many figures a text is as wide as: points and commas are narrow, signs are wide.
export const figuresOf = (text) => [...text].reduce((sum, one) => sum + (one === "." || one === "," ? 0.5 : "+−%•".includes(one) ? 1.45 : 1), 0.2);

// px that so many figures take.
export const roomFor = (figures, size = 12, weight = 400) => Math.ceil(figures * figureWidth(weight) * size);

// The longest texts of some columns. What was wide once stays so: nothing moves when a number is shorter.
export class Widest {
  constructor(weight, ...least) {
    this.weight = weight;
    this.least = least.map(figuresOf);
    this.clear();
  }

  clear() {
    this.most = [...this.least];
    this.grew = true;
  }

  take(texts) {
    texts.forEach((text, at) => {
      if (text.length <= this.most[at] / 1.5) return; // never wider than that
      const figures = figuresOf(text);
      if (figures > this.most[at]) { this.most[at] = figures; this.grew = true; }
    });
  }

  room(at, size) { return roomFor(this.most[at], size, this.weight); }

  // The size of a font, px, in which all of them stand beside one another in so much room.
  size(room, usual) {
    const needed = this.most.reduce((sum, _, at) => sum + this.room(at, 100), 0) / 100;
    return Math.max(8, Math.min(usual, Math.floor((4 * room) / needed) / 4));
  }
}
