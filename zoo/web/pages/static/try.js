// A picture is tried as soon as it is dropped, pasted or chosen; a map tells its cells.
"use strict";

const form = document.getElementById("try");
const input = document.getElementById("picture");
const preview = document.getElementById("preview");

function send(file) {
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
}

if (form) {
  const drop = form.querySelector(".drop");
  input.addEventListener("change", () => {
    const file = input.files[0];
    preview.hidden = !file;
    if (!file) return;
    const reader = new FileReader();
    reader.addEventListener("load", () => (preview.src = reader.result));
    reader.readAsDataURL(file);
    form.requestSubmit();
  });
  // A picture that is picked is not the one that was sent before.
  form.addEventListener("click", (event) => {
    if (!event.target.closest("[name=sample]")) return;
    input.value = "";
    preview.hidden = true;
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) send(event.clipboardData.files[0]);
  });
}

let cell = null; // row and column that is told

function tell(map, row, column) {
  const told = JSON.parse(map.dataset.cells);
  row = Math.min(Math.max(row, 0), told.rows - 1);
  column = Math.min(Math.max(column, 0), told.columns - 1);
  cell = [row, column];
  const chosen = Number(document.getElementById("class").value);
  const [x, y, width, height] = told.box;
  const mark = map.querySelector(".mark-cell");
  const wide = width / told.columns, high = height / told.rows;
  for (const [name, value] of [["x", x + column * wide], ["y", y + row * high], ["width", wide], ["height", high], ["visibility", "visible"]])
    mark.setAttribute(name, value);
  const span = ([stride, start, window], place) => `${stride * place + start} to ${stride * place + start + window}`;
  const value = told.values[chosen].length ? told.values[chosen][row][column].toFixed(3) : "";
  document.getElementById("read-out").textContent =
    `row ${row}, column ${column}: ${told.labels[chosen]} ${value}; sees x ${span(told.across, column)}, y ${span(told.down, row)}`;
}

// The answer is put in anew each time, so the document listens for what is in it.
document.addEventListener("pointermove", (event) => {
  const map = event.target.closest && event.target.closest("#map");
  if (!map) return;
  const told = JSON.parse(map.dataset.cells);
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const [x, y, width, height] = told.box;
  tell(map, Math.floor(((at.y - y) / height) * told.rows), Math.floor(((at.x - x) / width) * told.columns));
});

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

document.addEventListener("keydown", (event) => {
  const map = event.target.closest && event.target.closest("#map");
  if (!map || !STEPS[event.key]) return;
  event.preventDefault();
  const [row, column] = cell || [0, -1];
  tell(map, row + STEPS[event.key][0], column + STEPS[event.key][1]);
});

document.addEventListener("input", (event) => {
  const map = document.getElementById("map");
  if (!map) return;
  const maps = map.querySelectorAll(".cells");
  if (event.target.id === "opacity") maps.forEach((one) => one.setAttribute("opacity", event.target.value));
  if (event.target.id === "class") {
    maps.forEach((one, place) => one.setAttribute("visibility", place === Number(event.target.value) ? "visible" : "hidden"));
    if (cell) tell(map, ...cell);
  }
});

// What needs this script is hidden without it.
function reveal() {
  cell = null;
  document.querySelectorAll("[data-script]").forEach((one) => (one.hidden = false));
}

reveal();
document.addEventListener("htmx:after:swap", reveal);
