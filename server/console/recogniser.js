// One stream: a WebSocket to the server that this page came from, from connect to close.
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
  // `on` has: ready(), hypothesis(message), notice(text), closed({ expected, reason }).
  constructor(settings, on) {
    this.rate = settings.rate;
    this._hasKey = Boolean(settings.key);
    this.sentSamples = 0;
    this.stoppedAt = null;
    this._on = on;
    this._ready = false;
    this._closing = false;
    this._said = "";
    this._socket = new WebSocket(address(settings));
    this._socket.binaryType = "arraybuffer";
    this._socket.onmessage = (event) => this._receive(JSON.parse(event.data));
    this._socket.onclose = (event) => this._closed(event);
  }

  get isOpen() {
    return this._ready && !this._closing && this._socket.readyState === WebSocket.OPEN;
  }

  // Int16Array, 128 ms at most.
  send(samples) {
    if (!this.isOpen) return;
    this._socket.send(samples);
    this.sentSamples += samples.length;
  }

  // Until the network has taken most of what was sent: a fast file must not pile up here.
  async drained() {
    while (this.isOpen && this._socket.bufferedAmount > MAX_UNSENT_BYTES) {
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
    this._socket.send("done");
    this._socket.send("done");
    this._patience = setTimeout(() => {
      this._on.notice("The server did not send the last words in time.");
      this._socket.close();
    }, FINAL_PATIENCE_MS);
  }

  _receive(message) {
    if (message.status === "ready") {
      this._ready = true;
      this._on.ready(message);
    } else if (message.status !== undefined) {
      this._said = message.info;
      this._on.notice(message.info);
    } else {
      this._on.hypothesis(message);
      const isLast = message.isFinal && message.words.length === 0;
      if (isLast && this._closing) this._socket.close(1000);
    }
  }

  async _closed(event) {
    clearTimeout(this._patience);
    const expected = this._closing;
    this._closing = true;
    let reason = "";
    if (!this._ready && !expected) reason = await whyRefused(this._hasKey);
    else if (!expected) reason = this._said || whyLost(event);
    this._on.closed({ expected, reason });
  }
}

function whyLost(event) {
  if (event.code === 1001) return "The server is stopping. What was heard so far is above.";
  return "The connection to the server was lost. What was heard so far is above.";
}

async function whyRefused(hasKey) {
  let answer;
  try {
    answer = await fetch("/readyz", { cache: "no-store" });
  } catch {
    return UNREACHABLE;
  }
  const health = await answer.json().catch(() => ({})); // a proxy may keep the page to itself
  if (health.ready === undefined) return REFUSED;
  if (!health.ready) return `The server is not ready: ${health.not_ready.join("; ")}.`;
  if (health.slots.free === 0) {
    return `All ${health.slots.total} streams of this server are in use. Try again in a moment.`;
  }
  if (health.api_key_needed) return hasKey ? KEY_UNKNOWN : KEY_MISSING;
  return REFUSED;
}
