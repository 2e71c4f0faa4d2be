// Files are sent with their progress, and can be dropped on the page; the form works without this.
"use strict";

const form = document.querySelector("[data-upload]");
const input = form.querySelector("[type=file]");
const drop = form.querySelector(".drop");
const progress = form.querySelector("[data-progress]");
const refused = form.querySelector("[data-refused]");
const button = form.querySelector(".main-action");

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function refuse(words, hint) {
  progress.hidden = true;
  button.disabled = false;
  refused.hidden = false;
  refused.replaceChildren();
  for (const text of [words, hint]) {
    const line = document.createElement("p");
    line.textContent = text;
    refused.append(line);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  refused.hidden = true;
  progress.hidden = false;
  button.disabled = true;
  const bar = progress.querySelector("progress"), said = progress.querySelector("output");
  const request = new XMLHttpRequest();
  const begun = performance.now();
  request.upload.addEventListener("progress", (sent) => {
    bar.value = sent.loaded / sent.total;
    const rate = sent.loaded / (performance.now() - begun) / 1000;
    said.textContent = `${megabytes(sent.loaded)} of ${megabytes(sent.total)}, ${rate.toFixed(1)} MB/s`;
  });
  request.upload.addEventListener("load", () => (said.textContent = "All is there; it is being read."));
  request.addEventListener("load", () => {
    if (request.status < 400) return location.assign(request.responseURL);
    let error = { message: `The server answered ${request.status}.`, hint: "Send it again." };
    try {
      error = JSON.parse(request.responseText).error;
    } catch {
      // Not of our shape: something stands in between.
    }
    refuse(error.message, error.hint);
  });
  request.addEventListener("error", () => refuse("The connection broke.", "Send it again; large files go on where they stopped with: zoo push"));
  request.addEventListener("abort", () => refuse("Stopped.", "Nothing of it was kept."));
  progress.querySelector("[data-stop]").onclick = () => request.abort();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.send(new FormData(form));
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
});
