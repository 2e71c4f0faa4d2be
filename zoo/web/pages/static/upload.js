// Files are sent with their progress and go on where a connection broke; they can be dropped on the
// page. Without this script the form sends them in one go.
"use strict";

const PIECE = 2 ** 22; // bytes that are hashed at once
const PAUSES_S = [1, 2, 4, 8, 15, 30, 30, 30]; // between tries that brought nothing further
const STALLED_S = 60; // without a byte taken, a connection counts as broken
const AGAIN = new Set([409, 429, 502, 503, 504]); // answers that may be another one soon

const form = document.querySelector("[data-upload]");
const input = form.querySelector("[type=file]");
const named = form.querySelector("[name=name]");
const drop = form.querySelector(".drop");
const progress = form.querySelector("[data-progress]");
const bar = progress.querySelector("progress"), said = progress.querySelector("output");
const stop = progress.querySelector("[data-stop]");
const refused = form.querySelector("[data-refused]");
const button = form.querySelector(".main-action");

class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    Object.assign(this, { status, hint: error.hint || "" });
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function refuse(words, hint) {
  progress.hidden = true;
  button.disabled = false;
  button.textContent = "Go on";
  refused.hidden = false;
  refused.replaceChildren();
  for (const text of [words, hint]) {
    const line = document.createElement("p");
    line.textContent = text;
    refused.append(line);
  }
}

// A name that the server takes, made of a file's.
function derived(files) {
  const stem = files[0].name.split(".")[0].replace(/[^A-Za-z0-9._-]+/g, "-").replace(/-{2,}/g, "-");
  const most = Number(form.dataset.most);
  return stem.slice(0, most).replace(/(\.git|[._-])+$/, "").replace(/^[._-]+/, "") || form.dataset.upload;
}

async function digestOf(file, tell, signal) {
  const digest = new Digest();
  for (let at = 0; at < file.size; at += PIECE) {
    signal.throwIfAborted();
    digest.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    tell(Math.min(at + PIECE, file.size));
  }
  return digest.hex();
}

function refusalOf(status, text) {
  try {
    return new Refused(status, JSON.parse(text).error);
  } catch {
    // Not of our shape: something stands in between.
    return new Refused(status, { message: `The server answered ${status}.`, hint: "Send it again." });
  }
}

// Tell the progress of a body that is sent, and end the request once nothing more is taken of it: a
// network that has gone away does not always say so. At the end of the body the server may think.
function watch(request, tell, stalled) {
  let end;
  const wait = () => {
    clearTimeout(end);
    end = setTimeout(() => (stalled(), request.abort()), STALLED_S * 1000);
  };
  request.upload.addEventListener("loadstart", wait);
  request.upload.addEventListener("progress", (sent) => (wait(), tell(sent.loaded)));
  request.upload.addEventListener("loadend", () => clearTimeout(end));
}

// Ask the server, and give what it told; a broken connection is a TypeError, as of fetch.
function ask(method, url, body, signal, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    // Where no byte is left to be sent, the server has all of them to look through.
    if (tell && body.size) watch(request, tell, () => reject(new TypeError("Nothing was taken for a minute.")));
    request.addEventListener("load", () => (request.status < 400 ? resolve(request) : reject(refusalOf(request.status, request.responseText))));
    request.addEventListener("error", () => reject(new TypeError("The connection broke.")));
    request.addEventListener("abort", () => reject(signal.reason));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.addEventListener("abort", abort);
    request.open(method, url);
    request.setRequestHeader("Accept", "application/json");
    if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
    request.send(body);
  });
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const end = setTimeout(resolve, seconds * 1000);
    addEventListener("online", resolve, { once: true });
    signal.addEventListener("abort", () => (clearTimeout(end), reject(signal.reason)), { once: true });
  });
}

async function send(name, file, digest, tell, signal) {
  const path = `/v1/models/${name.split("/").map(encodeURIComponent).join("/")}/uploads`;
  let before = -1;
  for (let failures = 0; ; ) {
    try {
      const asked = await ask("POST", path, JSON.stringify({ digests: [digest] }), signal);
      const [standing] = JSON.parse(asked.responseText).uploads;
      const at = standing.received_bytes;
      if (standing.is_kept) return tell(file.size);
      if (at > before) failures = 0;
      before = at;
      tell(at);
      const url = `${path}/${digest}?size_bytes=${file.size}&offset=${at}`;
      await ask("PUT", url, file.slice(at), signal, (sent) => tell(at + sent));
    } catch (error) {
      const isBroken = error instanceof TypeError || AGAIN.has(error.status);
      if (!isBroken || failures >= PAUSES_S.length) throw error;
      said.textContent = `${error.message} It goes on in ${PAUSES_S[failures]} s.`;
      await pause(PAUSES_S[failures], signal);
      // Another connection, most often our last one, is still at it: that ends, however late.
      failures = Math.min(failures + 1, error.status === 409 ? PAUSES_S.length - 1 : Infinity);
    }
  }
}

async function upload(files, signal) {
  const name = named.value.trim() || derived(files);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const told = new FormData();
  told.append("name", name);
  let done = 0, first = null;
  const digests = [];
  for (const file of files) {
    digests.push(await digestOf(file, (at) => {
      bar.value = (done + at) / (total || 1);
      said.textContent = `Read ${megabytes(done + at)} of ${megabytes(total)}`;
    }, signal));
    done += file.size;
  }
  done = 0;
  const sending = performance.now();
  for (const [place, file] of files.entries()) {
    await send(name, file, digests[place], (at) => {
      first ??= done + at;
      bar.value = (done + at) / (total || 1);
      const rate = (done + at - first) / (performance.now() - sending) / 1000;
      said.textContent = `Sent ${megabytes(done + at)} of ${megabytes(total)}, ${rate.toFixed(1)} MB/s`;
    }, signal);
    done += file.size;
    told.append("path", file.name);
    told.append("digest", digests[place]);
  }
  said.textContent = "All is there; it is being read.";
  const answer = await ask("POST", form.action, told, signal);
  location.assign(answer.responseURL);
}

form.querySelector("[data-script]").hidden = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  refused.hidden = true;
  progress.hidden = false;
  button.disabled = true;
  const end = new AbortController();
  stop.onclick = () => end.abort(new Refused(0, { message: "Stopped.", hint: "What was sent is kept for a while: with the same files it goes on there." }));
  try {
    await upload([...input.files], end.signal);
  } catch (error) {
    refuse(error.message, error.hint ?? "What was sent is kept: it goes on there, after a reload too if the same files are chosen.");
  }
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
