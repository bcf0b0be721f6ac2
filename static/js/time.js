// Times: <time datetime="…Z" data-local="minute|second|day"> is rewritten in the reader's zone. The zone is the one kept
// in the account (<html data-time-zone>) or else the browser's. UTC stays in the title, for bills and logs.

const DAY = { day: "numeric", month: "short", year: "numeric" };
const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const FORMATS = { day: DAY, minute: MINUTE, second: { ...MINUTE, second: "2-digit" } };
const NAMERS = ["en-US", "en-GB", "en-AU", "en-CA", "en-IN", "en-ZA"];

const zone = document.documentElement.dataset.timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone;

// Each English knows only its own zones by name (EST, CET, IST); the others it calls GMT-5, here with a true minus.
function zoneName(at) {
  const names = NAMERS.map((language) => {
    const parts = new Intl.DateTimeFormat(language, { timeZone: zone, timeZoneName: "short" }).formatToParts(at);
    return parts.find((part) => part.type === "timeZoneName").value;
  });
  return names.find((name) => !/\d/.test(name)) ?? names[0].replace("-", "\u2212");
}

function words(at, unit) {
  const text = new Intl.DateTimeFormat("en-GB", { ...(FORMATS[unit] ?? MINUTE), timeZone: zone }).format(at);
  const said = unit === "day" ? text : `${text} ${zoneName(at)}`;
  return said.replaceAll(/(?<!,) /g, "\u00a0"); // a line breaks between day and clock, and nowhere else
}

function localise(root) {
  for (const element of root.querySelectorAll("time[data-local]:not([data-done])")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = words(at, element.dataset.local);
    element.title = `${element.title} (shown in ${zone})`;
    element.dataset.done = "";
  }
}

document.addEventListener("htmx:load", (event) => localise(event.target.parentElement ?? event.target));
localise(document);

// Sign-up remembers the zone of the browser; settings can change it.
for (const input of document.querySelectorAll("input[data-browser-time-zone]")) {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
}
