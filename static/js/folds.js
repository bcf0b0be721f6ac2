// What is secondary is folded on a narrow screen. On a wide one, and without scripts, all of it is in sight.
if (matchMedia("(max-width: 40rem)").matches) {
  for (const fold of document.querySelectorAll("details[data-fold]")) fold.open = false;
}
