// What the server has told: tables (rows by key) and tales (rows in order), as in picture.py.

export class Model {
  constructor() { this.clear(); }

  clear() {
    this.tables = new Map();
    this.tales = new Map();
    this.kept = {};
    this.touched = new Set();
  }

  table(topic) {
    let found = this.tables.get(topic);
    if (!found) this.tables.set(topic, (found = new Map()));
    return found;
  }

  tale(topic) {
    let found = this.tales.get(topic);
    if (!found) this.tales.set(topic, (found = []));
    return found;
  }

  apply(change) {
    for (const [topic, rows] of Object.entries(change.tables || {})) {
      const table = this.table(topic);
      for (const [key, row] of Object.entries(rows)) {
        if (row === null) table.delete(key);
        else table.set(key, row);
      }
      this.touched.add(topic);
    }
    for (const [topic, rows] of Object.entries(change.tales || {})) {
      const tale = this.tale(topic);
      tale.push(...rows);
      const kept = this.kept[topic] || 100;
      if (tale.length > kept) tale.splice(0, tale.length - kept);
      this.touched.add(topic);
    }
  }

  // Topics that have changed since this was last asked.
  take() {
    const touched = this.touched;
    this.touched = new Set();
    return touched;
  }
}
