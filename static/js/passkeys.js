// Says in the page what went wrong with a passkey; allauth's own script only writes it to the console.

const WORDS = {
  NotAllowedError: "No passkey was used: the request was cancelled or timed out. Try again, or choose another way.",
  InvalidStateError: "This device already holds a passkey for this account.",
  NotSupportedError: "This browser or device does not support this kind of passkey.",
  SecurityError: "Passkeys work only on the site's own secure address.",
};

document.addEventListener("allauth.error", (event) => {
  const place = document.querySelector("[data-passkey-error]");
  if (!place) return;
  event.preventDefault();
  place.querySelector("p").textContent = WORDS[event.detail.exception?.name] ?? "The passkey did not work. Try again, or choose another way.";
  place.hidden = false;
});
