// The transcript on the page: finished utterances and the one being spoken, word by word.
//
// Spans are reused from one hypothesis to the next, so that a word that has the reader's focus or
// pointer keeps it. Screen readers are told finals only: partials would never let them finish.

import { duration, moment, percent } from "./format.js";

const CERTAIN = 0.85;
const LIKELY = 0.6;
const NEAR_THE_END_PX = 80;

export class Transcript {
  constructor(root) {
    this.utterances = [];
    this._root = root;
    this._list = root.querySelector("#utterances");
    this._empty = root.querySelector("#empty");
    this._announcer = document.getElementById("announcer");
    this._tip = document.getElementById("tip");
    this._open = null;
    this._offset = 0;
    this._facts = new WeakMap();
    root.addEventListener("keydown", (event) => this._onKey(event));
    root.addEventListener("pointerover", (event) => this._showTip(event.target));
    root.addEventListener("pointerleave", () => this._hideTip());
    root.addEventListener("focusin", (event) => this._showTip(event.target));
    root.addEventListener("focusout", () => this._hideTip());
    root.addEventListener("scroll", () => this._hideTip(), { passive: true });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this._hideTip();
    });
  }

  // A new stream counts its time from 0; the transcript goes on from where the last one ended.
  beginStream(lengthSoFarMs) {
    this.abandonOpen();
    this._offset = lengthSoFarMs;
  }

  show(hypothesis) {
    const followed = this._isNearTheEnd();
    const words = hypothesis.words.map((word) => (
      { ...word, start: word.start + this._offset, end: word.end + this._offset }
    ));
    if (words.length > 0) this._render(words);
    else this._open?.row.remove(); // nothing was said after all
    if (hypothesis.isFinal && words.length > 0) {
      this.utterances.push({ text: hypothesis.text, confidence: hypothesis.confidence, words });
      this._announcer.textContent = hypothesis.text;
    }
    if (hypothesis.isFinal || words.length === 0) this._open = null;
    this._empty.hidden = this._list.childElementCount > 0;
    if (followed) this._root.scrollTop = this._root.scrollHeight;
  }

  // The stream ended without the utterance's final: its words stay, as they were last heard.
  abandonOpen() {
    if (this._open === null) return;
    const words = [...this._open.text.children].map((span) => this._facts.get(span));
    const confidence = words.reduce((sum, word) => sum + word.confidence, 0) / words.length;
    this.utterances.push({ text: words.map((word) => word.text).join(" "), confidence, words });
    this._open = null;
  }

  clear() {
    this.utterances = [];
    this._open = null;
    this._list.replaceChildren();
    this._announcer.textContent = "";
    this._empty.hidden = false;
    this._hideTip();
  }

  _render(words) {
    if (this._open === null) this._open = this._newRow();
    const { text, time } = this._open;
    time.textContent = duration(words[0].start);
    while (text.children.length > words.length) text.lastElementChild.remove();
    words.forEach((word, index) => {
      let span = text.children[index];
      if (span === undefined) {
        if (index > 0) text.append(" ");
        span = document.createElement("span");
        span.className = "word";
        span.tabIndex = -1;
        text.append(span);
      }
      this._fill(span, word);
    });
  }

  _newRow() {
    const row = document.createElement("div");
    row.className = "utterance";
    const time = document.createElement("time");
    const text = document.createElement("p");
    row.append(time, text);
    this._list.append(row);
    return { row, time, text };
  }

  _fill(span, word) {
    this._facts.set(span, word);
    if (span.textContent !== word.text) span.textContent = word.text;
    span.dataset.sure = word.confidence >= CERTAIN ? "high" : word.confidence >= LIKELY ? "mid" : "low";
    span.toggleAttribute("data-open", word.intermed);
    span.setAttribute("aria-description", describe(word));
  }

  _isNearTheEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this._root;
    return scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
  }

  // -- times and confidences, by pointer and by keyboard

  _onKey(event) {
    const words = [...this._list.querySelectorAll(".word")];
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (words.length === 0 || step === undefined) return;
    const at = words.indexOf(document.activeElement);
    const from = at < 0 ? (step > 0 ? -1 : words.length) : at;
    words[Math.max(0, Math.min(words.length - 1, from + step))].focus();
    event.preventDefault();
  }

  _showTip(target) {
    const word = this._facts.get(target);
    if (word === undefined) {
      this._hideTip();
      return;
    }
    this._tip.textContent = describe(word);
    this._tip.hidden = false;
    const at = target.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this._tip;
    const left = at.left + at.width / 2 - offsetWidth / 2;
    const above = at.top - offsetHeight - 6;
    this._tip.style.left = `${Math.max(8, Math.min(innerWidth - offsetWidth - 8, left))}px`;
    this._tip.style.top = `${above > 8 ? above : at.bottom + 6}px`;
  }

  _hideTip() {
    this._tip.hidden = true;
  }
}

function describe(word) {
  const state = word.intermed ? ", may change" : "";
  return `${moment(word.start)} to ${moment(word.end)} · ${percent(word.confidence)} sure${state}`;
}
