// One stream to the server that this page came from, from connect to close.
//
// The server keeps the stream's session for a while when the connection breaks. So what was sent is
// kept here, too: a new connection tells how much of it has arrived, and gets the rest.
//
// The browser hides why a WebSocket was refused, so after a refusal the server's readiness page is
// asked, and what it says is put in words.

export const CHUNK_MS = 128;
export const UNREACHABLE = "The server cannot be reached. Check the network, then try again.";
const REFUSED = "The server refused the connection. Try again in a moment.";
const KEY_MISSING = "This server needs an API key: enter yours under Connection.";
const KEY_UNKNOWN = "The server refused the connection: the API key under Connection may be wrong.";
const MAX_UNSENT_BYTES = 256 * 1024;
const LOOK_AGAIN_MS = 20;
const FINAL_PATIENCE_MS = 20000;
const KEPT_S = 90; // more than a server takes in before it slows its client down, and an outage
const OUTAGE_MS = 30000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;
const BROKEN = 1006; // no close frame came
const LAST_DONES = 2;

export function chunkSamples(rate) {
  return Math.floor((rate * CHUNK_MS) / 1000);
}

export function address(settings) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const query = new URLSearchParams({ downsample: "True", sampleRate: String(settings.rate) });
  if (settings.digits) query.set("text2int", "True");
  if (settings.key) query.set("apiKey", settings.key); // a page cannot set headers
  return `${scheme}//${location.host}/?${query}`;
}

export class Recogniser {
  // `on` has: ready(), hypothesis(message), waiting(isWaiting), notice(text),
  // closed({ expected, reason }).
  constructor(settings, on) {
    this.rate = settings.rate;
    this.sentSamples = 0;
    this.stoppedAt = null;
    this._address = address(settings);
    this._hasKey = Boolean(settings.key);
    this._on = on;
    this._ready = false;
    this._closing = false;
    this._said = "";
    this._kept = []; // { at, samples }, `at` in samples from the start of the stream
    this._session = null; // its token, once the server has given one
    this._lastMsgId = null;
    this._brokenAt = null; // since when a connection is missing
    this._connect("new");
  }

  get isOpen() {
    const connected = this._socket.readyState === WebSocket.OPEN;
    return this._ready && !this._closing && (connected || this._brokenAt !== null);
  }

  // Int16Array, 128 ms at most.
  send(samples) {
    if (!this.isOpen) return;
    this._keep(samples);
    this.sentSamples += samples.length;
    if (this._brokenAt === null) this._socket.send(samples);
  }

  // Until the network has taken most of what was sent: a fast file must not pile up here.
  async drained() {
    while (
      this.isOpen && (this._brokenAt !== null || this._socket.bufferedAmount > MAX_UNSENT_BYTES)
    ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  // Asks for the last final; the connection closes once it is here. The final of an utterance that
  // ended by itself may come in between, so a second `done` is sent: no audio lies before it, so
  // its answer is a final without words, and nothing comes after that.
  finish() {
    if (this._closing) return;
    const wasOpen = this.isOpen;
    this._closing = true;
    this.stoppedAt = performance.now();
    if (!wasOpen) {
      this._socket.close();
      return;
    }
    if (this._brokenAt === null) this._sendDones(LAST_DONES);
    this._patience = setTimeout(() => {
      this._on.notice("The server did not send the last words in time.");
      this._giveUp();
    }, FINAL_PATIENCE_MS);
  }

  // -- the connection

  _connect(session) {
    const target = new URL(this._address);
    target.searchParams.set("session", session);
    if (session !== "new" && this._lastMsgId) target.searchParams.set("lastMsgId", this._lastMsgId);
    const socket = new WebSocket(target);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this._receive(JSON.parse(event.data));
    socket.onclose = (event) => this._closed(event);
    this._socket = socket;
  }

  _receive(message) {
    if (message.status === "ready") {
      this._session = message.session ?? null;
      if (!this._ready) {
        this._ready = true;
        this._on.ready(message);
      } else {
        this._goOn(message);
      }
      return;
    }
    this._lastMsgId = message.msgId;
    if (message.status !== undefined) {
      this._said = message.info;
      this._on.notice(message.info);
    } else {
      this._on.hypothesis(message);
      const isLast = message.isFinal && message.words.length === 0;
      if (isLast && this._closing) this._socket.close(1000);
    }
  }

  async _closed(event) {
    if (event.target !== this._socket) return;
    if (this._brokenAt !== null) {
      await this._refusedAgain();
    } else if (this._ready && this._session && event.code === BROKEN) {
      this._brokenAt = performance.now();
      this._pause = FIRST_PAUSE_MS;
      this._on.waiting(true);
      this._again = setTimeout(() => this._connect(this._session), FIRST_PAUSE_MS);
    } else {
      await this._over(event.code);
    }
  }

  // -- coming back

  _keep(samples) {
    this._kept.push({ at: this.sentSamples, samples });
    const oldest = this.sentSamples - KEPT_S * this.rate;
    while (this._kept[0].at < oldest) this._kept.shift();
  }

  // The same session on a new connection, which says how much of it has arrived.
  _goOn({ audioBytes, dones }) {
    this._brokenAt = null;
    const arrived = audioBytes / 2;
    for (const { at, samples } of this._kept) {
      if (at + samples.length > arrived) this._socket.send(samples.subarray(Math.max(0, arrived - at)));
    }
    if (this._closing) this._sendDones(LAST_DONES - dones);
    this._on.waiting(false);
  }

  _sendDones(count) {
    for (let sent = 0; sent < count; sent += 1) this._socket.send("done");
  }

  // A server that is there and ready, and refuses, has given the session up.
  async _refusedAgain() {
    const health = await readiness();
    const isOver = performance.now() - this._brokenAt > OUTAGE_MS;
    if (isOver || health?.ready) {
      this._giveUp();
      return;
    }
    this._pause = Math.min(2 * this._pause, LONGEST_PAUSE_MS);
    this._again = setTimeout(() => this._connect(this._session), this._pause);
  }

  // -- the end

  _giveUp() {
    clearTimeout(this._again);
    if (this._socket.readyState < WebSocket.CLOSING) {
      this._session = null;
      this._brokenAt = null;
      this._socket.close();
    } else {
      this._over(BROKEN);
    }
  }

  async _over(code) {
    clearTimeout(this._patience);
    const expected = this._closing && this._brokenAt === null;
    this._closing = true;
    this._brokenAt = null;
    let reason = "";
    if (!this._ready && !expected) reason = await whyRefused(this._hasKey);
    else if (!expected) reason = this._said || whyLost(code);
    this._on.closed({ expected, reason });
  }
}

function whyLost(code) {
  if (code === 1001) return "The server is stopping. What was heard so far is above.";
  return "The connection to the server was lost. What was heard so far is above.";
}

async function whyRefused(hasKey) {
  const health = await readiness();
  if (health === null) return UNREACHABLE;
  if (health.ready === undefined) return REFUSED;
  if (!health.ready) return `The server is not ready: ${health.not_ready.join("; ")}.`;
  if (health.slots.free === 0) {
    return `All ${health.slots.total} streams of this server are in use. Try again in a moment.`;
  }
  if (health.api_key_needed) return hasKey ? KEY_UNKNOWN : KEY_MISSING;
  return REFUSED;
}

// What the server says of itself; null if it cannot be reached.
async function readiness() {
  let answer;
  try {
    answer = await fetch("/readyz", { cache: "no-store" });
  } catch {
    return null;
  }
  return answer.json().catch(() => ({})); // a proxy may keep the page to itself
}
