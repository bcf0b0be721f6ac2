// Counters that move by the second between two answers of the server. The server says where they stand (data-seconds,
// data-micros); only the time since then is measured here, so a wrong clock on this machine changes nothing.

const TICK_MS = 1000;
const started = new WeakMap();

function duration(total) {
  const seconds = Math.max(0, Math.floor(total));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
  const two = (n) => String(n).padStart(2, "0");
  const said = () => {
    if (days) return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
    if (hours) return `${hours} h ${two(minutes % 60)} min`;
    return minutes ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
  };
  return said().replaceAll(" ", "\u00a0");
}

function dollars(micros) {
  const cents = Math.floor((micros + 5_000) / 10_000);
  return (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });
}

const SHOW = {
  up: (element, passed) => (element.textContent = duration(Number(element.dataset.seconds) + passed)),
  down: (element, passed) => (element.textContent = duration(Number(element.dataset.seconds) - passed)),
  cost: (element, passed) => {
    const { micros, rate } = element.dataset;
    element.textContent = dollars(Number(micros) + Math.floor((Number(rate) * Math.floor(passed)) / 3600));
  },
  bar: (element, passed) => {
    element.dataset.base ??= element.value;
    element.value = Math.min(element.max, Number(element.dataset.base) + passed);
    element.classList.toggle("is-late", element.value >= element.max);
  },
};

function tick() {
  const now = performance.now();
  for (const element of document.querySelectorAll("[data-count]")) {
    if (!started.has(element)) started.set(element, now);
    SHOW[element.dataset.count]?.(element, (now - started.get(element)) / 1000);
  }
}

tick();
setInterval(tick, TICK_MS);
