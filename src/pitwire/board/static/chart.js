// The bar chart: TradingView Lightweight Charts, from an installed package, or a note why not.

import { $, write } from "./marks.js";
import { clock } from "./times.js";

const KEPT = 240;

export class Chart {
  constructor() {
    this.bars = new Map();
    this.last = 0;
    this.appended = 0;
    this.lines = new Map();
    this.marks = new Map();
    const library = window.LightweightCharts;
    if (!library) {
      $("chart-missing").hidden = false;
      write($("chart-missing"), "The chart needs the extra “board”: pip install 'pitwire[board]'. Everything else works without it.");
      return;
    }
    this.library = library;
    this.chart = library.createChart($("chart-box"), {
      autoSize: true,
      layout: { background: { color: "#151a21" }, textColor: "#a3adbb", fontSize: 12, attributionLogo: false },
      grid: { vertLines: { color: "#1d242e" }, horzLines: { color: "#1d242e" } },
      rightPriceScale: { borderColor: "#2a323d", minimumWidth: 76 },
      timeScale: { borderColor: "#2a323d", timeVisible: true, secondsVisible: true, rightOffset: 4, tickMarkFormatter: (time) => clock(time * 1000) },
      localization: { timeFormatter: (time) => clock(time * 1000) },
      crosshair: { mode: 0 },
    });
    this.series = this.chart.addSeries(library.CandlestickSeries, {});
    this.markers = library.createSeriesMarkers(this.series, []);
    this.colour();
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => { $("to-live").hidden = this.isLive(); });
    this.chart.subscribeCrosshairMove((point) => this.hover(point));
    this.fresh = true;
  }

  colour() {
    if (!this.series) return;
    const look = getComputedStyle(document.documentElement);
    this.upColour = look.getPropertyValue("--bid").trim();
    this.downColour = look.getPropertyValue("--ask").trim();
    const root = document.documentElement.dataset.colours || "blue";
    if (root === "blue") { this.upColour = "#63adff"; this.downColour = "#ffa95c"; }
    this.series.applyOptions({
      upColor: this.upColour, downColor: this.downColour, wickUpColor: this.upColour, wickDownColor: this.downColour, borderVisible: false,
    });
  }

  reset(digits) {
    this.bars.clear();
    this.marks.clear();
    this.last = this.appended = 0;
    if (!this.series) return;
    this.series.setData([]);
    this.markers.setMarkers([]);
    for (const line of this.lines.values()) this.series.removePriceLine(line);
    this.lines.clear();
    this.fresh = true;
    this.series.applyOptions({ priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits } });
  }

  isLive() {
    const position = this.chart ? this.chart.timeScale().scrollPosition() : 0;
    return position >= -1;
  }

  toLive() { if (this.chart) this.chart.timeScale().scrollToRealTime(); }

  showBars(table) {
    if (!this.series) return;
    const moved = [];
    let old = false;
    for (const [key, bar] of table) {
      if (this.bars.get(key) === bar) continue;
      this.bars.set(key, bar);
      moved.push(bar);
      if (bar[0] < this.last) old = true;
    }
    if (!moved.length) return;
    moved.sort((a, b) => a[0] - b[0]);
    if (this.fresh || old || moved.length > 3 || this.appended > KEPT) {
      for (const key of this.bars.keys()) if (!table.has(key)) this.bars.delete(key);
      const all = [...this.bars.values()].sort((a, b) => a[0] - b[0]).slice(-KEPT);
      this.series.setData(all.map(shape));
      this.last = all[all.length - 1][0];
      this.appended = 0;
      if (this.fresh) this.chart.timeScale().applyOptions({ barSpacing: 7 });
      this.fresh = false;
    } else {
      for (const bar of moved) {
        if (bar[0] > this.last) this.appended += 1;
        this.last = bar[0];
        this.series.update(shape(bar));
      }
    }
    this.drawMarks();
  }

  showLines(table) {
    if (!this.series) return;
    for (const [key, line] of this.lines) if (!table.has(key)) { this.series.removePriceLine(line); this.lines.delete(key); }
    for (const [key, [price, label]] of table) {
      if (this.lines.has(key) || !this.isNear(price)) continue;
      this.lines.set(key, this.series.createPriceLine({ price, title: label.split(":")[0], color: "#b48ef0", lineStyle: 2, lineWidth: 1, axisLabelVisible: true }));
    }
  }

  // A level far from any price would only lie at the edge of the picture.
  isNear(price) {
    const bar = this.bars.get(String(this.last));
    return !bar || (price > bar[4] / 2 && price < bar[4] * 2);
  }

  showMarks(table) {
    this.marks = table;
    this.drawMarks();
  }

  drawMarks() {
    if (!this.series || !this.bars.size) return;
    const times = [...this.bars.values()].map((bar) => bar[0]).sort((a, b) => a - b);
    const shown = [], keys = [];
    for (const [id, [at, side]] of this.marks) {
      const time = times.filter((start) => start <= at).pop();
      if (time === undefined) continue;
      const buy = side === "buy";
      shown.push({ time, id, position: buy ? "belowBar" : "aboveBar", shape: buy ? "arrowUp" : "arrowDown", color: buy ? this.upColour : this.downColour });
      keys.push(`${id} ${time}`);
    }
    const key = keys.join();
    if (key === this.drawn && !this.fresh) return;
    this.drawn = key;
    shown.sort((a, b) => a.time - b.time);
    this.markers.setMarkers(shown);
  }

  hover(point) {
    const note = $("mark-note"), mark = point.hoveredObjectId && this.marks.get(point.hoveredObjectId);
    note.hidden = !mark;
    if (mark) write(note, describe(mark));
  }

  // What a person who does not see the canvas should know.
  summary(symbol, interval) {
    const bars = [...this.bars.values()].sort((a, b) => a[0] - b[0]);
    if (!bars.length) return `${symbol}: no trades yet`;
    const high = Math.max(...bars.map((bar) => bar[2])), low = Math.min(...bars.map((bar) => bar[3]));
    const first = bars[0], last = bars[bars.length - 1];
    const fired = [...this.marks.values()].pop();
    return `${symbol}, bars of ${interval}: last ${last[4]}, low ${low}, high ${high}, ` +
      `change ${(((last[4] - first[1]) / first[1]) * 100).toFixed(2)}% over ${bars.length} bars` + (fired ? `; last trigger ${describe(fired)}` : "");
  }
}

const shape = (bar) => ({ time: bar[0], open: bar[1], high: bar[2], low: bar[3], close: bar[4] });
const describe = ([at, side, rule, price, fill]) => `${clock(at * 1000)} ${side} by “${rule}”${price === "–" ? " at the market" : ` at ${price}`}${fill ? `, filled at ${fill}` : ""}`;
