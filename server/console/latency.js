// How long words take: from the moment that their last sample was sent until they are shown. Pure.

const KEPT = 1024; // chunks, over two minutes

export class Clock {
  constructor() {
    this._sent = [];
  }

  // Audio up to `streamMs` has been sent at `now`.
  sent(streamMs, now) {
    this._sent.push({ streamMs, at: now });
    if (this._sent.length > KEPT) this._sent.shift();
  }

  // Milliseconds since the audio at `streamMs` was sent; null if that is too long ago to know.
  since(streamMs, now) {
    const first = this._sent.find((entry) => entry.streamMs >= streamMs);
    return first === undefined || first === this._sent[0] && this._sent.length === KEPT
      ? null
      : now - first.at;
  }
}
