// Numbers as people read them.

export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const rest = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

export function moment(ms) {
  return `${duration(ms)}.${String(Math.floor(ms / 10) % 100).padStart(2, "0")}`;
}

export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export function latency(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
