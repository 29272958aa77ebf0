// The waveform of the last seconds and the level meter. Draws only while there is sound to show.

import { Chunker } from "./pcm.js";

const COLUMN_PX = 4;
const BAR_PX = 2;
const COLUMN_MS = 40;
const QUIETEST_DB = -60;
const FALL_DB_PER_S = 36;
const STILL_MS = 500; // between drawings for readers who want little motion

export class Wave {
  constructor(canvas, { level, fill, text }) {
    this._canvas = canvas;
    this._level = level;
    this._fill = fill;
    this._text = text;
    this._peaks = [];
    this._db = QUIETEST_DB;
    this._drawnAt = 0;
    this._spoken = 0;
    this._still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this._draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._draw());
    this._draw();
  }

  feed(samples, rate) {
    if (rate !== this._rate) {
      this._rate = rate;
      this._columns = new Chunker(Math.round((rate * COLUMN_MS) / 1000), (c) => this._add(c));
    }
    this._columns.feed(samples);
  }

  _add(column) {
    let peak = 0;
    let sum = 0;
    for (const sample of column) {
      peak = Math.max(peak, Math.abs(sample));
      sum += sample * sample;
    }
    this._peaks.push(peak);
    const db = 20 * Math.log10(Math.sqrt(sum / column.length) + 1e-9);
    this._db = Math.max(db, this._db - (FALL_DB_PER_S * COLUMN_MS) / 1000);
    this._schedule();
  }

  rest() {
    this._db = QUIETEST_DB;
    this._schedule();
  }

  clear() {
    this._peaks = [];
    this.rest();
  }

  _schedule() {
    const now = performance.now();
    if (this._frame || (this._still.matches && now - this._drawnAt < STILL_MS)) return;
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      this._drawnAt = now;
      this._draw();
      this._showLevel(now);
    });
  }

  _draw() {
    const { clientWidth: width, clientHeight: height } = this._canvas;
    const scale = devicePixelRatio || 1;
    this._canvas.width = width * scale;
    this._canvas.height = height * scale;
    const pen = this._canvas.getContext("2d");
    pen.scale(scale, scale);
    const columns = Math.ceil(width / COLUMN_PX);
    this._peaks = this._peaks.slice(-columns);
    const style = getComputedStyle(this._canvas);
    const colour = style.getPropertyValue("--accent");
    const faint = style.getPropertyValue("--line");
    for (let column = 0; column < columns; column += 1) {
      const peak = this._peaks[column - (columns - this._peaks.length)];
      const tall = peak === undefined ? 2 : Math.max(2, Math.sqrt(Math.min(1, peak)) * height);
      pen.fillStyle = peak === undefined ? faint : colour;
      pen.beginPath();
      pen.roundRect(width - (columns - column) * COLUMN_PX, (height - tall) / 2, BAR_PX, tall, 1);
      pen.fill();
    }
  }

  _showLevel(now) {
    const db = Math.max(QUIETEST_DB, Math.min(0, this._db));
    const share = 1 - db / QUIETEST_DB;
    this._fill.style.clipPath = `inset(0 ${100 - 100 * share}% 0 0)`;
    if (now - this._spoken < 200 && db > QUIETEST_DB) return;
    this._spoken = now;
    const shown = db <= QUIETEST_DB ? "−∞ dB" : `${Math.round(db)} dB`.replace("-", "−");
    this._text.textContent = shown;
    this._level.setAttribute("aria-valuenow", String(Math.round(db)));
    this._level.setAttribute("aria-valuetext", db <= QUIETEST_DB ? "silent" : shown);
  }
}
