// What pages do beyond links and forms. Without it they still look, search, send and show.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // Browsers hand it to secure addresses only.
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const said = button.firstChild.textContent;
    button.firstChild.textContent = "Copied";
    setTimeout(() => (button.firstChild.textContent = said), 1500);
  });
}

// What is folded on narrow screens lies open on wide ones.
for (const folds of document.querySelectorAll("details.folds")) {
  if (matchMedia("(max-width: 62rem)").matches) folds.open = false;
}
