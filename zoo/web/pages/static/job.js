// A job that runs is asked every two seconds for what is new; its curves are drawn as they come.
"use strict";

const EVERY_MS = 2000;
const MOST_LINES = 400;
const job = document.getElementById("job");
const points = new Map(JSON.parse(job.dataset.points).map((one) => [one[0], one]));
let after = Number(job.dataset.after);
let plot = null;

function ink(selector) {
  const found = document.querySelector(`[data-keys] ${selector}`);
  return getComputedStyle(found).stroke;
}

function columns() {
  const rows = [...points.values()].sort((one, other) => one[0] - other[0]);
  return [0, 1, 2, 3].map((place) => rows.map((row) => row[place]));
}

function draw() {
  const chart = document.getElementById("chart");
  if (!chart || !points.size || !window.uPlot) return;
  document.getElementById("curves").hidden = false;
  if (plot) plot.destroy();
  const soft = getComputedStyle(document.querySelector(".sub")).color;
  const line = getComputedStyle(document.querySelector(".top")).borderBottomColor;
  const isLog = document.getElementById("log").checked;
  const axis = (more) => ({ stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif", ...more });
  plot = new uPlot(
    {
      width: chart.clientWidth,
      height: 260,
      legend: { show: false },
      cursor: { points: { size: 7 } },
      scales: { x: { time: false, range: (_, low, high) => [0, Math.max(high, 1)] }, loss: isLog ? { distr: 3 } : { range: (_, low, high) => [0, high * 1.05 || 1] }, right: { range: [0, 1] } },
      axes: [axis({ label: "epoch", labelSize: 18, labelFont: "12px system-ui, sans-serif", size: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }), axis({ scale: "loss", label: "loss", labelSize: 18, labelFont: "12px system-ui, sans-serif" }), axis({ scale: "right", side: 1, grid: { show: false } })],
      series: [
        {},
        { scale: "loss", stroke: ink(".line1"), width: 1.6, spanGaps: true },
        { scale: "loss", stroke: ink(".line2"), width: 1.6, dash: [5, 3], spanGaps: true },
        { scale: "right", stroke: ink(".line3"), width: 1.6, spanGaps: true },
      ],
    },
    columns(),
    chart,
  );
}

function addRow(one) {
  const row = document.createElement("tr");
  const digits = (value, count) => (value === null ? "\u2013" : value.toPrecision(count));
  for (const text of [one.epoch, digits(one.training_loss, 3), digits(one.held_out_loss, 3), `${(100 * one.held_out_accuracy).toFixed(1)} %`, digits(one.rate, 2)]) {
    const cell = document.createElement("td");
    cell.className = "n";
    cell.textContent = text;
    row.append(cell);
  }
  document.getElementById("epochs").append(row);
}

function drawStrip() {
  const strip = document.getElementById("strip");
  if (!strip) return;
  const [width, height] = strip.dataset.size.split(" ").map(Number);
  const place = ([epoch, , , , rate]) => `${((epoch / strip.dataset.epochs) * width).toFixed(1)},${((1 - rate) * height).toFixed(1)}`;
  strip.querySelector("polyline").setAttribute("points", [...points.values()].map(place).join(" "));
}

// Once the rates are known, so is which layers they are for: that part of the page is fetched.
async function showTraining() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("training");
  if (found) document.getElementById("training").replaceWith(found);
  drawStrip();
}

function addLine(event) {
  const lines = document.getElementById("log-lines");
  const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
  const line = document.createElement("li");
  const when = document.createElement("span");
  when.className = "soft";
  when.textContent = `${event.at.slice(11, 19)} ${event.step} `;
  line.append(when, event.message + (event.total ? ` ${event.done}/${event.total}` : ""));
  document.getElementById("silence")?.remove();
  lines.append(line);
  while (lines.children.length > MOST_LINES) lines.firstChild.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

// How long the step that runs will take at the pace of its last counts.
function left(events) {
  const last = events[events.length - 1];
  const first = events.find((one) => one.step === last.step);
  const done = last.done - first.done;
  if (done <= 0) return "";
  const seconds = ((Date.parse(last.at) - Date.parse(first.at)) / 1000 / done) * (last.total - last.done);
  return seconds < 90 ? `, about ${Math.ceil(seconds)} s left` : `, about ${Math.ceil(seconds / 60)} min left`;
}

const counts = [];

function take(told) {
  for (const event of told.events) {
    after = event.number;
    addLine(event);
    if (event.total) counts.push(event);
  }
  if (counts.length) {
    const last = counts[counts.length - 1];
    document.getElementById("progress").hidden = false;
    document.getElementById("step").textContent = `${last.step}: ${last.message}, ${last.done} of ${last.total}${left(counts)}`;
    const bar = document.getElementById("bar");
    bar.max = last.total;
    bar.value = last.done;
  }
  for (const one of told.curve) {
    if (!points.has(one.epoch)) addRow(one);
    points.set(one.epoch, [one.epoch, one.training_loss, one.held_out_loss, one.held_out_accuracy, one.rate]);
  }
  if (told.curve.length) draw();
  if (told.rates) showTraining();
  else if (told.curve.length) drawStrip();
}

async function look() {
  // A page that nobody sees asks for nothing.
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(`/v1/jobs/${job.dataset.job}?after=${after}`, { headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (answer.ok) {
        take(told);
        if (["succeeded", "failed", "cancelled"].includes(told.state)) return location.reload();
        const waits = document.getElementById("waits");
        if (waits) {
          waits.hidden = !told.waits_for;
          if (told.waits_for) waits.textContent = `It waits for ${told.waits_for}.`;
        }
        if (told.state === "running") document.getElementById("state").textContent = "\u25b6 runs";
      }
    } catch {
      // The server is gone for a moment; it is asked again.
    }
  }
  setTimeout(look, EVERY_MS);
}

const log = document.getElementById("log");
if (log) {
  log.parentElement.hidden = false;
  log.addEventListener("change", draw);
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
const lines = document.getElementById("log-lines");
lines.scrollTop = lines.scrollHeight;
draw();
if (!job.dataset.final) setTimeout(look, EVERY_MS);
