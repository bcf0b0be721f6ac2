// Copy buttons: <button data-copy="id of the text" hidden>. They stay hidden where the clipboard is out of reach.

const SHOWN_MS = 2000;

function reveal(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

async function copy(button) {
  const words = button.querySelector("[aria-live]") ?? button;
  const before = (button.dataset.words ??= words.textContent);
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    words.textContent = "Copied";
  } catch {
    words.textContent = "Select and copy";
  }
  setTimeout(() => (words.textContent = before), SHOWN_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:load", (event) => reveal(event.target));
reveal(document);
